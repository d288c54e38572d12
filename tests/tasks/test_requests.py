"""Which spellings of a row each door takes, as the tasks' pages say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tunesmith.bundle.rows import as_rows
from tunesmith.core.registry import family


@pytest.mark.parametrize(
    ("name", "spelled", "row"),
    [
        ("token-classification", {"tokens": ["We", "met"]}, {"text": "We met", "words": [[0, 2], [3, 6]]}),
        ("text-embedding", {"query": "a", "passage": "b"}, {"text": "a", "text_pair": "b"}),
    ],
)
def test_other_spellings_are_for_python_and_the_command_line(
    name: str, spelled: dict[str, Any], row: dict[str, Any]
) -> None:
    task = family("tasks").make(name)
    assert as_rows(task, spelled) == [row]
    assert task.request_model().model_validate(row)
    with pytest.raises(ValidationError):
        task.request_model().model_validate(spelled)
