"""Thresholds over a report: pass or fail, with reasons.

    {"macro_f1": ">= baseline + 0.02", "ece": "<= 0.05", "accuracy": "> tfidf"}

A condition is a sign (>=, <=, >, <) and a sum of numbers and words. A word stands for the same metric elsewhere:
``before``, ``tfidf``, ``majority``, or ``baseline``: the best of these.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tunesmith.core.errors import RecipeError, did_you_mean
from tunesmith.evaluation.metrics import METRICS
from tunesmith.evaluation.words import number

SIGNS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
WORDS = ("baseline", "before", "tfidf", "majority")

_TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)|(?P<word>[A-Za-z_]\w*)|(?P<sign>[+-]))")


@dataclass(frozen=True)
class Condition:
    """``name`` ``sign`` the sum of ``terms``."""

    name: str
    text: str
    sign: str
    terms: tuple[tuple[int, float | str], ...]
    """(+1 or -1, number or word)."""

    @property
    def words(self) -> list[str]:
        """What it compares with beside numbers."""
        return [term for _, term in self.terms if isinstance(term, str)]


@dataclass(frozen=True)
class GateLine:
    """What became of one condition."""

    name: str
    condition: str
    value: float | None
    threshold: float | None
    passed: bool
    reason: str


@dataclass(frozen=True)
class GateResult:
    """Pass when every line passes."""

    passed: bool
    lines: tuple[GateLine, ...]

    def to_json(self) -> dict[str, Any]:
        """``{"passed", "lines": [...]}``."""
        return {"passed": self.passed, "lines": [line.__dict__ for line in self.lines]}


def gate(report: Mapping[str, Any], thresholds: Mapping[str, str]) -> GateResult:
    """Hold a report against thresholds.

    Args:
        report: of ``build_report``; names are its metrics, or its checks (their figure).
        thresholds: name -> condition.

    Raises:
        RecipeError: conditions cannot be read; all of them are told.
    """
    lines = tuple(_line(condition, report) for condition in parse_gate(thresholds))
    return GateResult(all(line.passed for line in lines), lines)


def parse_gate(thresholds: Mapping[str, str]) -> list[Condition]:
    """Read all conditions, and tell all mistakes at once.

    Raises:
        RecipeError: with every mistake.
    """
    conditions, mistakes = [], []
    for name, text in thresholds.items():
        try:
            conditions.append(parse_condition(name, str(text)))
        except RecipeError as error:
            mistakes.append(error.problem)
    if mistakes:
        raise RecipeError(" ".join(mistakes), 'Write for example: macro_f1: ">= baseline + 0.02"', mistakes)
    return conditions


def parse_condition(name: str, text: str) -> Condition:
    """Read one condition.

    >>> parse_condition("macro_f1", ">= baseline + 0.02").terms
    ((1, 'baseline'), (1, 0.02))

    Raises:
        RecipeError: it cannot be read.
    """
    where = f'evaluation.gate.{name}: "{text}"'
    stripped = text.strip()
    sign = next((sign for sign in SIGNS if stripped.startswith(sign)), None)
    if sign is None:
        raise RecipeError(f"{where} must begin with one of {', '.join(SIGNS)}.")
    return Condition(name, text, sign, _terms(stripped[len(sign) :], where))


def _terms(text: str, where: str) -> tuple[tuple[int, float | str], ...]:
    """number-or-word, then any number of: + or -, number-or-word."""
    terms: list[tuple[int, float | str]] = []
    factor: int | None = 1
    position, end = 0, len(text.rstrip())
    while position < end:
        token = _TOKEN.match(text, position)
        if token is None:
            raise RecipeError(f'{where} cannot be read at "{text[position:].strip()}".')
        position = token.end()
        if token["sign"]:
            if factor is not None and terms:
                raise RecipeError(f"{where} has two signs beside each other.")
            factor = -1 if token["sign"] == "-" else 1
            continue
        if factor is None:
            raise RecipeError(f'{where} lacks + or - before "{token.group().strip()}".')
        if token["word"] and token["word"] not in WORDS:
            raise RecipeError(f'{where}: "{token["word"]}" means nothing here. {did_you_mean(token["word"], WORDS)}')
        terms.append((factor, token["word"] or float(token["number"])))
        factor = None
    if factor is not None:
        raise RecipeError(f"{where} ends where a number or a word is wanted.")
    return tuple(terms)


def _line(condition: Condition, report: Mapping[str, Any]) -> GateLine:
    def failed(reason: str, value: float | None = None) -> GateLine:
        return GateLine(condition.name, condition.text, value, None, False, reason)

    value = _figure(condition.name, report)
    if value is None:
        return failed(f'The report has no figure "{condition.name}". {did_you_mean(condition.name, _known(report))}')
    threshold = 0.0
    for factor, term in condition.terms:
        amount = _reference(term, condition.name, report) if isinstance(term, str) else term
        if amount is None:
            return failed(f'The report has no {condition.name} of "{term}" to compare with.', value)
        threshold += factor * amount
    # Sums of decimals are not exact: 0.1 + 0.2 must satisfy ">= 0.3".
    near = abs(value - threshold) < 1e-12
    passed = "=" in condition.sign if near else SIGNS[condition.sign](value, threshold)
    reason = (
        f"{condition.name} is {number(value)}; wanted {condition.text.strip()}"
        f"{'' if _plain(condition) else f', which is {condition.sign} {number(threshold)}'}."
    )
    return GateLine(condition.name, condition.text, value, threshold, passed, reason)


def _plain(condition: Condition) -> bool:
    return all(not isinstance(term, str) for _, term in condition.terms)


def _figure(name: str, report: Mapping[str, Any]) -> float | None:
    if name in report["metrics"]:
        value: float | None = report["metrics"][name]["value"]
        return value
    return next((check["figure"] for check in report.get("checks", []) if check["name"] == name), None)


def _known(report: Mapping[str, Any]) -> list[str]:
    return [*report["metrics"], *(check["name"] for check in report.get("checks", []))]


def _reference(word: str, name: str, report: Mapping[str, Any]) -> float | None:
    sides = {"before": report.get("before"), **report.get("baselines", {})}
    found = {key: side["metrics"][name]["value"] for key, side in sides.items() if side and name in side["metrics"]}
    if word != "baseline":
        return found.get(word)
    values = [value for value in found.values() if value is not None]
    higher = METRICS.load(name).higher_is_better if name in METRICS else True
    return (max if higher else min)(values, default=None)
