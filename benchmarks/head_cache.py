"""``head`` on banking77 twice: the second run finds the frozen encoder's vectors on disk.

    python benchmarks/head_cache.py --data FOLDER

Both runs are whole (baselines, proof and bundle included) and start from an empty cache folder of their own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import harness

STAGES = ("baselines", "before", "train", "evaluate")
WITH_VECTORS = ("before", "train", "evaluate")


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: one run."""
    import time

    from tunesmith.pipeline import tune

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        train, test = harness.train_and_test(Path(job["data"], "banking77"), folder, job["rows"], job["test_rows"])
        bundle = tune(
            str(train), f"data.test={test}", "model=minilm", "method=head", f"bundle={folder}/bundle", *job["overrides"]
        )
        report = bundle.report
    total = time.perf_counter() - start
    stages = report["context"]["seconds"]
    return {"stages": stages, "total": total, "metrics": report["metrics"], "training": report["context"]["training"]}


def main() -> None:
    """The command line."""
    parser = harness.parser(__doc__)
    parser.add_argument("--rows", type=int, help="training rows (default: all)")
    parser.add_argument("--test-rows", type=int, help="test rows (default: all)")
    given = harness.parse(parser)
    overrides = []
    if given.quick:
        given.rows, given.test_rows, overrides = 400, 50, ["training.epochs=1"]
    run = harness.context()
    job = {"data": str(given.data), "rows": given.rows, "test_rows": given.test_rows, "overrides": overrides}
    with tempfile.TemporaryDirectory() as cache:
        runs = [harness.child(__file__, job, {"TUNESMITH_CACHE": cache}) for _ in range(2)]
        kept = sum(path.stat().st_size for path in Path(cache, "features").glob("*.npy"))
    lines = [*harness.context_lines(run), "", *page(runs), "", f"Vectors on disk: {kept / 2**20:.1f} MiB."]
    title = "head on banking77, twice"
    lines += harness.busy_note(runs)
    harness.write(given.results, "head_cache", title, lines, {**run, "runs": runs, "vectors_bytes": kept})


def page(runs: list[dict[str, Any]]) -> list[str]:
    def row(words: str, pair: list[float]) -> list[str]:
        share = f"{100 * pair[1] / pair[0]:.0f}%" if pair[0] else "-"
        return [words, *(f"{seconds:.2f}" for seconds in pair), share]

    rows = [row(name, [run["stages"].get(name, 0.0) for run in runs]) for name in STAGES]
    learning = row(
        "**all that needs vectors** (" + ", ".join(WITH_VECTORS) + ")",
        [sum(run["stages"].get(name, 0.0) for name in WITH_VECTORS) for run in runs],
    )
    rows += [learning, row("of it, steps of the head", [run["training"]["seconds"] for run in runs])]
    rows += [row("the whole run, with reading, baselines, saving, proof", [run["total"] for run in runs])]
    same = runs[0]["metrics"] == runs[1]["metrics"]
    lines = harness.table(["stage, seconds", "first", "second", "share"], rows)
    accuracy = harness.interval(runs[0]["metrics"]["accuracy"])
    return [
        *lines,
        "",
        f"Test accuracy {accuracy}; the second run's figures are {'the same' if same else 'NOT the same'}.",
    ]


if __name__ == "__main__":
    harness.entry(work, main)
