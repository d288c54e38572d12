"""Relations between given entities: SemEval-2010 Task 8 (English) and FinRE (Chinese), whole test files.

python benchmarks/tasks/relations.py --data FOLDER
python benchmarks/tasks/relations.py --data FOLDER --only semeval-minilm
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness
from tuned import about_run, measure, options, tuned

SEMEVAL = {
    "title": "SemEval-2010 Task 8", "folder": "semeval2010_task8", "pattern": "{}.csv", "metric": "relation_macro_f1",
    "reference": 0.711, "wanted": 0.80,
}  # fmt: skip
FINRE = {
    "title": "FinRE", "folder": "finre", "pattern": "{}.csv", "metric": "accuracy", "reference": 0.455, "wanted": 0.50,
}  # fmt: skip
SETS: dict[str, dict[str, Any]] = {
    "semeval-minilm": {**SEMEVAL, "model": "minilm"},
    "semeval-e5-small": {**SEMEVAL, "model": "e5-small"},
    "finre-e5-small": {**FINRE, "model": "e5-small"},
}
"""``reference``: TF-IDF with logistic regression, measured for the data's own README."""
METRICS = {"relation_macro_f1": "official F1", "relation_micro_f1": "micro-F1", "accuracy": "accuracy"}
ABOUT = (
    "Official F1 is that of SemEval-2010 Task 8: the mean F1 of the relations, both directions being one relation, "
    "only the right one being a hit, and `Other` (here also `unknown`) left out. Seconds are those of the whole "
    "command."
)


def page(kept: dict[str, Any]) -> list[str]:
    """A table of all runs, then what stands behind each line."""
    header = ["set, model", "official F1", "micro-F1", "accuracy", "wanted", "seconds"]
    rows: list[list[str]] = []
    for key, one in kept.items():
        told = SETS[key]
        sides = {"untuned": one["before"], "marked TF-IDF": one["baselines"]["marked-tfidf"]}
        for words, side in sides.items():
            rows.append([f"{told['title']}: {words}", *(harness.value(side[m]) for m in METRICS), "", ""])
        value = one["metrics"][told["metric"]]["value"]
        reached = f"{METRICS[told['metric']]} {told['wanted']:.2f}: {'' if value >= told['wanted'] else 'NOT '}reached"
        figures = [harness.interval(one["metrics"][m]) for m in METRICS]
        rows.append([f"**{told['title']}: `{one['model']}`, tuned**", *figures, reached, f"{one['seconds']:,.0f}"])
    lines = [ABOUT, "", *harness.table(header, rows)]
    for key, one in kept.items():
        told = SETS[key]
        reference = f"The TF-IDF of the data's README has {METRICS[told['metric']]} {told['reference']:.3f}."
        lines += ["", f"**{told['title']}.** {about_run(one)} {reference}"]
    return [*lines, *harness.parts_lines({f"{SETS[key]['title']}, {one['model']}": one for key, one in kept.items()})]


def main() -> None:
    """The command line."""
    given = options(__doc__, SETS)
    measure(__file__, "tasks_relations", "Relations between given entities", SETS, given, page)


if __name__ == "__main__":
    harness.entry(tuned, main)
