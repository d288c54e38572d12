"""Test rows that stand in the training rows, whole or in part."""

from __future__ import annotations

from tunesmith.data.contamination import contamination, target_of, text_of
from tunesmith.data.word_runs import sharing

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen"


def test_counts() -> None:
    train = [
        {"text": "The dog runs.", "target": "Der Hund rennt."},
        {"text": f"Well, {LONG} and so on", "target": "b"},
        {"text": "我们在这里，他们在那里，大家都很好。", "target": "c"},
    ]
    test = [
        {"text": "the DOG runs", "target": "new"},
        {"text": f"so {LONG}!", "target": "der hund rennt"},
        {"text": "他们在那里大家都很好我们在这里", "target": "d"},
        {"text": "在这里他们在那里大家都很好", "target": ""},
        {"text": "new", "target": "new"},
    ]
    found = contamination(train, test)
    assert (found["rows"], found["texts"], found["targets"], found["runs"]) == (5, 1, 1, 2)
    assert "Of 5 test rows, 1 have a text and 1 a target" in found["words"]
    assert contamination(train, [])["texts"] == 0


def test_conversations() -> None:
    row = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}
    assert (text_of(row), target_of(row)) == ("Hi", "Hello.")
    asked = {"messages": row["messages"][:1]}
    assert (text_of(asked), target_of(asked)) == ("Hi", "")
    assert contamination([row], [row])["targets"] == 1


def test_what_is_written_under_control_is_the_target() -> None:
    row = {"control": ["good", "hotel"], "beginning": "The room", "length": "", "text": "The room was great."}
    assert (text_of(row), target_of(row)) == ("good\nhotel\nThe room", "The room was great.")
    assert contamination([row], [row, {**row, "text": "The room was big."}])["targets"] == 1


def test_a_run_is_found_in_every_text_that_has_it() -> None:
    assert sharing(["a b c", "x a b c y", "a b"], ["0 a b c"], 3) == {0, 1}
