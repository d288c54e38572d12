"""Thoughts are held back while answers are streamed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tunesmith.core.contracts import Decoding
from tunesmith.models.decoder.pieces import Pieces
from tunesmith.service.writing.spoken import Spoken
from tunesmith.service.writing.writer import Writer
from tunesmith.tasks.conversation import said
from tunesmith.tasks.dialogue import Dialogue

LETTERS: Any = SimpleNamespace(decode=lambda ids, **_: "".join(map(chr, ids)))
"""A tokenizer whose tokens are characters."""


def streamed(text: str, *, opened: bool = False) -> list[str]:
    spoken = Spoken(Pieces(LETTERS, ("STOP",), strip=True), opened=opened)
    found = [*(spoken.add(ord(one)) for one in text), spoken.end()]
    assert "".join(found) == spoken.text
    return [piece for piece in found if piece]


@pytest.mark.parametrize(
    "text",
    [
        "<think>Anna?</think>\n\nAnna did.",
        "\n<think>\n</think>好的。",
        "Anna did.",
        "< 3 rooms",
        "<thin ice",
        "<think>on and on",
    ],
)
def test_what_is_streamed_is_what_is_predicted(text: str) -> None:
    assert "".join(streamed(text)) == said(text).strip()


def test_it_is_said_as_soon_as_it_is_known() -> None:
    assert streamed("Yes.")[0] == "Y"
    assert streamed("<think>a</think> b c") == ["b", " c"]
    assert streamed("Anna?</think>Anna STOP did", opened=True) == list("Anna")


@pytest.mark.parametrize(
    ("thinks", "strip", "wanted"), [(False, True, Spoken), (True, True, Pieces), (False, False, Pieces)]
)
def test_thoughts_that_were_learned_are_shown_and_so_are_those_of_bare_completions(
    thinks: bool, strip: bool, wanted: type
) -> None:
    task = Dialogue()
    task.state = {"thinks": True} if thinks else {}
    writer: Any = SimpleNamespace(predictor=SimpleNamespace(task=task, processor=LETTERS))
    feature = {"input_ids": np.array([ord(one) for one in "<think>\n"])}
    made = Writer._pieces(writer, feature, Decoding(8), strip)
    assert type(made) is wanted
    if isinstance(made, Spoken):
        assert made.add(ord("a")) == "", "the prompt has begun the thought"
