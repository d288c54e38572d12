"""All that is known of a tuned model, as JSON values: ``report.json``, and what ``report.html`` is drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tunesmith.core.artefacts import Figure, Parity
from tunesmith.core.contracts import CheckResult, Evidence, Row
from tunesmith.core.errors import RecipeError
from tunesmith.evaluation import tables
from tunesmith.evaluation.bootstrap import Measured, figures, measure
from tunesmith.evaluation.compare import Comparison, compare_measured
from tunesmith.evaluation.evidence import kind_of
from tunesmith.evaluation.examples import flips, worst_errors
from tunesmith.evaluation.groups import GAPS, group_codes, per_group, with_groups
from tunesmith.evaluation.ladder import ladder, ladder_words
from tunesmith.evaluation.preferences import figures_of, with_margins
from tunesmith.evaluation.verdict import verdict
from tunesmith.evaluation.written import written_samples

FORMAT = 1
"""Grows when a reader of old reports would misread a new one."""

NAMES = {
    "after": "the tuned model",
    "before": "the model before tuning",
    "tfidf": "TF-IDF + logistic regression",
    "majority": "the majority class",
}
REGRESSION_NAMES = {**NAMES, "tfidf": "TF-IDF + ridge regression", "majority": "the mean"}


def build_report(
    *,
    task_name: str,
    class_names: Sequence[str],
    metric_names: Sequence[str],
    rows: Sequence[Row],
    evidences: Mapping[str, Evidence],
    seconds: Mapping[str, Mapping[str, float]] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    data_notes: Sequence[str] = (),
    context: Mapping[str, Any] | None = None,
    titles: Mapping[str, str] | None = None,
    parity: Sequence[Parity | Mapping[str, Any]] = (),
    checks: Sequence[CheckResult | Mapping[str, Any]] = (),
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 13,
) -> dict[str, Any]:
    """Put everything together.

    Args:
        task_name: the task's name in its family.
        class_names: in the order of the probabilities; empty for numbers.
        metric_names: the first is the primary one.
        rows: the test rows, by role, in the order of the evidence.
        evidences: "after", and any of "before" and baselines' names.
        seconds: by the same keys: ``{"fit": ..., "predict": ...}``, either may be absent.
        history: ``{"step", "loss", "learning_rate", "validation": {metric: value}}``, keys may be absent.
        data_notes: sentences on the data: rows used, dropped, cut.
        context: passed through: "model", "method", "parameters", "seconds", "recipe", "environment", ...
        titles: what sentences call baselines that are not among ``NAMES``.
        parity: what each hand-off did to the answers.
        checks: results of the checks that were asked for.
        resamples: of the bootstrap.
        confidence: of all intervals.
        seed: of the bootstrap.

    Raises:
        RecipeError: there is no "after", or a metric does not fit the task.
    """
    if "after" not in evidences:
        raise RecipeError(f'A report needs the evidence "after"; it has {", ".join(evidences) or "none"}.')
    codes, group_names, group_notes = group_codes(rows)
    evidences = with_margins(with_groups(evidences, codes))
    evidences = dict(sorted(evidences.items(), key=lambda item: _order(item[0])))
    after = evidences["after"]
    metric_names = [*metric_names, *(GAPS if "group" in after else ()), *figures_of(after)]
    boot = {"resamples": resamples, "seed": seed}
    sides = _Sides(
        {key: measure(evidence, metric_names, **boot) for key, evidence in evidences.items()},
        {**(REGRESSION_NAMES if kind_of(after) == "regression" else NAMES), **(titles or {})},
        seconds or {},
        metric_names[0],
        confidence,
    )
    values = {
        "format": FORMAT,
        "task": task_name,
        "primary": sides.primary,
        "kind": kind_of(after),
        "rows": len(rows),
        "classes": list(class_names),
        "bootstrap": {**boot, "confidence": confidence},
        **sides.figures(),
        **_tables(after, class_names, group_names, {**boot, "confidence": confidence}),
        **_examples(evidences, rows, class_names),
        "ladder": sides.ladder(),
        "history": [dict(entry) for entry in history],
        "data_notes": [*data_notes, *group_notes],
        "checks": list(checks),
        "parity": list(parity),
        "context": dict(context or {}),
    }
    report: dict[str, Any] = json_values(values)
    report["verdict"] = verdict(report)
    return report


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """The figures alone: ``{"metrics", "before", "baselines"}``, each ``{metric: {"value", "low", "high"}}``."""
    return {
        "metrics": report["metrics"],
        "before": (report["before"] or {}).get("metrics", {}),
        "baselines": {key: side["metrics"] for key, side in report["baselines"].items()},
    }


def json_values(value: Any) -> Any:
    """The same with JSON values only: arrays as lists, dataclasses as objects, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {str(key): json_values(inner) for key, inner in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return json_values(asdict(value))
    if isinstance(value, (list, tuple, set, frozenset)):
        return [json_values(inner) for inner in value]
    if isinstance(value, np.ndarray):
        return json_values(value.tolist())
    if isinstance(value, np.generic):
        return json_values(value.item())
    if isinstance(value, float):
        return tables.defined(value)
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)


def _order(key: str) -> tuple[int, str]:
    """The order of ``NAMES``, others after."""
    return (list(NAMES).index(key) if key in NAMES else len(NAMES), key)


@dataclass(frozen=True)
class _Sides:
    """The tuned model and those that it is held against, measured on the same rows.

    Args:
        measured: "after", and by the same words as ``evidences`` the others.
        names: what sentences call them.
        seconds: as of ``build_report``.
        primary: the metric that the ladder is of.
        confidence: of all intervals.
    """

    measured: Mapping[str, Measured]
    names: Mapping[str, str]
    seconds: Mapping[str, Mapping[str, float]]
    primary: str
    confidence: float

    @cached_property
    def compared(self) -> dict[str, dict[str, Comparison]]:
        """The tuned model against each of the others."""
        return {
            key: compare_measured(
                self.measured["after"],
                other,
                first_name=self.names["after"],
                second_name=self.names.get(key, key),
                confidence=self.confidence,
            )
            for key, other in self.measured.items()
            if key != "after"
        }

    def figures(self) -> dict[str, Any]:
        """Each side's metrics, and how far the tuned model is from the others."""
        baselines = [key for key in self.measured if key not in ("after", "before")]
        return {
            "names": {key: self.names.get(key, key) for key in self.measured},
            **self._side("after"),
            "before": self._side("before") if "before" in self.measured else None,
            "baselines": {key: self._side(key) for key in baselines},
            "comparisons": {key: {m: c.to_json() for m, c in found.items()} for key, found in self.compared.items()},
        }

    def ladder(self) -> dict[str, Any]:
        """All sides by the primary metric, and in words what each step brings."""
        rungs = {key: found.figures(self.confidence)[self.primary] for key, found in self.measured.items()}
        steps = {key: found[self.primary] for key, found in self.compared.items()}
        return {
            "metric": self.primary,
            "rows": ladder(rungs, self.seconds, self.names),
            "words": ladder_words(steps, self.seconds, self.names),
        }

    def _side(self, key: str) -> dict[str, Any]:
        return {"metrics": self.measured[key].figures(self.confidence), "seconds": self.seconds.get(key, {})}


def _tables(
    after: Evidence, class_names: Sequence[str], group_names: Sequence[str], boot: Mapping[str, Any]
) -> dict[str, Any]:
    """Where the tuned model is right and wrong: by class, by group, between classes, by confidence."""
    by_class = kind_of(after) in ("single-label", "multi-label") or "class_counts" in after
    return {
        "per_class": tables.per_class(after, class_names, **boot) if by_class else None,
        **({"groups": per_group(after, group_names, class_names)} if "group" in after else {}),
        "confusion": tables.confusion(after, class_names),
        "calibration": _calibration(after, boot),
    }


def _examples(evidences: Mapping[str, Evidence], rows: Sequence[Row], class_names: Sequence[str]) -> dict[str, Any]:
    """Rows to read: what tuning changed, what is still wrong, what is written."""
    after = evidences["after"]
    readable = kind_of(after) not in ("text", "other")
    return {
        "flips": flips(evidences["before"], after, rows, class_names) if readable and "before" in evidences else None,
        "worst_errors": worst_errors(after, rows, class_names) if readable else [],
        **({"written": written_samples(evidences, rows)} if kind_of(after) == "text" else {}),
    }


def _calibration(evidence: Evidence, boot: Mapping[str, Any]) -> dict[str, Any] | None:
    bins = tables.reliability(evidence)
    if bins is None:
        return None
    ece: Figure = figures(evidence, ["ece"], **boot)["ece"]
    return {"bins": bins, "ece": ece}
