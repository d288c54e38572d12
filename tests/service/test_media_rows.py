"""Files in requests: no filter reads them as words, and the schema shows how they are sent."""

from __future__ import annotations

import pytest

from tunesmith.core.registry import family
from tunesmith.service.examples import row_of
from tunesmith.service.job import FILE, cost_of, guessed
from tunesmith.service.safety.texts import replaced, strings
from tunesmith.tasks.media_requests import request_of


def test_files_are_no_words() -> None:
    row = {"text": "my name", "image": "data:image/png;base64,AAAA", "numeric": {"a": 1}}
    assert list(strings(row)) == ["my name"]
    assert replaced(row, str.upper) == {**row, "text": "MY NAME"}


def test_a_file_weighs_the_same_whatever_its_size() -> None:
    """Else one picture of a megabyte fills the queue, and who comes while anything waits is refused."""
    small, large = ({"text": "my name", "image": f"data:image/png;base64,{'A' * size}"} for size in (4, 2_000_000))
    assert guessed([small]) == guessed([large]) == FILE + guessed([{"text": "my name"}])
    assert cost_of({"input_ids": [1, 2], "image": large["image"]}) == FILE + 2


def test_a_column_that_was_not_trained_on_is_refused() -> None:
    model = request_of(["text"], {"price": [3.0, 1.0], "weight": [1.0, 1.0]}, {"shop": ["north"]})
    assert model.model_validate({"numeric": {"price": 1, "weight": None}, "categorical": {"shop": "moon"}})
    with pytest.raises(ValueError, match='there is no column "pirce". Did you mean "price"'):
        model.model_validate({"numeric": {"pirce": 1}})
    with pytest.raises(ValueError, match='there is no column "shpo". Did you mean "shop"'):
        model.model_validate({"text": "a", "categorical": {"shpo": "north"}})


def test_a_schema_has_an_example_that_it_takes() -> None:
    model = request_of(["text", "image", "audio"], {"价格": [3.0, 1.0]}, {"shop": ["north"]})
    row = row_of(family("tasks").make("multimodal-classification"), model)
    assert set(row) == {"text", "image", "audio", "numeric", "categorical"}
    taken = model.model_validate(row)
    assert taken.model_dump()["image"].startswith("data:image/*;base64,")
