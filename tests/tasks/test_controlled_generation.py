"""What a model is asked for, and who says whether it obeyed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.core.registry import family
from tunesmith.models.build import build
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve
from tunesmith.tasks.controlled_generation import ControlledGeneration
from tunesmith.testing import tiny_llama

ENGLISH = [{"control": ["good"], "text": "It was great " * (1 + i)} for i in range(9)]
CHINESE = [{"control": ["好评", "酒店"], "text": "房间很干净" * (1 + i)} for i in range(9)]


def task(rows: list[dict[str, Any]], **options: Any) -> ControlledGeneration:
    made: ControlledGeneration = family("tasks").make("controlled-generation", options)
    made.learn(rows)
    return made


def asked(made: ControlledGeneration, **row: Any) -> str:
    (read,) = made.shape.read(row, target="text" in row)
    return str(read["messages"][0]["content"])


def test_a_control_is_asked_for_in_the_language_of_the_texts() -> None:
    assert asked(task(ENGLISH), control="good") == "Write a text: good."
    assert asked(task(CHINESE), control=["好评", "酒店"]) == "请写一段文字：好评，酒店。"
    made = task(CHINESE, prompt="写一条{1}的{0}：")
    assert asked(made, control=["好评", "酒店"]) == "写一条酒店的好评："


def test_the_example_of_a_request_is_a_control_that_it_knows() -> None:
    for rows, wanted in ((ENGLISH, "good"), (CHINESE, ["好评", "酒店"])):
        request = task(rows).request_model()
        assert request.model_json_schema()["examples"] == [{"control": wanted}]
        assert request.model_validate({"control": wanted})


def test_a_length_is_the_texts_own_where_it_is_learned() -> None:
    made = task(ENGLISH, length=True)
    assert made.state["thirds"] == [12, 21] and made.metrics[0] == "length_obedience"
    said = [asked(made, **row) for row in ENGLISH]
    assert [line.rpartition("Length: ")[2] for line in said] == ["short."] * 3 + ["medium."] * 3 + ["long."] * 3
    assert asked(made, control="good", length="long").endswith("Length: long.")
    assert asked(made, control="good").endswith("Length: medium.")
    chinese = task(CHINESE, length=True)
    assert asked(chinese, control=["好评", "酒店"], length="短") == "请写一段文字：好评，酒店。长度：短。"
    texts = ["good " * 3, "good " * 30]
    evidence = made.evidence(ENGLISH[:2], [{"text": text} for text in texts])
    assert evidence["length_obeyed"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"prompt": "Write something."}, "leaves out what is controlled"),
        ({"prompt": "A {mood} text."}, "knows no {mood}"),
        ({"prompt": "A {0} text."}, None),
        ({"prompt": "A {0} text.", "length": True}, "leaves out what is controlled"),
        ({"prompt": "A {0 text."}, "task.prompt"),
        ({"prompt": "A {1} text."}, r"reads {1}, and controls have 1 columns"),
    ],
)
def test_prompts_that_cannot_be_filled_in(options: dict[str, Any], problem: str | None) -> None:
    if problem is None:
        assert asked(task(ENGLISH, **options), control="good") == "A good text."
        return
    with pytest.raises(RecipeError, match=problem.replace("{", r"\{")):
        task(ENGLISH, **options)


def test_rows_have_as_many_controls_as_the_first() -> None:
    with pytest.raises(DataError, match="Row 10: it has 1 controls, and the first training rows had 2"):
        task([*CHINESE, {"control": ["好评"], "text": "好"}])
    with pytest.raises(DataError, match="Row 1: it has 2 controls"):
        task(ENGLISH).check(CHINESE)


class Words:
    """A classifier by one word."""

    name = "text-classification"

    def __init__(self, *labels: str, field: str = "label") -> None:
        self.labels, self.task, self._field = list(labels), self, field
        self.seen: list[str] = []

    def response_model(self) -> type[BaseModel]:
        from pydantic import create_model

        return create_model("Answer", **{self._field: (str, ...)})  # type: ignore[call-overload,no-any-return]

    def predict(self, rows: Any) -> list[dict[str, Any]]:
        self.seen += [row["text"] for row in rows]
        return [{"label": self.labels["bad" in row["text"]]} for row in rows]


class Says:
    """A predictor whose texts tell the seed that they were drawn by."""

    def __init__(self, made: ControlledGeneration, *texts: str) -> None:
        self.task, self.texts, self.seeds = made, texts, []  # type: ignore[var-annotated]

    def encode(self, rows: Any, *, targets: bool = False) -> list[dict[str, Any]]:
        return [{"row": i, "unfit": False} for i in range(len(rows))]

    def score(self, features: Any) -> list[np.ndarray]:
        return [np.full(2, -1.0) for _ in features]

    def predict(self, rows: Any, progress: Any = None) -> list[dict[str, Any]]:
        self.seeds.append(self.task.decoding.seed)
        return [{"text": self.texts[i % len(self.texts)], "tokens": 1, "finish": "stop"} for i in range(len(rows))]


def test_the_judge_says_whether_a_text_obeys() -> None:
    made: ControlledGeneration = family("tasks").make("controlled-generation", {"judge": "out/judge", "seed": 1})
    assert made.asks == {"judge": "out/judge"} and made.metrics[0] == "obedience"
    judge = Words("good", "bad")
    made.hand("judge", judge)
    rows = [{"control": ["bad" if i % 4 else "good"], "text": "all bad"} for i in range(40)]
    made.learn(rows)
    predictor = Says(made, "so bad", "fine", " ", "too bad")
    predictions, evidence = made.measure(predictor, rows)
    assert predictor.seeds == [1], "rows have seeds of their own where they are drawn"
    assert len(predictions) == 40 and evidence["log_likelihood"].tolist() == [-2] * 40
    assert evidence["obeyed"].tolist() == [0, 0, 0, 1] * 10
    assert " " not in judge.seen, "nothing is asked about nothing"
    assert "in 75.0% of the test rows' own texts" in made.notes[-1]


def test_a_judge_of_no_use_is_refused_before_training() -> None:
    made: ControlledGeneration = family("tasks").make("controlled-generation", {"judge": "out/judge"})
    with pytest.raises(RecipeError, match="is said by a classifier"):
        made.hand("judge", Words("good", field="value"))
    made.hand("judge", Words("positive", "negative"))
    with pytest.raises(RecipeError, match='does not know the control "good"; it knows positive, negative'):
        made.learn(ENGLISH)
    second: ControlledGeneration = family("tasks").make("controlled-generation", {"judge": "j", "judged": 2})
    second.hand("judge", Words("酒店", "餐馆"))
    second.learn(CHINESE)
    with pytest.raises(RecipeError, match="does not know"):
        second.check([{"control": ["好评", "电影"], "text": "好"}])
    third: ControlledGeneration = family("tasks").make("controlled-generation", {"judge": "j", "judged": 2})
    third.hand("judge", Words("good", "bad"))
    with pytest.raises(RecipeError, match="task.judged is 2, of 1 columns"):
        third.learn(ENGLISH)


def test_a_text_goes_on_with_its_beginning(tmp_path: Path) -> None:
    texts = [row["text"] for row in [*ENGLISH, *CHINESE]]
    reference = resolve(str(tiny_llama(tmp_path / "m", texts=texts)))
    made = task(CHINESE, max_new_tokens=4)
    processor = made.adapt(load_processor(reference))
    predictor = Predictor(made, processor, TorchRuntime(build(reference, made)), max_length=128)
    rows = [{"control": ["好评", "酒店"], "beginning": begun} for begun in ("房间", "", "It was ")]
    begun, free, english = predictor.predict(rows)
    assert begun["text"].startswith("房间") and len(begun["text"]) > 2 and begun["tokens"] <= 4
    assert english["text"].startswith("It was ") and not free["text"].startswith("房间")
    again = predictor.predict(rows)
    assert again == [begun, free, english], "drawn by a seed"
    with pytest.raises(DataError, match="Row 1: prompt and beginning have"):
        predictor.predict([{"control": ["好评", "酒店"], "beginning": "房间" * 200}])
