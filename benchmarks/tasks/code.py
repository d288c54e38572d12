"""Code generation: MBPP, pass@1 and perplexity of SmolLM2-135M-Instruct before and after tuning, run in the sandbox.

    python benchmarks/tasks/code.py --data FOLDER
    python benchmarks/tasks/code.py --data FOLDER --test-rows 500 --samples 10

The user's way: ``tunesmith tune train.jsonl task.execute=true``. Training problems are MBPP's own split; the test
problems are drawn from its test split by the seed. All three tests of a problem are shown, as in the paper (Austin et
al. 2021).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness

METRICS = ("pass_at_1", "pass_at_k", "parses", "perplexity")


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: ``tunesmith tune``, and what its report says."""
    with tempfile.TemporaryDirectory() as folder:
        names = (("train", job["rows"]), ("dev", job["test_rows"]), ("test", job["test_rows"]))
        files = {
            name: harness.part(Path(job["data"], f"{name}.jsonl"), Path(folder, f"{name}.jsonl"), n)
            for name, n in names
        }
        bundle = Path(job["keep"] or Path(folder, "bundle"))
        told = harness.verb(
            "tune", files["train"], f"data.validation={files['dev']}", f"data.test={files['test']}",
            f"model={job['model']}", "task=code-generation", "task.execute=true", f"bundle={bundle}",
            *job["settings"], "--replace",
        )  # fmt: skip
        report = json.loads((bundle / "report.json").read_text("utf-8"))
    keys = ("seconds", "metrics", "before", "verdict", "parity", "training")
    fixed = (report["flips"] or {}).get("fixed", {"examples": []})["examples"]
    outcomes: dict[str, int] = {}
    for error in report["worst_errors"]:
        kind = error["predicted"].partition(":")[0]
        outcomes[kind] = outcomes.get(kind, 0) + 1
    return {
        **{key: told[key] for key in keys},
        "rows": report["context"]["rows"],
        "stages": report["context"]["seconds"],
        "recipe": report["context"]["recipe"]["training"],
        "method": report["context"]["method"],
        "outcomes": outcomes,
        "examples": [{"text": one["text"], "program": one["predicted"]} for one in fixed[:3]],
    }


def main() -> None:
    """The command line."""
    parser = harness.parser(__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--rows", type=int, help="training problems (default: all 374)")
    parser.add_argument("--test-rows", type=int, default=150, help="test problems")
    parser.add_argument("--samples", type=int, default=1, help="programs drawn for each test problem")
    parser.add_argument("--keep", type=Path, help="where the bundle stays")
    parser.add_argument("--set", nargs="*", default=[], help="overrides: training.epochs=2 ...")
    given = harness.parse(parser)
    if given.quick:
        given.rows, given.test_rows = given.rows or 12, 4
        given.set = ["training.max_steps=2", "task.max_new_tokens=16", *given.set]
    job = {"data": str(given.data / "mbpp"), "rows": given.rows, "test_rows": given.test_rows, "model": given.model}
    found = harness.child(__file__, {**job, "keep": given.keep, "settings": settings(given)})
    run = {**found, **harness.context(), "model": given.model, "settings": settings(given)}
    harness.write(given.results, "tasks_code", "Code generation: MBPP", page(run), run)


def settings(given: argparse.Namespace) -> list[str]:
    """What the recipe says beside the data."""
    drawn = [f"task.samples={given.samples}", "task.temperature=0.8", "task.top_p=0.95"] if given.samples > 1 else []
    return ["training.epochs=3", *drawn, *given.set]


def page(run: dict[str, Any]) -> list[str]:
    """Before and after."""
    shown = [name for name in METRICS if name in run["metrics"]]
    rows = [
        [words, *(harness.interval(side[name]) for name in shown)]
        for words, side in (("before", run["before"]["metrics"] if "metrics" in run["before"] else run["before"]),
                            ("**tuned**", run["metrics"]))
    ]  # fmt: skip
    counts, recipe = run["rows"], run["recipe"]
    lines = [
        *harness.table(["", *shown], rows),
        "",
        f"`{run['model']}`, {run['method']}: {counts['train']} training, {counts['validation']} validation and "
        f"{counts['test']} test problems; {recipe['epochs']:g} epochs, batch {recipe['batch_size']}, rate "
        f"{recipe['learning_rate']:g}. Training {run['training']['seconds']:,.0f} s, all {run['seconds']:,.0f} s. "
        "Every program was run with its problem's tests in the sandbox (`tunesmith.core.sandbox`).",
        "",
        run["verdict"],
        "",
    ]
    if run["outcomes"]:
        said = ", ".join(f"{kind} {count}" for kind, count in sorted(run["outcomes"].items()))
        lines += [f"Of the failures that the report shows: {said}.", ""]
    for one in run["examples"]:
        lines += [f"Solved only after tuning: {one['text']}", "", "```python", one["program"], "```", ""]
    return [*lines, *harness.context_lines(run)]


if __name__ == "__main__":
    harness.entry(work, main)
