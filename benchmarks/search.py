"""The best of 20 trials against the defaults, and what giving up early saves.

    python benchmarks/search.py --data FOLDER [--sets banking77,chnsenticorp_hotel]

Three contenders a set, each from the command line and on the same rows: the defaults (``tune``), a search whose trials
all go to their end, and a search that gives trials up. The test rows are answered once by each contender.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import harness

SETS = {"banking77": "minilm", "imdb": "minilm", "chnsenticorp_hotel": "e5-small"}
CONTENDERS: dict[str, list[str]] = {
    "the defaults": ["tune"],
    "search, every trial to its end": ["search", "--pruner", "none"],
    "search, giving up early": ["search", "--pruner", "median"],
}


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: one contender on one set."""
    with tempfile.TemporaryDirectory() as folder:
        train, test = harness.train_and_test(Path(job["data"], job["set"]), folder, job["rows"], job["test_rows"])
        verb, *options = job["command"]
        trials = ["--trials", str(job["trials"]), "--sampler", job["sampler"]] if verb == "search" else []
        bundle = Path(folder, "bundle")
        settings = [f"data.test={test}", f"model={job['model']}", f"method={job['method']}", f"bundle={bundle}"]
        command = [verb, str(train), *settings, *job["overrides"], *options, *trials]
        told = harness.verb(*command)
    return {key: told.get(key) for key in ("seconds", "metrics", "training", "search")}


def main() -> None:
    """The command line."""
    parser = harness.parser(__doc__)
    parser.add_argument("--sets", default=",".join(SETS), help="comma-separated")
    parser.add_argument("--method", default="lora")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--rows", type=int, help="training rows (default: all)")
    parser.add_argument("--test-rows", type=int, help="test rows (default: all)")
    given = harness.parse(parser)
    overrides: list[str] = []
    if given.quick:
        given.rows, given.test_rows, given.trials, overrides = 60, 30, 2, ["training.epochs=1", "method=head"]
    run = harness.context()
    found: dict[str, dict[str, Any]] = {}
    for name in given.sets.split(","):
        shared = {
            "data": str(given.data), "set": name, "model": SETS[name], "method": given.method, "rows": given.rows,
            "test_rows": given.test_rows, "trials": given.trials, "sampler": given.sampler, "overrides": overrides,
        }  # fmt: skip
        found[name] = {
            title: harness.child(__file__, {**shared, "command": command}) for title, command in CONTENDERS.items()
        }
    lines = [*harness.context_lines(run)]
    for name, runs in found.items():
        lines += ["", f"## {name}", "", *page(runs), *harness.busy_note(list(runs.values()))]
    harness.write(given.results, "search", f"{given.trials} trials against the defaults", lines, {**run, "sets": found})


def page(runs: dict[str, dict[str, Any]]) -> list[str]:
    """A table of contenders."""
    rows = []
    for title, run in runs.items():
        search = run["search"] or {}
        counts = search.get("counts", {})
        rows.append(
            [
                title,
                *(harness.interval(run["metrics"][metric]) for metric in ("macro_f1", "accuracy")),
                f"{search['best']['value']:.3f}" if search else "-",
                f"{counts['pruned']} of {counts['all']}" if search else "-",
                f"{search['trial_seconds']:.0f}" if search else "-",
                f"{run['seconds']:.0f}",
            ]
        )
    header = ["contender", "test macro-F1", "test accuracy", "best validation", "given up", "trials, s", "in all, s"]
    return harness.table(header, rows)


if __name__ == "__main__":
    harness.entry(work, main)
