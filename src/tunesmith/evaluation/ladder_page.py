"""The ladder of a scout as one HTML file, in the report's own style."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

from tunesmith.evaluation.plots.ladder import ladder_plot
from tunesmith.evaluation.words import duration, number


def ladder_page(result: Mapping[str, Any], recipe: str) -> str:
    """A page that needs nothing else.

    Args:
        result: of ``pipeline.scout.scout``.
        recipe: the pick's, as YAML.
    """
    metric = result["metric"]
    tried = [rung for rung in result["rungs"] if not rung["skipped"]]
    drawn = [
        {
            "key": "after" if rung["key"] == result["pick"] else rung["key"],
            "name": rung["title"],
            "figure": rung["figures"][metric],
            "seconds": rung["seconds"],
        }
        for rung in tried
    ]
    lines = "".join(_line(rung, metric) for rung in result["rungs"])
    measured = f"{result['rows']['measured']:,} rows, none of them a test row"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Scout</title>{_style()}</head><body><main>'
        f"<section><h1>Which candidate is worth its cost?</h1><p>{escape(result['words'])}</p></section>"
        f'<section><h2>{escape(metric)} against seconds</h2><p class="lead">Measured on {measured}.</p>'
        f'<div class="scroll">{ladder_plot(drawn, metric)}</div></section>'
        f'<section><h2>The ladder</h2><div class="scroll"><table><thead><tr><th>candidate</th><th>{escape(metric)}</th>'
        f'<th>interval</th><th>seconds</th><th class="text">beside the best</th></tr></thead><tbody>{lines}</tbody>'
        f"</table></div></section><section><h2>Recipe</h2><pre>{escape(recipe)}</pre></section></main></body></html>\n"
    )


def _line(rung: Mapping[str, Any], metric: str) -> str:
    name = f"<td>{escape(rung['title'])}</td>"
    if rung["skipped"]:
        why = f'<td class="text">not tried: {escape(rung["skipped"])}</td>'
        return f"<tr>{name}{'<td>–</td>' * 3}{why}</tr>"
    figure = rung["figures"][metric]
    cells = [
        number(figure["value"]),
        f"{number(figure['low'])} – {number(figure['high'])}",
        duration(rung["seconds"]),
    ]
    figures = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr>{name}{figures}<td class="text">{rung["beside_best"]}</td></tr>'


def _style() -> str:
    """The report's, written once, there."""
    page = files("tunesmith.evaluation").joinpath("report.html.jinja").read_text("utf-8")
    return page[page.index("<style>") : page.index("</style>") + len("</style>")]
