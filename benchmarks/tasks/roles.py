"""Semantic roles without syntax: Universal Propositions, English and Chinese, whole test files.

python benchmarks/tasks/roles.py --data FOLDER
python benchmarks/tasks/roles.py --data FOLDER --only zh-e5-small
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness
from tuned import about_run, measure, options, tuned

ENGLISH = {"title": "English", "folder": "up_srl_en", "pattern": "{}.jsonl", "reference": 0.718}
CHINESE = {"title": "Chinese", "folder": "up_srl_zh", "pattern": "{}.jsonl", "reference": 0.576}
RATE = ("training.learning_rate=3e-4",)
SETS: dict[str, dict[str, Any]] = {
    "en-distilbert-cased": {**ENGLISH, "model": "distilbert-cased", "settings": ["training.epochs=6"]},
    "en-minilm": {**ENGLISH, "model": "minilm"},
    "en-e5-small": {**ENGLISH, "model": "e5-small"},
    "zh-e5-small": {**CHINESE, "model": "e5-small", "settings": ["training.epochs=20", *RATE]},
    "zh-after-en": {
        **CHINESE, "title": "Chinese, after English", "model": "e5-small", "settings": ["training.epochs=8", *RATE],
        "first": {"folder": "up_srl_en", "pattern": "{}.jsonl", "settings": ["training.epochs=4", *RATE]},
    },
}  # fmt: skip
"""``reference``: logistic regression on gold syntax (paths, tags, relations), measured for the data's own README."""
ABOUT = (
    "Micro-F1 of roles on the head word of each argument, predicate by predicate; the predicate and its frame are "
    "given, syntax is not. The reference is a logistic regression that reads *gold* syntax: dependency paths, parts "
    "of speech and relations as annotated by hand. Seconds are those of the whole command."
)


def page(kept: dict[str, Any]) -> list[str]:
    """A table of all runs, then what stands behind each line."""
    header = ["set, model", "F1", "precision", "recall", "rows all right", "seconds"]
    names = ("micro_f1", "precision", "recall", "accuracy")
    rows: list[list[str]] = []
    for key, one in kept.items():
        told = SETS[key]
        sides = {"untuned": one["before"], "words and places, no syntax": one["baselines"]["role-words"]}
        for words, side in sides.items():
            rows.append([f"{told['title']}: {words}", *(harness.value(side[m]) for m in names), ""])
        rows.append([f"{told['title']}: logistic regression on gold syntax", f"{told['reference']:.3f}", *[""] * 4])
        figures = [harness.interval(one["metrics"]["micro_f1"])]
        figures += [harness.value(one["metrics"][m]) for m in names[1:]]
        rows.append([f"**{told['title']}: `{one['model']}`, tuned, no syntax**", *figures, f"{one['seconds']:,.0f}"])
    lines = [ABOUT, "", *harness.table(header, rows)]
    for key, one in kept.items():
        told = SETS[key]
        above = one["metrics"]["micro_f1"]["low"] > told["reference"]
        words = "Its whole interval is above" if above else "Its interval is NOT wholly above"
        lines += ["", f"**{told['title']}.** {about_run(one)} {words} the reference on gold syntax."]
    return [*lines, *harness.parts_lines({f"{SETS[key]['title']}, {one['model']}": one for key, one in kept.items()})]


def main() -> None:
    """The command line."""
    given = options(__doc__, SETS)
    measure(__file__, "tasks_roles", "Semantic roles", SETS, given, page)


if __name__ == "__main__":
    harness.entry(tuned, main)
