"""How many padded tokens a CPU computes best at once: rows a second by runtime and by length of text.

    python benchmarks/service/at_once.py --data FOLDER

The service takes up to 32 rows from its queue; here they are computed as it does, the longest first, in batches of at
most so many tokens. All sizes take turns, so that a busy moment hits all alike; medians of the rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import bundles
from bundles import TEXTS, TORCH, harness

NAME = "service_at_once"
FORMS = (TORCH, "onnx", "int8", "openvino")
SIZES = (64, 96, 128, 192, 256, 384, 512, 1024, 4096, 16384)
GROUP, GROUPS = 32, {"banking77": 12, "imdb": 2}
SECONDS = 30.0
"""For all sizes of a runtime and a length."""


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: one runtime, all sizes in turns."""
    from tunesmith.bundle.predictor import Predictor
    from tunesmith.bundle.read import read_bundle
    from tunesmith.compression.latency import medians

    own = read_bundle(job["bundle"]).predictor()
    found: dict[str, Any] = {}
    for name, file in job["files"].items():
        rows = [{"text": row["text"]} for row in harness.rows_of(Path(file), GROUP * GROUPS[name])]
        groups = [own.encode(rows[at : at + GROUP]) for at in range(0, len(rows), GROUP)]

        def runner(size: int) -> Callable[[int], object]:
            asked = Predictor(
                own.task, own.processor, own.runtime, max_length=own.max_length, batch_size=GROUP, batch_tokens=size
            )
            return lambda i: asked.infer(groups[i % len(groups)])  # noqa: B023 - asked at once

        seconds = medians({str(size): runner(size) for size in SIZES}, range(len(groups)), job["seconds"])
        found[name] = {size: GROUP / one for size, one in seconds.items()}
    return {"rates": found}


def page(one: Mapping[str, Any]) -> list[str]:
    """A table for each length."""
    lines = [f"Rows a second, {GROUP} rows waiting. {one['about']}"]
    for name in TEXTS:
        lines += ["", f"## Texts of {name}'s length", ""]
        rates = {form: found[name] for form, found in one["rates"].items()}
        rows = []
        for size in map(str, SIZES):
            cells = [
                f"**{own[size]:,.0f}**" if own[size] == max(own.values()) else f"{own[size]:,.0f}"
                for own in rates.values()
            ]
            rows.append([f"{int(size):,}", *cells])
        lines += harness.table(["tokens at once", *rates], rows)
    return [*lines, "", *harness.context_lines(one), *harness.busy_note([one])]


def main() -> None:
    """Measure each runtime in a process of its own."""
    given = bundles.parse(bundles.options(__doc__))
    made = bundles.parent(given)
    files = {name: str(bundles.texts(given, made.bundle, name)) for name in TEXTS}
    busy = harness.busy_cores()
    rates = {}
    for form in FORMS[: 1 if given.quick else None]:
        job = {"bundle": str(bundles.form(made, form)), "files": files, "seconds": 1.0 if given.quick else SECONDS}
        rates[form] = harness.child(__file__, job)["rates"]
    one = {**harness.context(), "others": busy, "about": bundles.about(made), "rates": rates}
    harness.write(given.results, NAME, "The service: tokens at once", page(one), one)


if __name__ == "__main__":
    harness.entry(work, main)
