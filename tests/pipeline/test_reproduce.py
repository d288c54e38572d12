"""Which figures of two runs agree."""

from __future__ import annotations

import pytest

from tunesmith.pipeline.reproduce import same

NAN = float("nan")


@pytest.mark.parametrize(
    ("then", "now", "agree"),
    [(0.5, 0.5 + 1e-9, True), (0.5, 0.51, False), (NAN, NAN, True), (0.5, NAN, False), (NAN, 0.5, False)],
)
def test_a_figure_that_is_defined_once_only_differs(then: float, now: float, agree: bool) -> None:
    assert same(then, now) is agree
