"""A report as one HTML file that needs nothing else: no request, light and dark, paper and phone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from tunesmith.core.extras import need
from tunesmith.evaluation import words
from tunesmith.evaluation.metrics import METRICS
from tunesmith.evaluation.plots.curves import LINES, curves, series
from tunesmith.evaluation.plots.heatmap import heatmap
from tunesmith.evaluation.plots.importance import importance_plot
from tunesmith.evaluation.plots.ladder import ladder_plot
from tunesmith.evaluation.plots.reliability import reliability_plot
from tunesmith.evaluation.plots.tradeoff import tradeoff_plot

TEMPLATE = "report.html.jinja"


def render(report: Mapping[str, Any]) -> str:
    """The page of a report that ``build_report`` made, or that was read back from ``report.json``.

    All text of the user's is escaped.

    Raises:
        ExtraMissing: jinja2 is not installed.
    """
    page: str = _template().render(report=report, plots=_plots(report), summaries=_summaries(report))
    return page


@cache
def _template() -> Any:
    jinja2 = need("jinja2", extra="train", purpose="report.html")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": words.number,
        "signed": words.signed,
        "duration": words.duration,
        "p": words.p_words,
        "yaml": _yaml,
        "plain": _plain,
    }
    return environment.from_string(files("tunesmith.evaluation").joinpath(TEMPLATE).read_text("utf-8"))


def _plots(report: Mapping[str, Any]) -> dict[str, Any]:
    """SVG by name, marked safe: everything in it was escaped where it was written."""
    history, chosen = report["history"], validated(report["history"], report["primary"])
    confusion, calibration = report["confusion"], report["calibration"]
    shrunk = report.get("shrink")
    drawn = {
        "ladder": ladder_plot(report["ladder"]["rows"], report["ladder"]["metric"]),
        "loss": curves(
            {"training loss": series(history, "loss"), "validation loss": series(history, "validation/loss")},
            "Loss over steps",
        ),
        "validation": curves({f"validation {chosen}": series(history, f"validation/{chosen}")}, "Validation"),
        "strategies": curves(
            {name: series(history, name) for name in of_strategies(history)[:LINES]}, "What strategies measured"
        ),
        "confusion": heatmap(confusion["labels"], confusion["matrix"]) if confusion and confusion["matrix"] else "",
        "reliability": reliability_plot(calibration["bins"]) if calibration else "",
        "tradeoff": _tradeoff(shrunk) if shrunk else "",
        "importance": importance_plot((report.get("search") or {}).get("importance", {})),
    }
    safe = need("markupsafe", extra="train", purpose="report.html").Markup
    return {name: safe(svg) for name, svg in drawn.items()}


def validated(history: Sequence[Mapping[str, Any]], primary: str) -> str:
    """The metric of the validation rows that is drawn: the primary one, or what chose the weights."""
    names = [name for entry in history for name in entry.get("validation", {})]
    return primary if primary in names or not names else names[0]


def of_strategies(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Figures that strategies have logged ("dpo/kl"), as ``series`` is asked for them."""
    names = [
        f"{who}/{name}"
        for entry in history
        for who, said in entry.items()
        if who != "validation" and isinstance(said, Mapping)
        for name in said
    ]
    return list(dict.fromkeys(names))


def _tradeoff(shrunk: Mapping[str, Any]) -> str:
    units = shrunk.get("units", {})  # reports of before there were others have none
    what = f"{units.get('what', 'row')}{units.get('each', '')}"
    lower = not METRICS.load(shrunk["metric"]).higher_is_better
    return tradeoff_plot(shrunk["candidates"], shrunk["metric"], shrunk["picked"], what=what, lower=lower)


def _summaries(report: Mapping[str, Any]) -> dict[str, str]:
    """What each metric means, in a line."""
    return {name: METRICS.load(name).summary for name in report["metrics"] if name in METRICS}


def _yaml(value: Any) -> str:
    if isinstance(value, str):
        return value.rstrip()
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
    return text.rstrip()


def _plain(value: Any) -> str:
    """A value of the context on one line."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(inner) for inner in value) or "none"
    if isinstance(value, int):
        return f"{value:,}"
    return words.number(value) if isinstance(value, float) else str(value)
