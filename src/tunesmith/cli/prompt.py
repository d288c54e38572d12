"""``tunesmith prompt``: the best prompt for labelled rows, as a bundle."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json, Overrides


def prompt(
    data: Annotated[str, typer.Argument(help="Labelled rows: file, glob, folder or hub id; or a recipe (.yaml).")],
    overrides: Overrides = None,
    way: Annotated[
        str, typer.Option("--way", help="How the model is asked: similarity, likelihood, cloze, entailment.")
    ] = "similarity",
    shots: Annotated[str, typer.Option("--shots", help="Numbers of examples to try: 0,4,8")] = "0",
    orders: Annotated[int, typer.Option("--orders", help="Orders of examples to try (1 to 4).", min=1, max=4)] = 2,
    rows: Annotated[int, typer.Option("--rows", help="Validation rows to choose by.", min=2)] = 100,
    templates: Annotated[str, typer.Option("--templates", help="A file of your own templates (.yaml).")] = "",
    test_all: Annotated[
        bool, typer.Option("--test-all", help="Measure every prompt on the test rows, too, for a table.")
    ] = False,
    test_rows: Annotated[int, typer.Option("--test-rows", help="At most so many test rows; 0: all.")] = 0,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a bundle of the same name.")] = False,
    json: Json = False,
) -> None:
    """Search templates, words for labels, examples and their order on validation rows; nothing is trained.

    Every prompt is measured as it is and calibrated by what it gives to a text without content. The best one is held to
    the test rows, beside the plainest prompt, TF-IDF and the majority, and saved as a bundle that serves like any
    other. The report tells how far templates are apart, before and after calibration.
    """
    from tunesmith.core.errors import RecipeError
    from tunesmith.core.runtime import calm_threads

    try:
        counts = tuple(sorted({int(word) for word in shots.split(",")}))
    except ValueError:
        raise RecipeError(f'--shots is "{shots}".', "Give numbers with commas between: 0,4,8") from None
    if min(counts) < 0 or max(counts) > 64:
        raise RecipeError(f'--shots is "{shots}"; a prompt has 0 to 64 examples.', "For example --shots 0,4,8")
    calm_threads()
    from tunesmith.cli.tune import outcome
    from tunesmith.pipeline.prompt import PromptOptions
    from tunesmith.pipeline.prompt import prompt as searched

    begun = time.monotonic()
    options = PromptOptions(way, counts, orders, rows, templates or None, test_all, test_rows or None)
    bundle = searched(data, overrides or [], options, overwrite=replace)
    emit({**outcome(bundle, time.monotonic() - begun), "prompts": bundle.report["prompts"]}, json, _page)


def _page(result: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.table import Table

    from tunesmith.cli.tune import _page as page

    told = result["prompts"]
    table = Table(box=None, pad_edge=False)
    unfit = [key for key in ("cut", "fewer") if any(one[key] for one in told["candidates"])]
    names = {"cut": "texts cut", "fewer": "fewer examples"}
    headings = ("as it is", "calibrated", *(names[key] for key in unfit))
    for heading in (f"{told['metric']} on {told['rows']} validation rows", *headings):
        table.add_column(heading, justify="right" if "validation" not in heading else "left")
    for one in told["candidates"]:
        figures = [f"{one[side][told['metric']]:.3f}" for side in ("plain", "calibrated")]
        table.add_row(one["title"], *figures, *(str(one[key]) for key in unfit))
    left_out = [f"{title} was not tried: {why}" for title, why in told.get("left_out", {}).items()]
    return Group(table, "", told["words"], *left_out, "", page(result))
