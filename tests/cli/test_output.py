from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tunesmith.cli.output import plain, to_json
from tunesmith.core.artefacts import Figure
from tunesmith.core.recipe import SplitBlock


@dataclass
class Point:
    x: float
    where: Path


@pytest.mark.parametrize(
    ("value", "made"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (np.float32(0.5), 0.5),
        (np.array([[1, 2]]), [[1, 2]]),
        (np.array([1.0, np.nan]), [1.0, None]),
        (Path("a/b"), "a/b"),
        ((1, "好"), [1, "好"]),
        ({1: True}, {"1": True}),
        (Point(1.0, Path("p")), {"x": 1.0, "where": "p"}),
        (Figure(0.5, float("nan"), 1.0), {"value": 0.5, "low": None, "high": 1.0}),
    ],
)
def test_plain(value: object, made: object) -> None:
    assert plain(value) == made
    json.loads(to_json(value))


def test_pydantic_models_are_unfolded() -> None:
    assert plain(SplitBlock())["test"] == 0.15


def test_what_is_not_json_is_named() -> None:
    with pytest.raises(TypeError, match="object is not JSON"):
        plain(object())
