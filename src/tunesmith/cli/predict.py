"""``tunesmith predict``: ask a bundle about texts, a data file, or the lines of standard input.

tunesmith predict out/reviews "great!" "never again"
tunesmith predict out/reviews --file new.csv --output answers.csv
cat lines.txt | tunesmith predict out/reviews --output answers.jsonl
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json, columns_by_role
from tunesmith.core.errors import DataError, RecipeError

if TYPE_CHECKING:
    from tunesmith.bundle.answers import Write
    from tunesmith.bundle.questions import Question
    from tunesmith.bundle.read import Bundle
    from tunesmith.core.contracts import Prediction


def predict(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="The folder that tune wrote.")],
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]...", help="Texts; absent: lines of stdin.")
    ] = None,
    file: Annotated[str | None, typer.Option("--file", help="A data file: CSV, JSONL, Parquet, Excel ...")] = None,
    output: Annotated[Path | None, typer.Option("--output", help="Write here: .jsonl, .json, .csv or .tsv.")] = None,
    media: Annotated[
        str | None, typer.Option("--media", help="Folder of the file's pictures and sounds; absent: the file's.")
    ] = None,
    column: Annotated[list[str] | None, typer.Option("--column", help="ROLE=COLUMN of the file: text=review")] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Texts computed together, at most.")] = 64,
    runtime: Annotated[
        str, typer.Option("--runtime", help="What computes; auto: what the bundle was proven with.")
    ] = "auto",
    json: Json = False,
) -> None:
    """Ask a bundle about texts, a file, or standard input (a text a line, or a JSON object a line)."""
    from tunesmith.core.runtime import calm_threads

    calm_threads()
    from tunesmith.bundle.answers import check_suffix
    from tunesmith.bundle.questions import answers
    from tunesmith.bundle.read import read_bundle
    from tunesmith.bundle.writing_speed import clocked, writing_speed

    if output is not None:
        check_suffix(output)
    opened = read_bundle(bundle)
    questions = _questions(opened, texts or [], file, columns_by_role(column or []), media)
    predictor = opened.predictor(runtime, batch_size=batch_size)
    answered = answers(predictor, questions)
    if output is None and json:
        clock = clocked(predictor)
        pairs = list(answered)
        _complain(len(pairs), [question for question, _ in pairs if question.row is None])
        speed = writing_speed(clock)
        told = {"writing_speed": speed} if speed else {}
        emit({"predictions": [answer for _, answer in pairs], **told}, as_json=True)
    else:
        with _destination(output) as write:
            total, wrong = _written(answered, write)
        _complain(total, wrong)
        if output is not None:
            done = {"output": output, "rows": total, "unanswered": len(wrong)}
            emit(done, json, lambda told: f"{told['rows']:,} answers in {told['output']}")


def _questions(
    bundle: Bundle, texts: list[str], file: str | None, columns: dict[str, str], media: str | None
) -> Iterable[Question | None]:
    from tunesmith.bundle.questions import columns_of, from_lines, from_rows, from_texts
    from tunesmith.cli.incoming import incoming
    from tunesmith.data.read import read

    if texts and file:
        raise RecipeError("Both texts and --file were given.", "Give one of them.")
    trained = (bundle.manifest.recipe.get("data") or {}).get("columns") or {}
    if texts:
        _refuse_files(texts)
        return from_texts(bundle.task, texts)
    if not file:
        if sys.stdin is None or sys.stdin.isatty():
            raise RecipeError("There is nothing to predict.", "Give texts, --file FILE, or lines on standard input.")
        binary = getattr(sys.stdin, "buffer", None)
        lines = sys.stdin if binary is None else incoming(binary)
        return from_lines(bundle.task, lines, {**trained, **columns}, _tell)
    rows = read(file)
    rows.origin.media = media
    _refuse_unheard(bundle, rows.columns, columns, file)
    if rows.broken:
        first = rows.broken[0]
        told = (
            f"{len(rows.broken)} broken rows get no answer; the first: {first.file}, line {first.line}: {first.reason}"
        )
        _tell(told)
    return from_rows(bundle.task, rows, columns_of(bundle.task, rows, columns, trained, tell=_tell))


def _refuse_files(texts: list[str]) -> None:
    """A data file's name among the texts would be answered as a text. Names of pictures and sounds are questions."""
    from tunesmith.data.locate import known_suffixes, suffix_of

    for text in texts:
        if suffix_of(text) in known_suffixes() and os.path.isfile(text):
            raise RecipeError(
                f'"{text}" is a file, and was given as a text.',
                f"Ask about its rows: tunesmith predict BUNDLE --file {text}",
            )


def _refuse_unheard(bundle: Bundle, names: Collection[str], columns: Mapping[str, str], file: str) -> None:
    """Sounds whose bundle reads what is said in them; a guess would take their paths for texts."""
    from tunesmith.bundle.columns import unheard

    column = unheard((bundle.manifest.recipe.get("data") or {}).get("transcribe"), columns, names)
    if column is None:
        return
    raise DataError(
        f'{bundle.path} reads what is said in sounds, and {file} has the sounds of "{column}" without their texts.',
        f"Run: tunesmith transcribe {file} --column {column} --output texts.jsonl   then: predict --file texts.jsonl",
    )


def _tell(what: str) -> None:
    print(what, file=sys.stderr)


@contextmanager
def _destination(output: Path | None) -> Iterator[Write]:
    from tunesmith.bundle.answers import answers_file, readable

    if output is None:
        yield lambda question, answer: print(readable(question, answer), flush=True)
    else:
        with answers_file(output) as write:
            yield write


def _written(answered: Iterable[tuple[Question, Prediction]], write: Write) -> tuple[int, list[Question]]:
    total, wrong = 0, []
    for question, answer in answered:
        write(question, answer)
        total += 1
        if question.row is None:
            wrong.append(question)
    return total, wrong


def _complain(total: int, wrong: list[Question]) -> None:
    """Tell of rows without an answer; an error where there is no answer at all."""
    if not total:
        raise DataError(
            "There is nothing to predict: no text was given.", "Give texts, --file FILE, or lines on stdin."
        )
    if len(wrong) == total:
        raise DataError(f"None of the {total} rows can be answered; the first: {wrong[0].problem}.", "Check the input.")
    if wrong:
        said = f"{len(wrong)} of {total} rows have no answer; the first: {wrong[0].problem}"
        print(f"{said}: {dict(wrong[0].given)!r:.120}", file=sys.stderr)
