"""``tunesmith check``: look at a data file before anything is trained on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json, Overrides
from tunesmith.core.recipe import Recipe

if TYPE_CHECKING:
    from tunesmith.core.recipe import DataBlock
    from tunesmith.data.rows import Rows
    from tunesmith.data.schema import Guess
    from tunesmith.pipeline.transcribed import Transcribed

File = Annotated[str, typer.Argument(help="File, glob, folder or hub id.")]
Test = Annotated[str | None, typer.Option("--test", help="Test file: its overlap with FILE is measured.")]
Model = Annotated[str | None, typer.Option("--model", help="Model whose tokens are counted; absent: by language.")]


def check(file: File, overrides: Overrides = None, test: Test = None, model: Model = None, json: Json = False) -> None:
    """Report what is in a data file and what is wrong with it, and print a recipe that is ready to run.

    Format, encoding, delimiter, task and columns are found and said; duplicates, near duplicates, label conflicts,
    overlap with the test file, lengths in tokens, truncation, broken and empty rows and likely personal data are
    counted. Nothing is changed. Columns may be named: data.text=review data.label=stars.
    """
    values: dict[str, Any] = {"data": {"path": file, "test": test}}
    if model:
        values["model"] = {"name": model}
    emit(checked(Recipe.parse(values, overrides or [])), json, _page)


def checked(recipe: Recipe) -> dict[str, Any]:
    """The whole report as JSON values.

    Raises:
        DataError: the file cannot be read, a column is not there, or its labels have nothing to tell apart.
    """
    import yaml

    from tunesmith.data.profile import profile
    from tunesmith.data.read import read
    from tunesmith.data.schema import guess
    from tunesmith.data.settle import as_read
    from tunesmith.data.shapes.settle import is_log
    from tunesmith.data.split import refuse_one_label
    from tunesmith.data.targets import targets

    heard = _heard(recipe.data)
    data = recipe.data if heard is None else heard.block
    rows = read(data.path, encoding=data.encoding, delimiter=data.delimiter, limit=data.limit, seed=data.split.seed)
    rows.origin.media = data.media
    found = guess(rows, task=recipe.task.name, columns=data.columns, reads=_read_beside(recipe))
    notes = list(rows.origin.notes)
    if heard is not None:
        notes += heard.notes
        rows.broken += heard.broken
        rows.origin.files = [recipe.data.path]
    in_file = rows.columns
    rows, columns = as_read(rows, found.task, found.columns, notes)
    if is_log(found.task):
        return _of_log(recipe, rows, found, notes, in_file)
    labels = targets(rows, columns)
    refuse_one_label(rows, columns, labels)
    held = read(data.test, encoding=data.encoding, delimiter=data.delimiter) if data.test else None
    if held is not None:
        held.origin.media = data.media
        held, _ = as_read(held, found.task, found.columns, notes, labels.names)
    tokenizer, limit = _tokenizer(recipe, found.task, rows, columns, notes)
    made = profile(rows, columns, task=found.task, test=held, tokenizer=tokenizer, max_length=limit)
    made.columns = dict(found.columns)
    ready = _ready(recipe, found.task, found.columns)
    return {
        "rows": len(rows),
        "columns": in_file,
        "origin": rows.origin,
        "guess": found,
        "profile": made,
        "recipe": yaml.safe_load(ready.to_yaml()),
        "warnings": made.warnings,
        "notes": notes,
    }


def _read_beside(recipe: Recipe) -> set[str]:
    """Roles that the recipe's strategies read."""
    from tunesmith.core.registry import family

    made = (family("strategies").make(block.name, block.options) for block in recipe.training.strategies)
    return {role for strategy in made for role in strategy.roles}


def _heard(block: DataBlock) -> Transcribed | None:
    """The block by what is said in its sounds, where that is asked for."""
    if block.transcribe is None:
        return None
    from tunesmith.pipeline.transcribed import transcribed

    return transcribed(block)


def _of_log(recipe: Recipe, rows: Rows, found: Guess, notes: list[str], in_file: list[str]) -> dict[str, Any]:
    """The report of a log of users and items, and of the tables beside it."""
    import yaml

    from tunesmith.data.log_profile import log_profile
    from tunesmith.data.side_tables import SideTable, item_table, user_table

    tables: dict[str, SideTable] = {}
    for word, path, read_table, role in (
        ("items", recipe.data.items, item_table, "item"),
        ("users", recipe.data.users, user_table, "user"),
    ):
        if path:
            tables[word] = read_table(path, list(dict.fromkeys(rows.column(role).to_pylist())))
            found.why.extend(tables[word].why)
            notes += tables[word].notes
    made = log_profile(rows, found.columns, tables, notes)
    ready = _ready(recipe, found.task, found.columns)
    return {
        "rows": len(rows), "columns": in_file, "origin": rows.origin, "guess": found, "profile": made,
        "recipe": yaml.safe_load(ready.to_yaml()), "warnings": made.warnings, "notes": notes,
    }  # fmt: skip


def _tokenizer(
    recipe: Recipe, task: str, rows: Rows, columns: dict[str, str | list[str]], notes: list[str]
) -> tuple[Any, int | None]:
    """The model's tokenizer and limit, or a note on why there is none: a report without tokens is still one."""
    from tunesmith.core.errors import TunesmithError
    from tunesmith.data.clean import text_columns
    from tunesmith.data.language import language_of

    try:
        from tunesmith.core.registry import family
        from tunesmith.models.load import load_processor
        from tunesmith.models.reference import resolve

        some = rows.select(range(min(len(rows), 1000)))
        texts = [str(t) for name in text_columns(columns) for t in some.column(name).to_pylist() if t]
        block = recipe.model
        if not texts:
            return None, block.max_length
        auto_model = family("tasks").load(task).auto_model
        reference = resolve(block.name, revision=block.revision, language=language_of(texts), auto_model=auto_model)
        return load_processor(reference), block.max_length or reference.max_length
    except TunesmithError as error:
        notes.append(f"Tokens are not counted: {error.problem}")
    except ImportError as error:
        notes.append(f"Tokens are not counted: {error.name or error} is not installed.")
    return None, recipe.model.max_length


def _ready(recipe: Recipe, task: str, columns: dict[str, str | list[str]]) -> Recipe:
    """The recipe with what was guessed written into it."""
    data = recipe.data.model_copy(update={"columns": columns})
    return recipe.model_copy(update={"data": data, "task": recipe.task.model_copy(update={"name": task})})


def _page(report: dict[str, Any]) -> str:
    import yaml

    origin = report["origin"]
    how = [origin.format, origin.encoding, origin.delimiter and f"delimiter {origin.delimiter!r}"]
    files = ", ".join(origin.files[:3]) + (f" and {len(origin.files) - 3} more" if len(origin.files) > 3 else "")
    blocks = [
        f"{files} ({', '.join(filter(None, how))})",
        report["profile"].to_text(),
        "guessed\n" + "\n".join(f"  - {why}" for why in report["guess"].why),
        "notes\n" + "\n".join(f"  - {note}" for note in report["notes"]) if report["notes"] else "",
        "recipe\n" + yaml.safe_dump(report["recipe"], sort_keys=False, allow_unicode=True, width=100),
    ]
    return "\n\n".join(filter(None, blocks))
