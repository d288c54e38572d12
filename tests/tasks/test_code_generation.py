"""Problems are asked for, programs are taken out, and nothing is run that nobody asked to run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import DataError, RecipeError, SandboxError
from tunesmith.core.registry import family
from tunesmith.tasks.code_generation import CodeGeneration

ADD = {
    "text": "Write a function that adds two numbers.",
    "target": "def add(a, b):\n    return a + b",
    "tests": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"],
    "entry_point": "",
    "test_setup": "",
}
TWICE = {
    **ADD,
    "text": "写一个函数，把一个数乘以二。",
    "target": "twice = lambda x: 2 * x",
    "tests": ["assert twice(2) == 4"],
}
BEGUN = {
    **ADD,
    "text": 'def add(a, b):\n    """ Add. """\n',
    "target": "    return a + b",
    "tests": ["def check(f):\n    assert f(1, 2) == 3", "check(add)"],
    "entry_point": "add",
}


def task(**options: Any) -> CodeGeneration:
    made: CodeGeneration = family("tasks").make("code-generation", options)
    return made


def asked(row: dict[str, Any], **options: Any) -> str:
    (read,) = task(**options).shape.read(row, target=False)
    assert len(read["messages"]) == 1
    return str(read["messages"][0]["content"])


def test_a_problem_is_asked_with_its_tests_in_its_language() -> None:
    assert asked(ADD) == (
        "Write a function that adds two numbers.\n\nYour code should pass these tests:\n\n"
        "```python\nassert add(1, 2) == 3\nassert add(0, 0) == 0\n```"
    )
    assert "assert add(0, 0)" not in asked(ADD, show_tests=1)
    assert asked(TWICE).startswith("写一个函数，把一个数乘以二。\n\n你的代码应当通过这些测试：")
    assert asked({**ADD, "tests": [], "entry_point": "add"}).endswith("The function's name is add.")
    assert asked({**TWICE, "tests": [], "entry_point": "twice"}).endswith("函数名为twice。")
    assert asked({"text": "Add."}) == "Add."
    begun = asked(BEGUN)
    assert begun.startswith("Complete this Python function:\n\n```python\ndef add(a, b):") and "check" not in begun


class Says:
    """A predictor that gives ready answers, each draw the next ones."""

    def __init__(self, made: CodeGeneration, *draws: list[str]) -> None:
        self.task, self.draws, self.seeds = made, iter(draws), []  # type: ignore[var-annotated]

    def encode(self, rows: Any, *, targets: bool = False) -> list[dict[str, Any]]:
        return [{"row": i, "unfit": False} for i in range(len(rows))]

    def score(self, features: Any) -> list[np.ndarray]:
        return [np.zeros(2) for _ in features]

    def predict(self, rows: Any, progress: Any = None) -> list[dict[str, Any]]:
        self.seeds.append(self.task.decoding.seed)
        return [{"text": text, "tokens": 1, "finish": "stop"} for text in next(self.draws)]


RIGHT = "Sure:\n```python\ndef add(a, b):\n    return a + b\n```"
WRONG = "```python\ndef add(a, b):\n    return a - b\n```"


def test_programs_are_run_against_their_tests_where_that_is_asked_for() -> None:
    made = task(execute=True)
    assert made.metrics == ("pass_at_1", "perplexity", "parses") and CodeGeneration.metrics == ("perplexity", "parses")
    predictor = Says(made, [RIGHT, "twice = lambda x: x", "    return a + b", "def add(:"])
    _, evidence = made.measure(predictor, [ADD, TWICE, BEGUN, ADD])
    assert evidence["passed"].tolist() == [1, 0, 1, 0] == evidence["hit"].astype(int).tolist()
    assert evidence["parses"].tolist() == [1, 1, 1, 0]
    assert evidence["true"][1] == TWICE["target"]
    assert (
        evidence["predicted_as"][1].startswith("failed: AssertionError")
        and "lambda x: x" in evidence["predicted_as"][1]
    )
    assert family("metrics").make("pass_at_1")(evidence) == 0.5


def test_samples_are_drawn_by_seeds_of_their_own() -> None:
    made = task(execute=True, samples=3, k=2, temperature=0.8, seed=5)
    assert made.metrics[:2] == ("pass_at_1", "pass_at_k")
    predictor = Says(made, [RIGHT, WRONG], [WRONG, WRONG], [RIGHT, WRONG])
    predictions, evidence = made.measure(predictor, [ADD, ADD])
    assert predictor.seeds == [5, 6, 7] and made.decoding.seed == 5
    assert [p["text"] for p in predictions] == [RIGHT, WRONG]
    assert evidence["drawn"].tolist() == [3, 3] and evidence["passed"].tolist() == [2, 0]
    assert family("metrics").make("pass_at_1")(evidence) == pytest.approx(1 / 3)
    assert family("metrics").make("pass_at_k")(evidence) == pytest.approx(1 / 2)


def test_nothing_is_run_without_consent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> Iterator[Any]:
        raise AssertionError("a program was run")

    monkeypatch.setattr("tunesmith.core.sandbox.run._run", never)
    monkeypatch.setattr("tunesmith.core.sandbox.run.run_all", never)
    made = task()
    made.learn([ADD])
    made.check([ADD, {**ADD, "tests": []}])
    _, evidence = made.measure(Says(made, [RIGHT]), [ADD])
    assert set(evidence) == {"parses", "log_likelihood", "target_tokens"} and made.metrics == ("perplexity", "parses")


def test_what_cannot_be_measured_is_said_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="every sample would be the same"):
        task(samples=5)
    with pytest.raises(RecipeError, match=r"task.k is 7, of 5 samples"):
        task(samples=5, k=7, temperature=1.0)
    with pytest.raises(DataError, match="Row 2 has no tests"):
        task(execute=True).check([ADD, {**ADD, "tests": []}])
    with pytest.raises(DataError, match="Row 1: its tests only define names"):
        task(execute=True).check([{**ADD, "tests": ["import math\nclass Adds:\n    def test_it(self): ..."]}])
    with pytest.raises(DataError, match="Row 1: the program is empty"):
        task().learn([{**ADD, "target": " "}])
    monkeypatch.setattr("tunesmith.core.sandbox.run.sys.platform", "darwin")
    from tunesmith.core.sandbox.run import guards

    guards.cache_clear()
    with pytest.raises(SandboxError, match="not run on darwin"):
        task(execute=True).learn([ADD])
    guards.cache_clear()
