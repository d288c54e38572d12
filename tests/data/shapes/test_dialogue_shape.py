"""Every spelling of a conversation is the same row; what is none is a broken row that says why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import DataError
from tunesmith.core.recipe import DataBlock
from tunesmith.data.prepare import prepare
from tunesmith.data.read import read
from tunesmith.data.schema import guess
from tunesmith.data.settle import as_read
from tunesmith.data.shapes.dialogue import DialogueShape
from tunesmith.data.shapes.messages import in_order, messages_of
from tunesmith.data.shapes.shape import RowProblem

USER, ANSWER = {"role": "user", "content": "谁 wrote it?"}, {"role": "assistant", "content": "Ann 写的。"}
ONE = {"messages": [USER, ANSWER], "prompt": USER["content"], "completion": ANSWER["content"]}
ASK, SAY = USER["content"], ANSWER["content"]
WORSE = {"rejected": "Nobody."}
SPELLINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "messages": ({"messages": [USER, ANSWER]}, ONE),
    "messages as text": ({"messages": json.dumps([USER, ANSWER])}, ONE),
    "parts": ({"messages": [{**USER, "content": [{"type": "text", "text": ASK}]}, ANSWER]}, ONE),
    "sharegpt": ({"conversations": [{"from": "human", "value": ASK}, {"from": "gpt", "value": SAY}]}, ONE),
    "alpaca": ({"instruction": ASK, "input": "", "output": SAY}, ONE),
    "alpaca without input": ({"instruction": ASK, "output": SAY}, ONE),
    "prompt": ({"prompt": ASK, "completion": SAY}, ONE),
    "prompt as messages": ({"prompt": [USER], "completion": [ANSWER]}, ONE),
    "response": ({"prompt": ASK, "response": SAY}, ONE),
    "dpo, sharegpt": (
        {"conversations": [{"from": "human", "value": ASK}], "chosen": {"from": "gpt", "value": SAY},
         "rejected": {"from": "gpt", "value": "Nobody."}}, {**ONE, **WORSE},
    ),
    "dpo, texts": ({"prompt": ASK, "chosen": SAY, "rejected": "Nobody."}, {**ONE, **WORSE}),
    "dpo, alpaca": ({"instruction": ASK, "input": "", "chosen": SAY, "rejected": "Nobody."}, {**ONE, **WORSE}),
    "dpo, whole conversations": (
        {"chosen": [USER, ANSWER], "rejected": [USER, {"role": "assistant", "content": "Nobody."}]}, {**ONE, **WORSE},
    ),
    "dpo, whole conversations as text": (
        {"chosen": json.dumps([USER, ANSWER]), "rejected": json.dumps([USER, {**ANSWER, "content": "Nobody."}])},
        {**ONE, **WORSE},
    ),
    "dpo, whole conversations beside the prompt": (
        {"prompt": ASK, "chosen": [USER, ANSWER], "rejected": [USER, {**ANSWER, "content": "Nobody."}]},
        {**ONE, **WORSE},
    ),
    "dpo, whole conversations beside an instruction, as text": (
        {"instruction": ASK, "input": "", "chosen": json.dumps([USER, ANSWER]),
         "rejected": json.dumps([USER, {**ANSWER, "content": "Nobody."}])}, {**ONE, **WORSE},
    ),
    "kto": ({"prompt": ASK, "completion": SAY, "label": True}, {**ONE, "desirable": True}),
    "kto, sharegpt": (
        {"messages": [USER, ANSWER], "kto_tag": False}, {**ONE, "desirable": False},
    ),
}  # fmt: skip


def rows_of(cells: list[dict[str, Any]], place: Path) -> Any:
    path = place / "rows.jsonl"
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in cells), "utf-8")
    return read(str(path))


@pytest.mark.parametrize("name", sorted(SPELLINGS))
def test_a_file_in_any_spelling_is_found_and_read(name: str, tmp_path: Path) -> None:
    cells, wanted = SPELLINGS[name]
    rows = rows_of([cells] * 3, tmp_path)
    found = guess(rows)
    assert found.task == "dialogue" and found.why
    shape = DialogueShape()
    for row in rows:
        given = {role: row[str(column)] for role, column in found.columns.items()}
        (made,) = shape.read(given, target=True)
        assert made == wanted
        assert list(shape.read(made, target=True)) == [wanted], "what is read is read again alike"
        (asked,) = shape.read(given, target=False)
        assert asked == {"messages": [USER], "prompt": ASK}


def test_system_history_and_input() -> None:
    cells = {"system": "S", "history": [["a", "b"]], "instruction": "i", "input": "j", "output": "o"}
    (row,) = DialogueShape().read(cells, target=True)
    assert [(m["role"][0], m["content"]) for m in row["messages"]] == [
        ("s", "S"), ("u", "a"), ("a", "b"), ("u", "i\nj"), ("a", "o"),
    ]  # fmt: skip
    (row,) = DialogueShape().read({"messages": [USER, ANSWER], "system": "S"}, target=True)
    assert row["messages"][0] == {"role": "system", "content": "S"}


def test_an_answer_of_weight_0_keeps_it() -> None:
    """OpenAI's files say so which answers are not to be learned."""
    zero, shape = {**ANSWER, "weight": 0}, DialogueShape()
    (row,) = shape.read({"messages": [USER, zero, USER, {**ANSWER, "weight": 1}]}, target=True)
    assert row["messages"] == [USER, zero, USER, ANSWER]
    assert list(shape.read(row, target=True)) == [row]
    (row,) = shape.read({"messages": [USER, ANSWER, USER, zero]}, target=True)
    assert row["messages"] == [USER, ANSWER], "nothing after the last that is learned is measured"
    with pytest.raises(RowProblem, match="all have weight 0"):
        list(shape.read({"messages": [USER, zero]}, target=True))


def test_a_text_alone_is_a_question() -> None:
    (row,) = DialogueShape().read({"messages": '["not a message"]'}, target=False)
    assert row["messages"] == [{"role": "user", "content": '["not a message"]'}]


@pytest.mark.parametrize(
    "text",
    [
        '{"speaker": "Bob", "text": "hi"}',
        '[{"role": "user", "text": "hi"}]',
        '{"role": "assistant", "content": "x"}',
        '[{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]',
    ],
)
def test_what_is_asked_or_answered_in_json_stays_as_it_is(text: str) -> None:
    shape, asked, said = DialogueShape(), {"role": "user", "content": text}, {"role": "assistant", "content": text}
    for cells in ({"instruction": ASK, "output": text}, {"prompt": ASK, "completion": text}):
        assert [row["messages"] for row in shape.read(cells, target=True)] == [[USER, said]]
    (row,) = shape.read({"prompt": text, "chosen": SAY, "rejected": text}, target=True)
    assert (row["messages"], row["rejected"]) == ([asked, ANSWER], text)
    (row,) = shape.read({"prompt": ASK, "chosen": text, "rejected": SAY}, target=True)
    assert (row["completion"], row["rejected"]) == (text, SAY)
    (row,) = shape.read({"messages": json.dumps([USER, said])}, target=True)
    assert row["completion"] == text
    assert [row["messages"] for row in shape.read({"prompt": text}, target=False)] == [[asked]]


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ({"messages": [USER]}, "there is no answer: it ends with the user's"),
        ({"messages": [ANSWER, USER]}, "wrong order of roles: message 1 is of the assistant"),
        ({"messages": [USER, USER, ANSWER]}, "wrong order of roles: message 2 is of the user"),
        ({"messages": [USER, ANSWER, {"role": "system", "content": "s"}]}, "message 3 is of the system"),
        ({"messages": [USER, {"role": "assistant", "content": "  "}]}, "message 2, of the assistant, is empty"),
        ({"messages": [{"role": "user", "content": None}, ANSWER]}, "message 1, of the user, is empty"),
        ({"messages": [{"role": "system", "content": "s"}]}, "nobody asks"),
        ({"messages": []}, "there is no answer"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, 'of "narrator"'),
        ({"messages": ["x"]}, "message 1 does not say who speaks"),
        ({"messages": [{**USER, "content": [{"type": "image_url"}]}]}, "the content of message 1 is no text"),
        ({"instruction": ASK, "output": ""}, "message 2, of the assistant, is empty"),
        ({"instruction": "", "output": SAY}, "message 1, of the user, is empty"),
        ({"instruction": ASK, "output": SAY, "history": "before"}, "the history is no list of pairs"),
        ({"prompt": ASK, "chosen": SAY, "rejected": SAY}, "both answers are the same"),
        ({"prompt": ASK, "chosen": SAY, "rejected": " "}, "the rejected answer is empty"),
        ({"prompt": ASK, "completion": SAY, "desirable": "perhaps"}, "neither true nor false"),
    ],
)
def test_what_is_no_conversation(cells: dict[str, Any], why: str) -> None:
    with pytest.raises(RowProblem, match=why):
        list(DialogueShape().read(cells, target=True))


def test_a_last_question_that_nobody_answers_is_left_out_and_counted() -> None:
    shape = DialogueShape()
    (row,) = shape.read({"messages": [USER, ANSWER, USER]}, target=True)
    assert row == ONE and list(shape.repaired().values()) == [1]


def test_to_be_asked_a_conversation_must_have_a_question() -> None:
    assert in_order(messages_of([USER, ANSWER], "user", read=True), answered=False) == [USER]
    with pytest.raises(RowProblem, match="no question"):
        in_order([{"role": "system", "content": "s"}], answered=False)


def test_broken_conversations_are_set_apart_and_counted(tmp_path: Path) -> None:
    good = [{"messages": [{**USER, "content": f"{i} {'?' * i}"}, ANSWER]} for i in range(30)]
    rows = rows_of([*good, {"messages": [USER]}, {"messages": [ANSWER, USER]}], tmp_path)
    notes: list[str] = []
    read_rows, columns = as_read(rows, "dialogue", {"messages": "messages"}, notes)
    assert len(read_rows) == 30 and [b.line for b in read_rows.broken] == [31, 32]
    assert any("1 broken row left out, the first is row 31: there is no answer" in note for note in notes)
    assert {"messages", "prompt", "completion"} <= set(columns)


def test_a_file_without_a_single_conversation_is_an_error(tmp_path: Path) -> None:
    rows = rows_of([{"messages": [USER]}] * 3, tmp_path)
    with pytest.raises(DataError, match="no row can be read as dialogue: there is no answer"):
        as_read(rows, "dialogue", {"messages": "messages"}, [])


def test_mixed_encodings_are_broken_rows(tmp_path: Path) -> None:
    """Most lines are UTF-8, some GBK: what does not decode is counted, and no answer is learned from noise."""
    lines = [json.dumps({"prompt": f"第{i}个问题？", "completion": f"答案{i}"}, ensure_ascii=False) for i in range(40)]
    data = b"\n".join(line.encode("gbk" if i == 7 else "utf-8") for i, line in enumerate(lines))
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(data)
    prepared = prepare(DataBlock(path=str(path)))
    assert prepared.task == "dialogue" and prepared.language == "zh"
    assert len(prepared.source.broken) == 1 and prepared.source.broken[0].line == 8
    assert len(prepared.train) + len(prepared.validation) + len(prepared.test) == 39
    assert any("1 broken row" in note for note in prepared.notes)


def test_duplicates_are_dropped_and_near_ones_stay_on_one_side(tmp_path: Path) -> None:
    text = "How do I make a very good and very long soup of tomatoes, onions and a little salt, number"
    cells = [
        {"prompt": f"{text} {i // 2}", "completion": f"Boil it slowly, and then stir it {i // 2} times."}
        for i in range(16)
    ]
    cells += [{"prompt": f"What is {i * 7919} plus {i}?", "completion": str(i * 7920)} for i in range(60)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in cells), "utf-8")
    prepared = prepare(DataBlock(path=str(path)))
    assert any("8 exact duplicates" in note for note in prepared.notes)
    sides = [any(text in row["prompt"] for row in side) for side in (prepared.train, prepared.test)]
    assert sum(sides) == 1
