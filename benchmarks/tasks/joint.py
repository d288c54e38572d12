"""Entities and relations together, on sentences made of FinRE (Chinese): companies are spans, pairs relations.

FinRE tells the two entities; here they are to be found. A sentence's entities are those that any of its pairs names,
so that entities without a pair are not told: precision of entities is lower than it would be by hand.

python benchmarks/tasks/joint.py --data FOLDER
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness
from tuned import about_run, measure, options, tuned

SETS: dict[str, dict[str, Any]] = {
    "finre": {"title": "FinRE", "folder": "finre", "pattern": "{}.jsonl", "model": "e5-small"},
}
NAMES = ("relation_micro_f1", "relation_macro_f1", "micro_f1", "precision", "recall")
ABOUT = (
    "Relations: right with both entities' places. Entities: exact spans. Made of FinRE, where only entities of a pair "
    "are told. Seconds are those of the whole command."
)


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: the files, then ``tunesmith tune``."""
    with tempfile.TemporaryDirectory() as folder:
        for split in ("train", "dev", "test"):
            most = job["rows"] if split == "train" else job["test_rows"]
            rows = sentences(harness.rows_of(Path(job["folder"], f"{split}.csv")))[:most]
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            Path(folder, f"{split}.jsonl").write_text("".join(lines), "utf-8")
        return tuned({**job, "folder": folder, "rows": None, "test_rows": None})


def sentences(pairs: list[dict[str, str]]) -> list[dict[str, Any]]:
    """A row a sentence: text, spans, relations between them."""
    grouped: dict[str, list[dict[str, str]]] = {}
    for pair in pairs:
        grouped.setdefault(pair["sentence"], []).append(pair)
    return [sentence(text, told) for text, told in grouped.items()]


def sentence(text: str, told: list[dict[str, str]]) -> dict[str, Any]:
    """Of names that hold each other, the longer one has the place; the shorter one its next place, or none."""
    places: dict[str, tuple[int, int]] = {}
    taken = [False] * len(text)
    for name in sorted({pair[side] for pair in told for side in ("head", "tail")}, key=lambda name: (-len(name), name)):
        at = text.find(name)
        while at >= 0 and any(taken[at : at + len(name)]):
            at = text.find(name, at + 1)
        if at >= 0:
            places[name] = (at, at + len(name))
            taken[at : at + len(name)] = [True] * len(name)
    order = sorted(places, key=lambda name: places[name])
    relations: dict[tuple[int, int], str] = {}
    for pair in told:
        if pair["label"] != "unknown" and pair["head"] != pair["tail"] and {pair["head"], pair["tail"]} <= set(places):
            relations.setdefault((order.index(pair["head"]), order.index(pair["tail"])), pair["label"])
    return {
        "text": text,
        "spans": [[*places[name], "company"] for name in order],
        "relations": [[head, tail, label] for (head, tail), label in relations.items()],
    }


def page(kept: dict[str, Any]) -> list[str]:
    """A table of all runs, then what stands behind each line."""
    header = [
        "set, model",
        "relations, micro-F1",
        "relations, macro-F1",
        "entities, F1",
        "precision",
        "recall",
        "seconds",
    ]
    rows: list[list[str]] = []
    for key, one in kept.items():
        title = SETS[key]["title"]
        sides = {"untuned": one["before"], "names seen in training": one["baselines"]["seen-relations"]}
        for words, side in sides.items():
            rows.append([f"{title}: {words}", *(harness.value(side[m]) for m in NAMES), ""])
        figures = [harness.interval(one["metrics"][m]) for m in NAMES]
        rows.append([f"**{title}: `{one['model']}`, tuned**", *figures, f"{one['seconds']:,.0f}"])
    lines = [ABOUT, "", *harness.table(header, rows)]
    for key, one in kept.items():
        lines += ["", f"**{SETS[key]['title']}.** {about_run(one)}"]
    return [*lines, *harness.parts_lines({SETS[key]["title"]: one for key, one in kept.items()})]


def main() -> None:
    """The command line."""
    given = options(__doc__, SETS)
    measure(__file__, "tasks_joint", "Entities and relations together", SETS, given, page)


if __name__ == "__main__":
    harness.entry(work, main)
