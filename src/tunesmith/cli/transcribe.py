"""``tunesmith transcribe``: what is said in a file's sounds, as a further column."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json
from tunesmith.core.whole_file import whole_file

File = Annotated[str, typer.Argument(metavar="FILE", help="A data file with a column of paths, or a folder of sounds.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Write here, as JSON lines.")]
Column = Annotated[str, typer.Option("--column", help="The column of paths.")]
Model = Annotated[str, typer.Option("--model", help="A Whisper: a packaged name, a hub id or a folder.")]
Language = Annotated[str | None, typer.Option("--language", help="ISO 639 code; absent: heard from each sound.")]
Media = Annotated[str | None, typer.Option("--media", help="Folder of the sounds; absent: the file's.")]


def transcribe(
    file: File,
    output: Output,
    column: Column = "audio",
    model: Model = "whisper-base",
    language: Language = None,
    media: Media = None,
    json: Json = False,
) -> None:
    """Write a file's rows with ``transcript``: what Whisper hears in each sound. Each sound is heard once."""
    import json as notation

    from tunesmith.core.recipe import TranscribeBlock
    from tunesmith.data.read import read
    from tunesmith.pipeline.transcribed import with_texts

    with whole_file(output, what="The texts") as out:
        rows = read(file)
        rows.origin.media = media
        made, broken = with_texts(rows, TranscribeBlock(column=column, model=model, language=language))
        out.writelines(notation.dumps(row, ensure_ascii=False, default=str) + "\n" for row in made)
    told = {"output": str(output), "rows": len(made), "broken": [{"row": b.line, "reason": b.reason} for b in broken]}
    emit(told, json, _page)


def _page(told: Any) -> str:
    lines = [f"{told['rows']:,} rows with texts in {told['output']}"]
    lines += [f"  left out: row {one['row']}: {one['reason']}" for one in told["broken"][:10]]
    more = len(told["broken"]) - 10
    return "\n".join([*lines, *([f"  and {more} more"] if more > 0 else [])])
