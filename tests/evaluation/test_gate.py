"""Gates: what passes, what fails and why, and what cannot be read."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.core.errors import RecipeError
from tunesmith.evaluation.gate import gate, parse_gate


def figures(**values: float | None) -> dict[str, Any]:
    return {name: {"value": value, "low": None, "high": None} for name, value in values.items()}


REPORT: dict[str, Any] = {
    "metrics": figures(macro_f1=0.9, ece=0.04, accuracy=0.3),
    "before": {"metrics": figures(macro_f1=0.2, ece=0.01, accuracy=0.1)},
    "baselines": {
        "tfidf": {"metrics": figures(macro_f1=0.88, ece=0.10, accuracy=None)},
        "majority": {"metrics": figures(macro_f1=0.01, ece=0.02, accuracy=0.2)},
    },
    "checks": [{"name": "robustness", "figure": 0.97}],
}


@pytest.mark.parametrize(
    ("name", "condition", "passed"),
    [
        ("macro_f1", ">= 0.9", True),
        ("macro_f1", "> 0.9", False),
        ("macro_f1", ">=baseline+0.02", True),
        ("macro_f1", ">= baseline + 0.03", False),
        ("macro_f1", "> tfidf", True),
        ("macro_f1", ">= majority + .5 - 1e-1", True),
        ("macro_f1", ">= before - -0.8", False),
        ("ece", "<= 0.05", True),
        ("ece", "<= baseline", False),  # the best error is the smallest: 0.01
        ("ece", "< tfidf - 0.05", True),
        ("accuracy", ">= 0.1 + 0.2", True),
        ("robustness", ">= 0.95", True),
    ],
)
def test_conditions(name: str, condition: str, passed: bool) -> None:
    if "- -" in condition:
        with pytest.raises(RecipeError, match="two signs"):
            gate(REPORT, {name: condition})
        return
    result = gate(REPORT, {name: condition})
    assert result.passed is passed
    assert name in result.lines[0].reason and condition.strip() in result.lines[0].reason


def test_reasons_hold_the_figures() -> None:
    line = gate(REPORT, {"macro_f1": ">= baseline + 0.03"}).lines[0]
    assert line.reason == "macro_f1 is 0.900; wanted >= baseline + 0.03, which is >= 0.910."
    assert line.threshold == pytest.approx(0.91)


def test_one_failure_fails_the_gate_and_the_others_are_still_told() -> None:
    result = gate(REPORT, {"macro_f1": ">= 0.5", "ece": "<= 0.01"})
    assert not result.passed and [line.passed for line in result.lines] == [True, False]
    assert result.to_json()["lines"][1]["value"] == 0.04
    assert gate(REPORT, {}).passed


def test_what_the_report_lacks_fails_with_a_reason() -> None:
    assert 'Did you mean "macro_f1"?' in gate(REPORT, {"macro_f": ">= 1"}).lines[0].reason
    assert 'no accuracy of "tfidf"' in gate(REPORT, {"accuracy": ">= tfidf"}).lines[0].reason
    assert 'no robustness of "baseline"' in gate(REPORT, {"robustness": ">= baseline"}).lines[0].reason


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("0.9", "must begin with one of >=, <=, >, <"),
        ("== 0.9", "must begin"),
        (">=", "ends where a number or a word is wanted"),
        (">= baseline +", "ends where"),
        (">= baseline 0.02", 'lacks + or - before "0.02"'),
        (">= basline", 'Did you mean "baseline"'),
        (">= 2 * 0.4", 'cannot be read at "* 0.4"'),
        (">= __import__('os')", "means nothing here"),
        ("", "must begin"),
    ],
)
def test_what_cannot_be_read_says_where(condition: str, problem: str) -> None:
    with pytest.raises(RecipeError) as error:
        parse_gate({"macro_f1": condition})
    assert problem in error.value.problem and "evaluation.gate.macro_f1" in error.value.problem


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(RecipeError) as error:
        parse_gate({"ece": "0.1", "accuracy": ">= tfid", "macro_f1": ">= 0.1"})
    assert len(error.value.mistakes) == 2
