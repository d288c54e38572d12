"""All that is known of a tuned model, as JSON values: ``report.json``, and what ``report.html`` is drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
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
    after = evidences["after"]
    grouped = "group" in after
    metric_names = [*metric_names, *(GAPS if grouped else ()), *figures_of(after)]
    evidences = dict(sorted(evidences.items(), key=lambda item: _order(item[0])))
    seconds = seconds or {}
    names = {**(REGRESSION_NAMES if kind_of(after) == "regression" else NAMES), **(titles or {})}
    primary = metric_names[0]
    boot = {"resamples": resamples, "seed": seed}
    measured = {key: measure(e, metric_names, resamples=resamples, seed=seed) for key, e in evidences.items()}
    compared = _compare_all(measured, names, confidence)
    primaries = {key: found[primary] for key, found in compared.items()}
    by_class = kind_of(after) in ("single-label", "multi-label") or "class_counts" in after
    readable = kind_of(after) not in ("text", "other")
    calibration = _calibration(after, confidence, resamples, seed)
    values = {
        "format": FORMAT,
        "task": task_name,
        "primary": primary,
        "kind": kind_of(after),
        "rows": len(rows),
        "classes": list(class_names),
        "bootstrap": {**boot, "confidence": confidence},
        "names": {key: names.get(key, key) for key in evidences},
        "metrics": measured["after"].figures(confidence),
        "seconds": seconds.get("after", {}),
        "before": _side("before", measured, seconds, confidence),
        "baselines": {
            key: _side(key, measured, seconds, confidence) for key in evidences if key not in ("after", "before")
        },
        "comparisons": {key: {m: c.to_json() for m, c in found.items()} for key, found in compared.items()},
        "per_class": tables.per_class(after, class_names, confidence=confidence, **boot) if by_class else None,
        **({"groups": per_group(after, group_names, class_names)} if grouped else {}),
        "confusion": tables.confusion(after, class_names),
        "calibration": calibration,
        "flips": flips(evidences["before"], after, rows, class_names) if readable and "before" in evidences else None,
        "worst_errors": worst_errors(after, rows, class_names) if readable else [],
        **({"written": written_samples(evidences, rows)} if kind_of(after) == "text" else {}),
        "ladder": {
            "metric": primary,
            "rows": ladder({k: m.figures(confidence)[primary] for k, m in measured.items()}, seconds, names),
            "words": ladder_words(primaries, seconds, names),
        },
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


def _compare_all(
    measured: Mapping[str, Measured], names: Mapping[str, str], confidence: float
) -> dict[str, dict[str, Comparison]]:
    """The tuned model against each of the others."""
    return {
        key: compare_measured(
            measured["after"],
            other,
            first_name=names["after"],
            second_name=names.get(key, key),
            confidence=confidence,
        )
        for key, other in measured.items()
        if key != "after"
    }


def _side(
    key: str, measured: Mapping[str, Measured], seconds: Mapping[str, Mapping[str, float]], confidence: float
) -> dict[str, Any] | None:
    if key not in measured:
        return None
    return {"metrics": measured[key].figures(confidence), "seconds": seconds.get(key, {})}


def _calibration(evidence: Evidence, confidence: float, resamples: int, seed: int) -> dict[str, Any] | None:
    bins = tables.reliability(evidence)
    if bins is None:
        return None
    ece: Figure = figures(evidence, ["ece"], resamples=resamples, confidence=confidence, seed=seed)["ece"]
    return {"bins": bins, "ece": ece}
