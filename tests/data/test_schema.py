"""Task and columns are guessed, with reasons."""

from __future__ import annotations

import random

import pytest

from tunesmith.core.errors import DataError
from tunesmith.data.labels import divided, label_names
from tunesmith.data.roles import label_array, roles, table_of_roles
from tunesmith.data.rows import Rows
from tunesmith.data.schema import guess
from tunesmith.data.settle import settled

WORDS = ["clean", "dirty", "quiet", "noisy", "cheap", "lovely", "awful", "breakfast", "staff", "room"]
HAN = list("房间很干净早餐不好服务员态度差价格便宜地方安静")


def made(count: int = 60, **columns):  # type: ignore[no-untyped-def]
    rng = random.Random(3)
    return Rows.of([{name: make(i, rng) for name, make in columns.items()} for i in range(count)])


def prose(i: int, rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=12)) + f" {i}"


def chinese(i: int, rng: random.Random) -> str:
    return "".join(rng.choices(HAN, k=20)) + str(i)


def either(*values):  # type: ignore[no-untyped-def]
    return lambda i, rng: values[i % len(values)]


@pytest.mark.parametrize(
    ("text", "label"), [("review", "sentiment"), ("评论", "标签"), ("Content", "Class"), ("内容", "类别")]
)
def test_by_name(text: str, label: str) -> None:
    rows = made(
        **{"id": lambda i, r: i, label: either("pos", "neg"), text: chinese, "date": either("2024-01-01", "2024-02-01")}
    )
    found = guess(rows)
    assert (found.task, found.columns) == ("text-classification", {"text": text, "label": label})
    assert any("by its name" in why for why in found.why)


def test_by_content() -> None:
    rows = made(
        uid=lambda i, r: f"a{i:05d}", c1=either("x", "y", "z"), c2=prose, when=either("2024-01-01"), same=either("k")
    )
    assert guess(rows).columns == {"text": "c2", "label": "c1"}


def test_ambiguity_is_said() -> None:
    rows = made(text=prose, summary=prose, label=either("a", "b"), topic=either("x", "y", "z"))
    why = " ".join(guess(rows).why)
    assert "text could also be: summary" in why
    assert "data.label=topic" in why


def test_pairs() -> None:
    rows = made(premise=prose, hypothesis=prose, label=either("yes", "no"))
    assert guess(rows).columns == {"text": "premise", "text_pair": "hypothesis", "label": "label"}


@pytest.mark.parametrize("separator", ["|", ";", ",", "、"])
def test_several_labels_in_a_cell(separator: str) -> None:
    cells = [separator.join(c) for c in (["a", "b"], ["b"], ["c", "a"], ["c"], ["a", "b", "c"])]
    rows = made(text=prose, tags=either(*cells))
    found = guess(rows)
    assert (found.task, found.columns["labels"]) == ("multi-label-classification", "tags")
    table = table_of_roles(rows, found.columns, ["text", "labels"])
    assert table[0]["labels"] == ["a", "b"]
    assert table[1]["labels"] == ["b"]


def test_several_labels_as_lists_or_flags() -> None:
    rows = made(text=prose, labels=either(["a"], ["a", "b"], []))
    assert guess(rows).task == "multi-label-classification"
    assert [r["labels"] for r in roles(rows[:3], guess(rows).columns)] == [["a"], ["a", "b"], []]
    flags = made(text=prose, toxic=either("0", "1"), rude=either("1", "0", "0"), spam=either("0", "0", "1"))
    found = guess(flags)
    assert (found.task, found.columns["labels"]) == ("multi-label-classification", ["toxic", "rude", "spam"])
    assert next(roles(flags, found.columns))["labels"] == ["rude"]


def test_prose_with_commas_is_no_list_of_labels() -> None:
    rows = made(text=prose, label=either("good, or so", "bad"))
    assert guess(rows).task == "text-classification"


def test_regression() -> None:
    rows = made(text=prose, score=lambda i, r: round(r.uniform(0, 5), 3))
    found = guess(rows)
    assert (found.task, found.columns["label"]) == ("text-regression", "score")
    stars = made(text=prose, stars=either(1, 2, 3, 4, 5))
    assert guess(stars).task == "text-classification"
    assert "task=text-regression" in " ".join(guess(stars).why)
    assert guess(stars, task="text-regression").columns["label"] == "stars"


def test_given_columns_win() -> None:
    rows = made(text=prose, other=prose, label=either("a", "b"), topic=either("x", "y"))
    found = guess(rows, columns={"text": "other", "label": "topic"})
    assert found.columns == {"text": "other", "label": "topic"}


def test_text_alone() -> None:
    found = guess(made(text=prose))
    assert found.columns == {"text": "text"}
    assert any("data.label=COLUMN" in w for w in found.why)


def test_other_tasks_take_columns_as_given() -> None:
    rows = made(tokens=either(["a", "b"]), tags=either(["O", "B"]), x=prose)
    found = guess(rows, task="token-classification", columns={"text": "x"})
    assert found.columns == {"tokens": "tokens", "tags": "tags", "text": "x"}


def test_label_names() -> None:
    assert label_names([1, 1.0, "1 ", "1.0", None, " "]) == {1: "1", "1 ": "1", "1.0": "1", None: None, " ": None}
    assert label_names(["1.0", "1.5", "2"]) == {"1.0": "1.0", "1.5": "1.5", "2": "2"}
    assert label_names([True, False]) == {True: "true", False: "false"}
    notes: list[str] = []
    label_names(["Pos", "pos"], notes)
    assert "case only" in notes[0]


def test_divided() -> None:
    assert divided('["a", "b"]', None) == ["a", "b"]
    assert divided("a| b |a", "|") == ["a", "b"]
    assert divided(None, "|") == divided("", "|") == []


def test_label_codes_are_sorted_as_people_sort() -> None:
    codes, names = label_array(Rows.of([{"label": v} for v in ["10", "9", None, "a"]]), "label")
    assert names == ["9", "10", "a"]
    assert codes.tolist() == [1, 0, -1, 2]


def test_few_rows_are_divided_like_the_training_ones() -> None:
    held = Rows.of([{"text": "t", "tags": "a|b"}])
    made = settled(held, {"text": "text", "labels": "tags"}, known={"a", "b", "c"})
    assert made[0]["tags"] == ["a", "b"]


@pytest.mark.parametrize("values", [(True, False), ("True", "False"), ("是", "否"), ("yes", "no"), ("Y", "N")], ids=str)
def test_columns_of_yes_and_no_are_labels_together(values: tuple[object, object]) -> None:
    flags = {name: lambda i, rng, k=k: values[(i + k) % 3 > 0] for k, name in enumerate(("rude", "loud", "late"))}
    found = guess(made(text=prose, **flags))
    assert (found.task, found.columns) == ("multi-label-classification", {"text": "text", "labels": list(flags)})
    rows = table_of_roles(made(text=prose, **flags), found.columns)
    assert rows[0]["labels"] == [name for k, name in enumerate(flags) if k % 3 == 0]
    beside = guess(made(text=prose, rating=either("1", "2", "3"), **flags))
    assert beside.columns == {"text": "text", "label": "rating"}, "beside a label they are what else is known"
    numbers = {f"n{k}": lambda i, rng, k=k: (i + k) % 3 // 2 for k in range(3)}
    assert guess(made(text=prose, unclear=either(True, False), **numbers)).columns["labels"] == list(numbers)


def test_objects_are_no_texts() -> None:
    user = lambda i, rng: {"name": f"a name that is much longer than any of the texts, {i}", "id": i}  # noqa: E731
    varied = lambda i, rng: {f"key {i % 3}": "a value that is much longer than any text of this file"}  # noqa: E731
    rows = made(full_text=lambda i, rng: f"tweet {i}", user=user, more=varied, sentiment=either(0, 1))
    assert guess(rows).columns == {"text": "full_text", "label": "sentiment"}
    assert guess(made(c1=lambda i, rng: f"tweet {i} and so on", more=varied, kind=either("a", "b"))).columns == {
        "text": "c1",
        "label": "kind",
    }


@pytest.mark.parametrize(
    ("columns", "given", "said"),
    [
        (
            {"text": prose, "label": either({"name": "bug"}, {"name": "wish"})},
            {},
            '"label" holds objects.*"name": "bug"',
        ),
        ({"text": lambda i, rng: ["I", "like", str(i)], "label": either("pos", "neg")}, {}, '"text" holds lists'),
        ({"text": prose, "tags": either(["a"], ["b"])}, {"label": "tags"}, "data.labels=tags"),
        ({"user": either({"a": 1}), "label": either("a", "b")}, {"text": "user"}, "data.text=COLUMN"),
    ],
)
def test_lists_and_objects_are_refused_as_texts_and_labels(columns, given, said) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=said):
        guess(made(**columns), columns=given)


def test_a_second_text_that_is_seldom_there_makes_no_pair() -> None:
    rows = [
        {
            "question": f"Can room {i} be had tonight?",
            "context": f"We spoke of {i}." * (i % 3 == 0),
            "intent": "ab"[i % 2],
        }
        for i in range(30)
    ]
    found = guess(Rows.of(rows))
    assert found.columns["text"] == "question" and "text_pair" not in found.columns
