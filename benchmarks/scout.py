"""The ladder on several sets: what each rung gives for its seconds, and how near the predicted costs were.

python benchmarks/scout.py --data FOLDER --budget 30m [--sets banking77,imdb]
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import harness

SETS = {"banking77": "minilm", "imdb": "minilm", "chnsenticorp_hotel": "e5-small", "cmid_medical_intent": "e5-small"}


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: one scout."""
    with tempfile.TemporaryDirectory() as folder:
        train, test = harness.train_and_test(Path(job["data"], job["set"]), folder, job["rows"], job["test_rows"])
        settings = [f"data.test={test}", f"model={job['model']}", *job["overrides"]]
        command = ["scout", str(train), *settings, "--budget", job["budget"]]
        told = harness.verb(*command)
    return {key: told[key] for key in ("metric", "rows", "budget", "seconds", "rungs", "pick", "to_tune", "words")}


def main() -> None:
    """The command line."""
    parser = harness.parser(__doc__)
    parser.add_argument("--sets", default=",".join(SETS), help="comma-separated")
    parser.add_argument("--budget", default="30m")
    parser.add_argument("--rows", type=int, help="training rows (default: all)")
    parser.add_argument("--test-rows", type=int, help="test rows, which a scout leaves alone (default: all)")
    given = harness.parse(parser)
    overrides: list[str] = []
    if given.quick:
        given.rows, given.test_rows, given.budget, overrides = 60, 30, "60s", ["training.epochs=1"]
    run = harness.context()
    jobs = {
        name: {
            "data": str(given.data), "set": name, "model": SETS[name], "rows": given.rows, "test_rows": given.test_rows,
            "budget": given.budget, "overrides": overrides,
        }
        for name in given.sets.split(",")
    }  # fmt: skip
    found = {name: harness.child(__file__, job) for name, job in jobs.items()}
    lines = [*harness.context_lines(run)]
    for name, told in found.items():
        lines += ["", f"## {name}", "", *page(told), "", told["words"], *harness.busy_note([told])]
    harness.write(given.results, "scout", f"The ladder within {given.budget}", lines, {**run, "sets": found})


def page(told: dict[str, Any]) -> list[str]:
    """A table of rungs."""
    rows = []
    for rung in told["rungs"]:
        predicted = "-" if rung["predicted"] is None else f"{rung['predicted']:.1f}"
        if rung["skipped"]:
            rows.append([rung["title"], "-", predicted, "-", f"not tried: {rung['skipped']}"])
            continue
        figure = harness.interval(rung["figures"][told["metric"]])
        rows.append([rung["title"], figure, predicted, f"{rung['seconds']:.1f}", rung["beside_best"]])
    return harness.table(["candidate", told["metric"], "predicted, s", "taken, s", "beside the best"], rows)


if __name__ == "__main__":
    harness.entry(work, main)
