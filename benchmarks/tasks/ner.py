"""Named entities: CoNLL-2003 (English), CLUENER and resumes (Chinese), through the command line, whole test files.

python benchmarks/tasks/ner.py --data FOLDER
python benchmarks/tasks/ner.py --data FOLDER --only resume_ner --rows 1000
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness
from tuned import about_run, measure, options, tuned

SETS: dict[str, dict[str, Any]] = {
    "conll2003": {
        "title": "CoNLL-2003", "folder": "conll2003", "pattern": "{}.conll", "model": "distilbert-cased",
        "settings": ["training.epochs=2"], "crf": 0.811, "wanted": 0.87,
    },
    "cluener": {
        "title": "CLUENER", "folder": "cluener", "pattern": "{}.jsonl", "model": "e5-small",
        "settings": ["training.epochs=3", "training.learning_rate=2e-4", "training.layer_decay=0.95"], "crf": 0.695,
        "wanted": 0.72,
    },
    "resume_ner": {
        "title": "Chinese resumes", "folder": "resume_ner", "pattern": "{}.conll", "model": "e5-small", "crf": 0.916,
        "wanted": 0.93,
    },
}  # fmt: skip
"""``crf``: span F1 of a linear-chain CRF on window features, measured for the data's own README."""


def page(kept: dict[str, Any]) -> list[str]:
    """One table of all sets, then what stands behind each line."""
    header = ["set", "untuned", "dictionary", "CRF", "**tuned**", "precision", "recall", "wanted", "command s"]
    rows = [
        [
            SETS[name]["title"], *(harness.value(side["micro_f1"]) for side in (one["before"], dictionary(one))),
            f"{SETS[name]['crf']:.3f}", harness.interval(one["metrics"]["micro_f1"]),
            *(harness.value(one["metrics"][key]) for key in ("precision", "recall")),
            f"{SETS[name]['wanted']:.2f}: {reached(name, one)}", f"{one['seconds']:,.0f}",
        ]
        for name, one in kept.items()
    ]  # fmt: skip
    about = (
        "Micro-F1 of exact spans, as seqeval counts them. The CRF's is the figure in the data's README. Seconds are "
        "those of the whole command: reading, baseline, untuned model, training, evaluation, report, reload."
    )
    lines = [about, "", *harness.table(header, rows)]
    for name, one in kept.items():
        lines += [
            "",
            f"## {SETS[name]['title']}",
            "",
            about_run(one),
            "",
            *harness.table(["label", "precision", "recall", "F1", "spans"], [label(row) for row in one["per_class"]]),
        ]
    return [*lines, *harness.parts_lines({SETS[name]["title"]: one for name, one in kept.items()})]


def dictionary(one: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = one["baselines"]["dictionary"]
    return found


def reached(name: str, one: dict[str, Any]) -> str:
    return "reached" if one["metrics"]["micro_f1"]["value"] >= SETS[name]["wanted"] else "NOT reached"


def label(row: dict[str, Any]) -> list[str]:
    return [
        row["name"],
        *("-" if row[k] is None else f"{row[k]:.3f}" for k in ("precision", "recall", "f1")),
        row["support"],
    ]


def main() -> None:
    """The command line."""
    given = options(__doc__, SETS)
    measure(__file__, "tasks_ner", "Named entities", SETS, given, page)


if __name__ == "__main__":
    harness.entry(tuned, main)
