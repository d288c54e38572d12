"""``tunesmith convert``: annotated rows, or predictions, in the format of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json
from tunesmith.core.errors import RecipeError

File = Annotated[str, typer.Argument(metavar="IN", help="File, glob, folder or hub id; also what predict wrote.")]
Output = Annotated[Path, typer.Argument(metavar="OUT", help="File to write; a folder for brat.")]
To = Annotated[
    str | None, typer.Option("--to", help="conll, squad, sharegpt, alpaca ...; all: tunesmith plugins formats.")
]
Settings = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="data.COLUMN_ROLE=NAME, task=NAME, or an option of the format."),
]
Replace = Annotated[bool, typer.Option("--replace", help="Write over what is there.")]


def convert(
    file: File, output: Output, settings: Settings = None, to: To = None, replace: Replace = False, json: Json = False
) -> None:
    """Write annotated rows in another format: CoNLL, doccano, Label Studio, brat, SQuAD; ShareGPT, Alpaca; JSON lines.

    IN is whatever check and tune read, or the .jsonl file that predict wrote: then people mend in their tool what a
    model has marked already. Rows that cannot be read go to OUT.broken.csv; what the format does not hold is counted.
    """
    from tunesmith.core.recipe import Recipe
    from tunesmith.data.convert import convert as converted
    from tunesmith.data.formats import FORMATS

    if to is None:
        raise RecipeError("Which format is wanted is not said.", f"Add --to FORMAT: {', '.join(FORMATS)}.")
    ours, options = _divided(settings or [])
    recipe = Recipe.parse({"data": {"path": file}}, ours)
    done = converted(recipe.data, output, to, task=recipe.task.name, options=options, replace=replace)
    emit(done, json, _page)


def _divided(settings: list[str]) -> tuple[list[str], dict[str, str]]:
    """Settings of a recipe, and options of the format."""
    ours = [setting for setting in settings if setting.startswith(("data.", "task=", "task."))]
    options: dict[str, str] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if setting in ours:
            continue
        if not equals or not key:
            raise RecipeError(f'"{setting}" is no setting.', "Write KEY=VALUE, for example data.spans=entities")
        options[key] = value
    return ours, options


def _page(done: Any) -> str:
    lines = [f"{done.entries:,} entries of {done.task} in {done.output} ({done.format})"]
    lines += [f"  beside it: {place}" for place in done.beside]
    lines += [f"  left out: {count:,} {what}" for what, count in done.left.items()]
    lines += [f"  broken rows: {done.broken:,}"] if done.broken else []
    return "\n".join([*lines, *(f"  note: {note}" for note in done.notes)])
