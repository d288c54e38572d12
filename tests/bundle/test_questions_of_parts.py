"""What a mixture is asked: a part answers where all that it needs is there."""

from __future__ import annotations

import pytest

from tunesmith.bundle.questions import from_rows
from tunesmith.data.rows import Rows
from tunesmith.tasks.mixture import Mixture


@pytest.mark.parametrize("empty", ["", "  ", None])
def test_an_empty_cell_gets_no_answer(empty: str | None) -> None:
    task = Mixture({"mood": "text-classification", "place": "extractive-qa"})
    rows = Rows.of([
        {"text": "good", "question": "q", "context": empty},
        {"text": empty, "question": empty, "context": "c"},
        {"text": empty, "question": "q", "context": "c"},
        {"text": "good", "question": "q", "context": "c", "part": "mod"},
    ])  # fmt: skip
    columns = {name: name for name in ("text", "question", "context", "part")}
    first, second, third, wrong = from_rows(task, rows, columns)
    assert first.row is not None and "context" not in first.row, "the other part is not asked about nothing"
    assert second.row is None and second.problem == "no text or question and context"
    assert third.row is not None and third.row["question"] == "q"
    assert wrong.row is None and wrong.problem == 'no part is called "mod"; there are mood, place'
