"""How far would a figure move, had other rows been drawn? Percentile bootstrap (Efron 1979) over rows.

The same seed over the same number of rows draws the same resamples, so the replicates of two models on the
same rows are paired: their difference is the paired bootstrap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tunesmith.core.artefacts import Figure
from tunesmith.core.contracts import Evidence, Metric
from tunesmith.core.errors import RecipeError
from tunesmith.evaluation.evidence import Array, count_rows
from tunesmith.evaluation.metrics import METRICS
from tunesmith.evaluation.metrics.resampled import Over, ResampledMetric, SumMetric, sum_over

_CELLS = 500_000
"""Row counts held at a time, so that a block stays near the processor and a long test set fits in memory."""


def make_metrics(names: Iterable[str], evidence: Evidence) -> dict[str, Metric]:
    """The metrics by name.

    Raises:
        RecipeError: a name is unknown, or the evidence does not hold what the metric reads.
    """
    metrics: dict[str, Metric] = {name: METRICS.make(name) for name in names}
    for name, metric in metrics.items():
        if isinstance(metric, ResampledMetric) and not metric.fits(evidence):
            wanted = " or ".join(", ".join(keys) for keys in metric.needs)
            known = [n for n in METRICS if not _misfit(METRICS.make(n), evidence)]
            raise RecipeError(
                f"The metric {name} reads {wanted}; this task gives {', '.join(evidence) or 'nothing'}.",
                f"Metrics that fit: {', '.join(known)}.",
            )
    return metrics


def figures(
    evidence: Evidence,
    metric_names: Sequence[str],
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 13,
) -> dict[str, Figure]:
    """Each metric's value on all rows, and its interval.

    Args:
        evidence: arrays with one entry a row.
        metric_names: names in the metrics family.
        resamples: bootstrap resamples.
        confidence: share of replicates inside the interval.
        seed: of the resamples.

    Raises:
        RecipeError: a metric is unknown or does not fit the evidence.
    """
    return measure(evidence, metric_names, resamples=resamples, seed=seed).figures(confidence)


@dataclass(frozen=True)
class Measured:
    """Evidence with its metrics' values and replicates, so that resampling is paid once."""

    evidence: Evidence
    metrics: Mapping[str, Metric]
    values: Mapping[str, float]
    replicates: Mapping[str, Array]

    def figures(self, confidence: float = 0.95) -> dict[str, Figure]:
        """Each metric's value with its interval; NaN for the ends of a metric without one."""
        nan = float("nan")
        return {
            name: around(value, self.replicates[name], confidence)
            if getattr(self.metrics[name], "has_interval", True)
            else Figure(value, nan, nan)
            for name, value in self.values.items()
        }


def measure(evidence: Evidence, metric_names: Sequence[str], *, resamples: int = 1000, seed: int = 13) -> Measured:
    """Each metric's value on all rows, and its figures in the resamples.

    Raises:
        RecipeError: a metric is unknown or does not fit the evidence.
    """
    metrics = make_metrics(metric_names, evidence)
    values = {name: metric(evidence) for name, metric in metrics.items()}
    return Measured(evidence, metrics, values, replicates(evidence, metrics, resamples=resamples, seed=seed))


def replicates(
    evidence: Evidence, metrics: Mapping[str, Metric], *, resamples: int = 1000, seed: int = 13
) -> dict[str, Array]:
    """Each metric's figures in the resamples: float[resamples]."""
    rows = count_rows(evidence)
    if rows == 0:
        return {name: np.full(resamples, np.nan) for name in metrics}
    found: dict[str, list[Array]] = {name: [] for name in metrics}
    reduce, figure = _plan(metrics, evidence)
    for counts in draw(rows, resamples, seed):
        sums = {key: of(counts) for key, of in reduce.items()}
        for name, (key, of) in figure.items():
            found[name].append(of(sums[key]))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def draw(rows: int, resamples: int, seed: int) -> Iterator[Array]:
    """Resamples of ``rows`` rows with replacement, as counts float64[block, rows], a block at a time."""
    generator = np.random.default_rng(seed)
    block = max(1, _CELLS // rows)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        picks = generator.integers(0, rows, size=(size, rows)) + rows * np.arange(size)[:, None]
        yield np.bincount(picks.ravel(), minlength=size * rows).reshape(size, rows).astype(np.float64)


def around(value: float, drawn: Array, confidence: float) -> Figure:
    """A value with its percentile interval, widened to hold the value.

    Figures that cannot be negative, such as a calibration error near 0, only grow in resamples.
    """
    low, high = interval(drawn, confidence)
    return Figure(value, min(low, value), max(high, value))


def known_mean(values: Array, resamples: int, confidence: float, seed: int) -> Figure:
    """The mean of a figure a row, with its interval; rows whose figure is NaN are left out.

    Args:
        values: [rows].
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return Figure(np.nan, np.nan, np.nan)
    drawn = np.concatenate([counts @ known for counts in draw(len(known), resamples, seed)]) / len(known)
    return around(float(known.mean()), drawn, confidence)


def interval(drawn: Array, confidence: float) -> tuple[float, float]:
    """The middle ``confidence`` of the replicates; NaN where none is defined."""
    defined = drawn[~np.isnan(drawn)]
    if defined.size == 0:
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def _plan(metrics: Mapping[str, Metric], evidence: Evidence) -> tuple[dict[str, Over], dict[str, tuple[str, Over]]]:
    """Counts -> sums, by key; and by metric the key of its sums, and sums -> figures.

    Metrics that read the same columns share their sums, the dear part.
    """
    reduce: dict[str, Over] = {}
    figure: dict[str, tuple[str, Over]] = {}
    for name, metric in metrics.items():
        key = name
        if isinstance(metric, SumMetric):
            key = metric.shares or name
            if key not in reduce:
                reduce[key] = sum_over(metric.columns(evidence))
            figure[name] = (key, metric.figure)
        else:
            reduce[key] = _over(metric, evidence)
            figure[name] = (key, lambda figures: figures)
    return reduce, figure


def _over(metric: Metric, evidence: Evidence) -> Over:
    if isinstance(metric, ResampledMetric):
        return metric.over(evidence)
    # A metric from outside knows only whole evidence: give it each resample's rows.
    return lambda counts: np.array([metric(_take(evidence, row)) for row in counts])


def _take(evidence: Evidence, counts: Array) -> Evidence:
    rows = np.repeat(np.arange(len(counts)), counts.astype(int))
    return {key: array[rows] for key, array in evidence.items()}


def _misfit(metric: Metric, evidence: Evidence) -> bool:
    return isinstance(metric, ResampledMetric) and not metric.fits(evidence)
