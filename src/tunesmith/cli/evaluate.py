"""``tunesmith evaluate``: measure a bundle on labelled rows."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json, Overrides
from tunesmith.core.whole_file import whole_file


def evaluate(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="The folder that tune wrote.")],
    file: Annotated[str, typer.Argument(help="Labelled rows: file, glob, folder or hub id.")],
    overrides: Overrides = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write the page to this .html file.")] = None,
    json: Json = False,
) -> int:
    """Measure a bundle on labelled rows: figures with intervals, per class, confusion, calibration, worst errors.

    Columns are those that the bundle was trained on, unless named: data.text=review data.label=stars. So are the task's
    options: task.beams=4. What would run written code is never taken from a bundle: task.execute=true. With
    evaluation.gate.macro_f1=">= 0.9", exit code 2 says that the gate is not passed.
    """
    from tunesmith.core.runtime import calm_threads

    calm_threads()
    from tunesmith.pipeline.measure import measured

    with nullcontext() if report is None else whole_file(report, "--report", "The page") as page:
        found = measured(bundle, file, overrides or [])
        if page is not None:
            from tunesmith.evaluation.html import render

            page.write(render(found))
    keys = ("task", "rows", "metrics", "per_class", "confusion", "calibration", "worst_errors", "data_notes", "verdict")
    told = {key: found[key] for key in (*keys, "writing_speed", "gate") if key in found}
    emit({"bundle": bundle, "file": file, **told}, json, _page)
    return 0 if found.get("gate", {"passed": True})["passed"] else 2


def _page(result: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("metric", "value", "interval"):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for name, figure in result["metrics"].items():
        value = "-" if figure["value"] is None else f"{figure['value']:.4f}"
        table.add_row(name, value, "-" if figure["low"] is None else f"{figure['low']:.4f} to {figure['high']:.4f}")
    notes = [result["writing_speed"]["words"]] if "writing_speed" in result else []
    notes += [f"note: {note}" for note in result["data_notes"]]
    held = result.get("gate", {"lines": []})["lines"]
    notes += [f"gate: {'passed' if line['passed'] else 'not passed'}: {line['reason']}" for line in held]
    return Group(f"{result['bundle']} on {result['rows']} rows of {result['file']}", table, *notes)
