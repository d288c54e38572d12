"""Rows of tasks that write: what reads the same stays on one side, what tells answers apart is no duplicate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.recipe import DataBlock
from tunesmith.data.prepare import Prepared, prepare


def prepared(folder: Path, rows: list[dict[str, Any]], task: str = "auto", **block: Any) -> Prepared:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return prepare(DataBlock(path=str(path), **block), task)


def answer(q: int, r: int) -> str:
    return f"words {q * r * 104729 % 99991} {r * r * q * 31 % 977} of answer {r} {q * r * 17 % 1009} " * 3


def asked(q: int) -> str:
    return f"Question {q * 7919 % 10007} about {q * q * 31 % 997}?"


def preferences() -> list[dict[str, Any]]:
    return [
        {"prompt": asked(q), "chosen": answer(q, r + 1), "rejected": f"bad {q} {r}"}
        for q in range(60)
        for r in range(4)
    ]


def translations() -> list[dict[str, Any]]:
    return [{"en": asked(q), "de": answer(q, r + 1)} for q in range(60) for r in range(4)]


def programs() -> list[dict[str, Any]]:
    return [
        {"text": asked(q), "code": f"def f{r}(x):\n    return {q * r}  # {answer(q, r + 1)}", "tests": ["assert f"]}
        for q in range(60)
        for r in range(4)
    ]


@pytest.mark.parametrize(
    ("rows", "task", "role"),
    [
        (preferences(), "dialogue", "prompt"),
        (translations(), "translation", "text"),
        (programs(), "code-generation", "text"),
    ],
)
def test_what_reads_the_same_stays_on_one_side(tmp_path: Path, rows: Any, task: str, role: str) -> None:
    made = prepared(tmp_path, rows, task)
    assert len(made.train) + len(made.validation) + len(made.test) == 240
    assert len(made.test) == 36
    sides = [{row[role] for row in part} for part in (made.train, made.validation, made.test)]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


def test_rows_that_read_as_a_given_test_leave_training(tmp_path: Path) -> None:
    held = tmp_path / "held.jsonl"
    held.write_text("".join(json.dumps({"en": asked(q), "de": f"Ganz anders {q * 997}"}) + "\n" for q in range(5)))
    made = prepared(tmp_path, translations(), "translation", test=str(held))
    assert "20 of 240 training rows read the same as a row of the test file; they were left out of training." in (
        made.notes
    )
    assert not {row["text"] for row in [*made.train, *made.validation]} & {row["text"] for row in made.test}


def test_an_instruction_of_all_rows_parts_none(tmp_path: Path) -> None:
    rows = [{"prompt": "Tell me a joke.", "completion": answer(q, 3)} for q in range(100)]
    made = prepared(tmp_path, rows, "dialogue")
    assert (len(made.test), len(made.train) + len(made.validation)) == (15, 85)
    assert any("100 rows read the same as more than a fifth" in note for note in made.notes)


def test_pairs_with_another_worse_answer_are_kept(tmp_path: Path) -> None:
    rows = [
        {"prompt": asked(q), "chosen": f"good {q * 997}", "rejected": f"bad {q} {r}"} for q in range(60) for r in (1, 2)
    ]
    made = prepared(tmp_path, [*rows, rows[0]], "dialogue")
    assert len(made.train) + len(made.validation) + len(made.test) == 120
    assert "1 exact duplicates were left out." in made.notes


def test_votes_that_differ_are_conflicts(tmp_path: Path) -> None:
    rows = [
        {"prompt": asked(q), "completion": f"good {q * 997}", "label": vote}
        for q in range(60)
        for vote in (True, False)
    ]
    made = prepared(tmp_path, rows, "dialogue", desirable="label")
    assert len(made.train) + len(made.validation) + len(made.test) == 120
    assert any(note.startswith("120 rows have a text that stands under several labels") for note in made.notes)


def test_a_text_under_two_controls_is_two_rows(tmp_path: Path) -> None:
    rows = [
        {"text": f"房间 {q * 104729 % 99991} 很好 hotel {q * 7919}", "kind": k}
        for q in range(60)
        for k in ("好", "酒店")
    ]
    made = prepared(tmp_path, rows, "controlled-generation", control="kind")
    assert len(made.train) + len(made.validation) + len(made.test) == 120
    assert not any("several labels" in note for note in made.notes)


@pytest.mark.parametrize("names", [("text", "target"), ("en", "de")])
def test_references_beside_columns_that_are_guessed(tmp_path: Path, names: tuple[str, str]) -> None:
    rows = [
        {
            names[0]: f"{asked(q)} It is long, and goes on for a while {q}.",
            names[1]: f"Satz {q * 997}",
            "references": [f"A {q}"],
        }
        for q in range(60)
    ]
    made = prepared(tmp_path, rows, "translation" if names[0] == "en" else "summarization")
    assert all(row["references"][0].startswith("A ") for row in made.test)
    assert 'references: "references", by its name' in made.why


def test_references_of_a_test_file_alone(tmp_path: Path) -> None:
    held = tmp_path / "held.jsonl"
    held.write_text(
        "".join(json.dumps({"en": f"New {q * 31}", "de": "Neu", "references": ["Auch"]}) + "\n" for q in range(5))
    )
    assert prepared(tmp_path, translations(), "translation", test=str(held)).test[0]["references"] == ["Auch"]


def test_beginning_and_length_beside_a_guessed_text(tmp_path: Path) -> None:
    rows = [
        {
            "text": f"The room {q * 997} was quite fine and clean",
            "label": "ab"[q % 2],
            "length": "long",
            "beginning": "The",
        }
        for q in range(60)
    ]
    made = prepared(tmp_path, rows, "controlled-generation")
    assert {(row["length"], row["beginning"]) for row in made.train} == {("long", "The")}


def questions(contexts: int = 40) -> list[dict[str, Any]]:
    return [
        {"question": f"{asked(9 * c + r)} Who is {r}?", "context": f"{answer(c, 2)} by person {c}", "answers": [who]}
        for c in range(contexts)
        for r in range(6)
        for who in [f"person {c}"]
    ]


def choices() -> list[dict[str, Any]]:
    rows = questions()
    return [{**row, "choices": ["a", "b", f"c {i}"], "answers": None, "answer": i % 3} for i, row in enumerate(rows)]


def pairs() -> list[dict[str, Any]]:
    return [{"query": asked(q), "positive": answer(q, r + 1)} for q in range(60) for r in range(4)]


@pytest.mark.parametrize(
    ("rows", "task", "role"),
    [(questions(), "extractive-qa", "context"), (choices(), "multiple-choice", "context"), (pairs(), "auto", "text")],
    ids=["questions", "choices", "pairs"],
)
def test_a_text_with_several_questions_or_partners_stays_on_one_side(
    tmp_path: Path, rows: Any, task: str, role: str
) -> None:
    made = prepared(tmp_path, rows, task)
    assert (len(made.train) + len(made.validation) + len(made.test), len(made.test)) == (240, 36)
    sides = [{row[role] for row in part} for part in (made.train, made.validation, made.test)]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


def test_few_texts_may_stand_on_both_sides_and_those_of_a_given_test_are_told(tmp_path: Path) -> None:
    made = prepared(tmp_path, questions(4), "extractive-qa")
    assert any("24 rows read the same as more than a fifth" in note for note in made.notes)
    held = tmp_path / "held.jsonl"
    held.write_text(json.dumps({**questions(1)[0], "question": "Quite another one?"}))
    made = prepared(tmp_path, questions(), "extractive-qa", test=str(held))
    assert "6 of 240 training rows ask of a text of the test file, too." in made.notes
    assert len(made.train) + len(made.validation) == 240


@pytest.mark.parametrize("group", ["who", "number"])
def test_groups_of_a_given_test_leave_training(tmp_path: Path, group: str) -> None:
    rows = [{"text": answer(i, 3), "label": "ab"[i % 2], "who": f"user {i % 10}", "number": i % 10} for i in range(100)]
    held = tmp_path / "held.jsonl"
    held.write_text("".join(json.dumps({**rows[i], "text": asked(i)}) + "\n" for i in (0, 1)))
    made = prepared(tmp_path, rows, test=str(held), split={"group": group})
    assert (
        f'20 of 100 training rows have a "{group}" that the test file has; they were left out of training.'
        in made.notes
    )
    assert len(made.train) + len(made.validation) == 80
