"""The report measures what is planted in the rows."""

from __future__ import annotations

import json
import random

from tunesmith.data.profile import profile
from tunesmith.data.rows import BrokenRow, Rows

ROLES = {"text": "text", "label": "label"}
ENGLISH = [
    "the",
    "a",
    "of",
    "room",
    "hotel",
    "clean",
    "was",
    "not",
    "very",
    "good",
    "bad",
    "phone",
    "works",
    "broke",
    "after",
    "week",
    "price",
    "paid",
    "staff",
    "nice",
]


class Words:
    """A tokenizer of words."""

    model_max_length = 18

    def __call__(self, texts: list[str]) -> dict[str, list[list[int]]]:
        return {"input_ids": [[0] * (len(t.split()) + 2) for t in texts]}


def planted() -> list[dict[str, str | None]]:
    rng = random.Random(3)
    rows: list[dict[str, str | None]] = [
        {"text": " ".join(rng.choices(ENGLISH, k=15)) + f" {i}", "label": "neg" if i % 12 == 0 else "pos"}
        for i in range(240)
    ]
    long = " ".join(rng.choices(ENGLISH, k=40))
    return [
        *rows,
        rows[0] | {"text": str(rows[0]["text"])},
        rows[1] | {"text": f"{rows[1]['text']} !!!"},
        rows[2] | {"label": "neg"},
        {"text": long, "label": "rare"},
        {"text": "", "label": "pos"},
        {"text": "nobody said what this is", "label": None},
        {"text": "mail ann@example.com about the room, please, soon", "label": "pos"},
    ]


def test_everything_planted_is_found() -> None:
    rows = planted()
    whole = Rows.of(rows)
    whole.broken = [BrokenRow("a.csv", 7, "3 cells instead of 2", "a,b,c")]
    test = Rows.of([{"text": rows[5]["text"], "label": "pos"}, {"text": "quite another text", "label": "neg"}])
    made = profile(whole, ROLES, task="text-classification", test=test, tokenizer=Words())
    assert (made.rows, made.language, made.broken, made.empty, made.unlabelled) == (247, "en", 1, 1, 1)
    assert (made.exact_duplicates, made.near_duplicates, made.conflicts) == (2, 3, 2)
    assert sorted(made.conflict_examples[0]["labels"]) == ["neg", "pos"]
    assert made.overlap is not None
    assert (made.overlap["test_rows"], made.overlap["exact"], made.overlap["near"]) == (2, 1, 1)
    assert list(made.labels) == ["pos", "neg", "rare"]
    assert made.personal == {"email": 1}
    assert made.tokens is not None
    assert (made.tokens.median, made.max_length) == (18, 18)
    assert made.truncated == round(2 / 247, 4)
    words = " ".join(made.warnings)
    for said in (
        "1 of 2 test rows",
        "several labels",
        "could not be read",
        '"rare" (1)',
        "macro-F1",
        "windows",
        "email 1",
    ):
        assert said in words, said
    page = made.to_text()
    assert "a.csv:7" in page
    assert json.loads(json.dumps(made.to_json()))["labels"]["rare"] == 1


def test_without_tokenizer_and_labels() -> None:
    rows = Rows.of([{"text": f"第{i}条评论，房间很干净"} for i in range(5)])
    made = profile(rows, {"text": "text"}, task="text-classification")
    assert (made.language, made.tokens, made.labels, made.conflicts) == ("zh", None, {}, 0)
    assert made.warnings == ["5 rows are few: intervals will be wide."]
    assert "not counted" in made.to_text()
