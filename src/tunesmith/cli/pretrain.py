"""``tunesmith pretrain``: learn from text alone."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json, Overrides


def pretrain(
    corpus: Annotated[str, typer.Argument(help="Text, JSON lines, CSV ..., also gzipped; or a recipe (.yaml).")],
    overrides: Overrides = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a bundle of the same name.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what an unfinished run of this recipe left.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the whole recipe and stop.")] = False,
    json: Json = False,
) -> None:
    """Let a model learn a corpus without labels: go on from one that there is, or make one anew (scratch=small).

    The corpus is read once and never held in memory. The objective (masked-lm unless you say another) is measured on
    held-out documents before and after; with downstream=FILE a task with labels is learned from both models, too.
    The bundle is a model's folder: tunesmith tune rows.csv model=FOLDER goes on from it.
    Run again after a crash, the same command goes on from the last checkpoint.
    """
    from tunesmith.core.runtime import calm_threads

    calm_threads()
    from tunesmith.core.recipe import to_yaml
    from tunesmith.pipeline.pretrain import pretrain as pretrained
    from tunesmith.pipeline.pretrain_plan import as_pretrain_recipe, plan_pretraining

    begun = time.monotonic()
    planned = plan_pretraining(as_pretrain_recipe(corpus, overrides or []), replace=replace)
    if dry_run:
        emit({"recipe": planned.recipe.model_dump(mode="json")}, json, lambda _: to_yaml(planned.recipe))
        return
    bundle = pretrained(planned, replace=replace, fresh=fresh)
    report = bundle.report
    emit(
        {
            "bundle": str(bundle.path),
            "objective": bundle.manifest.task.name,
            "seconds": round(time.monotonic() - begun, 3),
            "metrics": report["metrics"],
            "before": report["before"]["metrics"],
            "tokens": report["context"]["tokens"],
            "training": report["context"]["training"],
            "parity": report["parity"],
            **{key: report[key] for key in ("parts", "downstream") if key in report},
            "notes": report["data_notes"],
        },
        json,
        _page,
    )


def _page(result: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("on held-out text", "before", "after"):
        table.add_column(heading, justify="left" if heading.startswith("on") else "right")
    for name, figure in result["metrics"].items():
        table.add_row(name, *(f"{one['value']:.3f}" for one in (result["before"][name], figure)))
    for part, sides in result.get("parts", {}).items():
        for name in result["metrics"]:
            table.add_row(f"  {name} of {part}", *(f"{sides[side][name]:.3f}" for side in ("before", "after")))
    lines = [
        f"{one['metric']} with {one['labels'] or 'all'} labels, mean of {one['seeds']} seeds: {one['before']:.3f} "
        f"before, {one['after']:.3f} after ({one['gain']:+.3f})"
        for one in result.get("downstream", {}).get("gains", ())
    ]
    path, training = result["bundle"], result["training"]
    closing = [
        f"{training['steps']} steps, {training['tokens_per_second']:,.0f} tokens a second",
        f"bundle  {path}   ({result['seconds']:.0f} s; reloaded in a fresh process: it answers alike)",
        f"next    tunesmith tune rows.csv model={path}",
    ]
    return Group(
        table, "", *result["notes"], *lines, "", *[Text(line, no_wrap=True, overflow="ignore") for line in closing]
    )
