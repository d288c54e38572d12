"""Cold start to ready, and resident memory: one adapter, many over one backbone, and as many loaded each for itself.

    python benchmarks/service/memory.py --data FOLDER
    python benchmarks/service/memory.py --data FOLDER --adapters 20 --repeats 5

LoRA bundles of one MiniLM, made by this script: an epoch on a few rows each. ``tunesmith serve`` of one, then of a
catalog of all; beside it a process that reads all of them as a user's own program would, each with its own backbone.
Time runs from the start of the process until ``/readyz`` says yes; memory is read when each product has answered once,
PSS: a page that several processes share counts by its share. Contenders take turns; medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import bundles
import serving
from bundles import harness

NAME = "service_memory"
TEXT = "I still have not received my new card."


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: all bundles, one after the other, each for itself."""
    from tunesmith.bundle.read import read_bundle

    loaded = [read_bundle(path) for path in job["bundles"]]
    answers = [bundle.predict(TEXT)[0]["label"] for bundle in loaded]
    return {"seconds": time.time() - job["began"], "answers": answers, **serving.memory([os.getpid()])}


def separate(paths: list[Path]) -> dict[str, Any]:
    """The child's figures; ``seconds`` until all have answered."""
    return harness.child(__file__, {"bundles": [str(path) for path in paths], "began": time.time() + 0.5})


def served(paths: list[Path], folder: Path) -> dict[str, Any]:
    """The service's: ``ready`` seconds, ``seconds`` until all have answered."""
    values = {"products": {path.name: str(path) for path in paths}}
    others = harness.busy_cores()
    began = time.perf_counter()
    with serving.ours(serving.catalog(folder, values), folder) as server:
        at_ready = server.memory()
        asked = [serving.call("POST", f"{server.url}/v1/predict/{path.name}", {"text": TEXT}) for path in paths]
        seconds = time.perf_counter() - began
        return {
            "ready": server.seconds, "seconds": seconds, "pss_at_ready": at_ready["pss"], **server.memory(),
            "answers": [one["prediction"]["label"] for one in asked], "others": others,
        }  # fmt: skip


def page(one: Mapping[str, Any]) -> list[str]:
    """A line for each contender."""
    header = ["contender", "ready, s", "all answered, s", "PSS at ready, MiB", "PSS, MiB", "RSS, MiB", "least to most"]
    rows, pss = [], {}
    for name, runs in one["runs"].items():
        middle = {
            key: statistics.median(run[key] for run in runs)
            for key in ("ready", "seconds", "pss_at_ready", "pss", "rss")
            if key in runs[0]
        }
        pss[name] = middle["pss"]
        figures = [f"{middle[key]:.2f}" if key in middle else "-" for key in ("ready", "seconds")]
        figures += [f"{middle[key]:,.0f}" if key in middle else "-" for key in ("pss_at_ready", "pss", "rss")]
        every = [run["pss"] for run in runs]
        rows.append([name, *figures, f"{min(every):,.0f} to {max(every):,.0f}"])
    lines = harness.table(header, rows)
    first, many, alone, apart = pss
    count = one["settings"]["adapters"]
    more, each = ((pss[all_] - pss[single]) / max(1, count - 1) for all_, single in ((many, first), (apart, alone)))
    lines += [
        "",
        f"Each further adapter takes {more:,.1f} MiB in the service, {each:,.1f} MiB where it is loaded for itself; "
        f"all {count} together take {pss[many] / pss[apart]:.0%} of what they take apart.",
    ]
    answers = {tuple(run["answers"]) for name in (many, apart) for run in one["runs"][name]}
    lines += [f"The answers are {'the same' if len(answers) == 1 else 'NOT the same'} in both."]
    every_run = [run for runs in one["runs"].values() for run in runs]
    return [*lines, "", *harness.context_lines(one), *harness.busy_note(every_run)]


def main() -> None:
    """The command line."""
    given = options()
    paths = bundles.adapters(given, given.adapters)
    folder, path = given.work / "run" / "memory", given.results / f"{NAME}.json"
    contenders: dict[str, Callable[[], dict[str, Any]]] = {
        "tunesmith serve, 1 adapter": lambda: served(paths[:1], folder),
        f"tunesmith serve, {len(paths)} adapters": lambda: served(paths, folder),
        "1 bundle, without a service": lambda: separate(paths[:1]),
        f"{len(paths)} bundles, each for itself": lambda: separate(paths),
    }
    one: dict[str, Any] = harness.kept(path, {})
    settings = {"adapters": given.adapters}
    if one.get("settings") != settings:
        one = {**harness.context(), "settings": settings, "runs": {name: [] for name in contenders}}
        for bundle in paths:  # into the system's cache, so that nobody pays for the disk
            for file in filter(Path.is_file, bundle.rglob("*")):
                file.read_bytes()
    for turn in range(given.repeats):
        for name, run in contenders.items():
            if len(one["runs"][name]) <= turn:
                one["runs"][name].append(run())
                print(name, one["runs"][name][-1], file=sys.stderr, flush=True)
        harness.write(given.results, NAME, "The service: cold start and memory", page(one), one)


def options() -> argparse.Namespace:
    """The command line's."""
    parser = bundles.options(__doc__)
    parser.add_argument("--adapters", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    given = bundles.parse(parser)
    if given.quick:
        given.adapters, given.repeats = 2, 1
    return given


if __name__ == "__main__":
    harness.entry(work, main)
