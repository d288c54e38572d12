"""Cold start: from nothing to the first answer in a fresh process, and the memory that is then held, by runtime.

    python benchmarks/shrink/cold.py --data FOLDER
    python benchmarks/shrink/cold.py --data FOLDER --only hotel --forms int8 openvino-bf16 --repeats 9

Of one tuned parent: the bundle in torch fp32, forms of it, and ``transformers.pipeline`` on the parent's folder. Each
process imports, reads (ours hashes every file), and answers one text. Contenders take turns; medians. The files have
been read once before, so that they come from the system's cache and not from the disk.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping
from typing import Any

import parents
from parents import SETS, harness

NAME = "shrink_cold"
TORCH, PEER = "torch", "transformers.pipeline"
FORMS = ("onnx", "int8", "openvino-bf16")
TEXT = {"banking77": "I still have not received my new card.", "imdb": "A dull film with one good scene.",
        "hotel": "房间很干净，服务员也很热情"}  # fmt: skip
STAGES = ("import", "read", "first")


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: make a form, or start cold."""
    if "words" in job:
        try:
            return parents.shrunk(job)
        except SystemExit as error:  # what does not hold does not ship: the page says so
            return {"failed": json.loads(str(error))["error"]["problem"]}
    return (theirs if job["contender"] == PEER else ours)(job)


def ours(job: dict[str, Any]) -> dict[str, Any]:
    """A bundle."""
    import sys
    import time

    marks = [time.perf_counter()]
    from tunesmith.bundle.read import read_bundle

    marks.append(time.perf_counter())
    bundle = read_bundle(job["bundle"])
    marks.append(time.perf_counter())
    answer = bundle.predict(job["text"])[0]["label"]
    marks.append(time.perf_counter())
    bundle.predict(job["text"])
    return told(marks, time.perf_counter(), answer, "torch" in sys.modules)


def theirs(job: dict[str, Any]) -> dict[str, Any]:
    """The same folder by the library that everybody has."""
    import time

    marks = [time.perf_counter()]
    from transformers import pipeline

    marks.append(time.perf_counter())
    ask = pipeline("text-classification", model=job["bundle"])
    marks.append(time.perf_counter())
    answer = ask(job["text"])[0]["label"]
    marks.append(time.perf_counter())
    ask(job["text"])
    return told(marks, time.perf_counter(), answer, True)


def told(marks: list[float], end: float, answer: str, torch: bool) -> dict[str, Any]:
    """Seconds between the marks."""
    seconds = {name: b - a for name, a, b in zip(STAGES, marks, marks[1:], strict=False)}
    seconds |= {"total": marks[-1] - marks[0], "second": end - marks[-1]}
    return {"seconds": seconds, "answer": answer, "torch": torch}


def page(kept: Mapping[str, Any]) -> list[str]:
    """A table a set."""
    lines = [
        "Seconds in a fresh process, medians: the imports, reading (ours hashes every file, and loads the model with "
        "the first answer; the pipeline loads it here), the first answer, all three; then ms of a second answer, "
        "tokens included. MiB: the most that was resident up to then.",
    ]
    for name, one in kept.items():
        header = ["contender", "imports", "read", "first answer", "**all**", "least to most", "second, ms", "MiB"]
        rows, answers = [], set()
        for contender, runs in one["runs"].items():
            if not runs:
                continue
            middle = {key: statistics.median(run["seconds"][key] for run in runs) for key in runs[0]["seconds"]}
            every = [run["seconds"]["total"] for run in runs]
            answers |= {run["answer"] for run in runs}
            label = contender if runs[0]["torch"] else f"{contender} (torch is not loaded)"
            rows.append([
                label, *(f"{middle[key]:.2f}" for key in (*STAGES, "total")), f"{min(every):.2f} to {max(every):.2f}",
                f"{1e3 * middle['second']:.1f}", f"{statistics.median(run['peak_mib'] for run in runs):.0f}",
            ])  # fmt: skip
        every_run = [run for runs in one["runs"].values() for run in runs]
        least = min(len(runs) for runs in one["runs"].values() if runs)
        lines += ["", f"## {SETS[name]['title']}", "", parents.about(one["parent"]), "", *harness.table(header, rows)]
        same = "all gave the same answer" if len(answers) == 1 else f"the answers DIFFER: {', '.join(sorted(answers))}"
        lines += ["", f"{least} processes each; {same}."]
        lines += [f"{form} does not ship here: {why}" for form, why in one["failed"].items()]
        lines += ["", *harness.context_lines(one), *harness.busy_note(every_run)]
    return lines


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / f"{NAME}.json"
    kept: dict[str, Any] = harness.kept(path, {})
    run = harness.context()
    for name in given.only:
        made = parents.parent(given, name)
        settings = {"parent": made.told["settings"], "forms": given.forms}
        if kept.get(name, {}).get("settings") != settings:
            kept[name] = {**run, "settings": settings, "parent": made.told, "runs": {}, "failed": {}}
        one = kept[name]
        places = {PEER: made.bundle, TORCH: made.bundle}
        for form in given.forms:
            places[form] = made.place / form
            if not places[form].is_dir():
                words = ["--to", form, "--max-loss", "1", "--min-agreement", "0"]
                found = harness.child(__file__, {"parent": str(made.bundle), "into": form, "words": words})
                if "failed" in found:
                    one["failed"][form] = found["failed"]
                    del places[form]
        jobs = {key: {"contender": key, "bundle": str(place), "text": TEXT[name]} for key, place in places.items()}
        runs = {key: one["runs"].setdefault(key, []) for key in jobs}
        if all(len(found) >= given.repeats for found in runs.values()):
            continue
        for job in jobs.values():
            harness.child(__file__, job)  # into the system's cache
        for turn in range(given.repeats):
            for key, job in jobs.items():
                if len(runs[key]) <= turn:
                    runs[key].append(harness.child(__file__, job))
        harness.write(given.results, NAME, "Shrink: cold start", page(kept), kept)
    harness.write(given.results, NAME, "Shrink: cold start", page(kept), kept)


def options() -> argparse.Namespace:
    """The command line's."""
    parser = parents.options(__doc__, ["banking77", "hotel"])
    parser.add_argument("--forms", nargs="+", default=list(FORMS), help="beside torch and the pipeline")
    parser.add_argument("--repeats", type=int, default=5)
    given = parents.parse(parser)
    if wrong := [name for name in given.only if name not in TEXT]:
        parser.error(f"--only: {', '.join(wrong)} classifies no texts, and the pipeline is asked for that")
    if given.quick:
        given.repeats = 1
    return given


if __name__ == "__main__":
    harness.entry(work, main)
