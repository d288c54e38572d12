"""One table of all tasks: before tuning, a simple baseline, after tuning, what was wanted, and the seconds.

python benchmarks/tasks/summary.py        # from the results of the other scripts here; writes results/tasks.md
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness


@dataclass(frozen=True)
class Line:
    """A run in the table.

    Args:
        page: the results' name.
        run: its key there.
        metric: the one that was asked for.
        reference: the figure that the data's own README gives for a simple way, and what that way is.
        wanted: the least that was wanted; None: more than the reference.
    """

    title: str
    page: str
    run: str
    metric: str
    reference: tuple[float, str]
    wanted: float | None = None


LINES = (
    Line("CoNLL-2003, names, en", "tasks_ner", "conll2003", "micro_f1", (0.811, "CRF"), 0.87),
    Line("CLUENER, names, zh", "tasks_ner", "cluener", "micro_f1", (0.695, "CRF"), 0.72),
    Line("resumes, names, zh", "tasks_ner", "resume_ner", "micro_f1", (0.916, "CRF"), 0.93),
    Line(
        "SemEval-2010 Task 8, relations, en", "tasks_relations", "semeval-minilm", "relation_macro_f1",
        (0.711, "TF-IDF"), 0.80,
    ),
    Line("FinRE, relations, zh", "tasks_relations", "finre-e5-small", "accuracy", (0.455, "TF-IDF"), 0.50),
    Line("semantic roles, en", "tasks_roles", "en-distilbert-cased", "micro_f1", (0.718, "LR on gold syntax")),
    Line("semantic roles, zh", "tasks_roles", "zh-e5-small", "micro_f1", (0.576, "LR on gold syntax")),
    Line("CMRC 2018, questions, zh", "tasks_qa", "cmrc2018", "answer_f1", (0.446, "best sentence"), 0.60),
    Line("SubjQA restaurants, en, all questions", "tasks_qa", "restaurants", "answer_f1", (0.134, "best sentence *")),
    Line("SubjQA restaurants, en, answerable", "tasks_qa", "restaurants", "answerable_f1", (0.262, "best sentence")),
    Line("SubjQA electronics, en, all questions", "tasks_qa", "electronics", "answer_f1", (0.249, "best sentence *")),
    Line("SubjQA electronics, en, answerable", "tasks_qa", "electronics", "answerable_f1", (0.355, "best sentence")),
    Line("CommonsenseQA, choices, en", "tasks_choices", "commonsenseqa/apart", "accuracy", (0.206, "longest choice")),
    Line("C3, choices with a text, zh", "tasks_choices", "c3/apart", "accuracy", (0.417, "bigram overlap")),
    Line("MedQuAD, question to answer, en", "tasks_similarity", "medquad", "mrr", (0.483, "TF-IDF"), 0.60),
    Line("CMID, same intent, zh", "tasks_similarity", "cmid", "spearman", (0.175, "TF-IDF cosine *")),
    Line("MovieLens, each user's last film, en", "tasks_recommendation", "last", "hit_rate_at_10",
         (0.054, "item-kNN"), 0.08),
    Line("FinRE, entities and relations, zh", "tasks_joint", "finre", "relation_micro_f1", (0.0, "none given")),
)  # fmt: skip
ABOUT = (
    "Test figures with 95% intervals. The reference is the one that the data's README gives, or (*) our baseline; "
    "seconds are those of the whole command. A run's own page has its settings, machine and baselines. Where no figure "
    "was wanted, the lower end of the interval must be above the reference. The mixture of three tasks has a page of "
    "its own, [tasks_mixture](tasks_mixture.md)."
)


def row(line: Line, one: dict[str, Any]) -> list[str]:
    """A line of the table."""
    found, (reference, how) = one["metrics"][line.metric], line.reference
    if line.wanted is None:
        reached, wanted = found["low"] > reference, "above the reference"
    else:
        reached, wanted = found["value"] >= line.wanted, f"{line.wanted:.2f}"
    sides = (side[line.metric]["value"] for side in one["baselines"].values() if line.metric in side)
    own = max((value for value in sides if value is not None), default=None)
    return [
        f"[{line.title}]({line.page}.md)",
        one["model"].rpartition("/")[2],
        f"{one['rows']['train']:,}",
        line.metric,
        harness.value(one["before"][line.metric]),
        harness.value({"value": own}),
        f"{reference:.3f} ({how})" if reference else "-",
        harness.interval(found),
        f"{wanted}: {'' if reached else 'NOT '}reached",
        f"{one['seconds']:,.0f}",
    ]


def main() -> None:
    """Read what is there; say what is not."""
    results = harness.HERE / "results"
    pages = {line.page for line in LINES}
    kept = {
        name: json.loads((results / f"{name}.json").read_text("utf-8"))
        for name in pages
        if (results / f"{name}.json").is_file()
    }
    there = [line for line in LINES if line.run in kept.get(line.page, {})]
    header = ["set", "model", "rows", "metric", "untuned", "our baseline", "reference", "**tuned**", "wanted", "s"]
    lines = [ABOUT, "", *harness.table(header, [row(line, kept[line.page][line.run]) for line in there])]
    if missing := [line.title for line in LINES if line not in there]:
        lines += ["", f"Not measured: {'; '.join(missing)}."]
    (results / "tasks.md").write_text("\n".join(["# Tasks", "", *lines]) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
