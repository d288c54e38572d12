"""``tunesmith tune``: from a data file or a recipe to a proven bundle."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json, Overrides


def tune(
    data: Annotated[str, typer.Argument(help="A data file, glob, folder or hub id; or a recipe (.yaml).")],
    overrides: Overrides = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a bundle of the same name.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what an unfinished run of this recipe left.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the whole recipe and stop.")] = False,
    json: Json = False,
) -> None:
    """Tune a pretrained model on your rows, prove what it gained, and save it as a bundle.

    Task, columns, language, model and settings are chosen where the recipe is silent, and the whole recipe is saved.
    The test rows are kept apart from the start. The model is compared with itself before tuning, with TF-IDF and
    with the majority; the saved bundle is reloaded in a fresh process and must answer alike.
    Run again after a crash, the same command goes on from the last checkpoint.
    """
    from tunesmith.core.runtime import calm_threads

    calm_threads()
    from tunesmith.pipeline.plan import as_recipe, plan
    from tunesmith.pipeline.run import run

    begun = time.monotonic()
    planned = plan(as_recipe(data, overrides or []), replace=replace)
    if dry_run:
        emit({"recipe": planned.recipe.model_dump(mode="json")}, json, lambda _: planned.recipe.to_yaml())
        return
    bundle = run(planned, replace=replace, fresh=fresh)
    emit(outcome(bundle, time.monotonic() - begun), json, _page)


def outcome(bundle: Any, seconds: float) -> dict[str, Any]:
    """What ``--json`` prints."""
    from tunesmith.evaluation.report import summary

    report = bundle.report
    return {
        "bundle": str(bundle.path),
        "task": bundle.manifest.task.name,
        "seconds": round(seconds, 3),
        **summary(report),
        **{key: report[key] for key in ("writing_speed",) if key in report},
        "checks": report["checks"],
        "parity": report["parity"],
        "verdict": report["verdict"],
        "model": report["context"]["model"],
        "method": report["context"]["method"],
        "training": report["context"]["training"],
        **{key: report["context"][key] for key in ("strategies",) if key in report["context"]},
        "notes": report["data_notes"],
    }


def _page(result: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("on the test rows")
    sides = {"majority": {}, "tfidf": {}, **result["baselines"], "before": result["before"], "after": result["metrics"]}
    shown = {name: figures for name, figures in sides.items() if figures}
    for name in shown:
        table.add_column("TF-IDF" if name == "tfidf" else name, justify="right")
    for metric in result["metrics"]:
        *others, after = shown.values()
        table.add_row(metric, *(_value(figures.get(metric)) for figures in others), _figure(after.get(metric)))
    path = result["bundle"]
    lines = [
        f"bundle  {path}   ({result['seconds']:.0f} s; reloaded in a fresh process: it answers alike)",
        f"report  {path}/report.html",
        f'next    tunesmith predict {path} "..."',
    ]
    closing = [Text(line, no_wrap=True, overflow="ignore") for line in lines]
    facts = [*result.get("strategies", {}).values(), result.get("writing_speed", {})]
    told = [one["words"] for one in facts if "words" in one]
    return Group(table, "", str(result["verdict"]), "", *told, *[""][: len(told)], *closing)


def _value(figure: dict[str, Any] | None) -> str:
    return "-" if not figure or figure["value"] is None else f"{figure['value']:.3f}"


def _figure(figure: dict[str, Any] | None) -> str:
    if not figure or figure["value"] is None:
        return "-"
    interval = "" if figure["low"] is None else f" [{figure['low']:.3f}, {figure['high']:.3f}]"
    return f"{figure['value']:.3f}{interval}"
