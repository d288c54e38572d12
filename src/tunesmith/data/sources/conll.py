"""CoNLL columns: a token a line, its tag in the last column, a blank line after each sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa

from tunesmith.data.bytestream import MARK, open_text
from tunesmith.data.encoding import detect
from tunesmith.data.rows import BrokenRow
from tunesmith.data.sources.source import Reading, Source, batched, lines_of
from tunesmith.data.tags import BARE, is_bare, split_tag

SAMPLE = 2**18
BLANK = "▁"
"""How a token that is a blank is written where blanks divide the columns."""
HEADERS = ("token", "word", "char", "text", "form", "tokens", "words")
_COMMENT = re.compile(r"#( |$)")


class Line(NamedTuple):
    """A line that is not blank, with its number from 1."""

    number: int
    text: str


class Form(NamedTuple):
    """How the columns of a file are written."""

    delimiter: str
    width: int


class Conll(Source):
    """Tokens and tags, a row a sentence: ``tokens``, ``tags``, and ``column_2`` ... for columns between them.

    Columns are divided by tabs or by spaces, as the file's first lines show. Lines ``-DOCSTART-`` and comments
    (``# ...`` before a sentence) are passed over. A token that is a blank may be written ``▁``.

    Args:
        encoding: None: detected.
    """

    name: ClassVar[str] = "conll"
    summary: ClassVar[str] = "CoNLL columns: a token and its tag a line, a blank line after each sentence, also gzipped"
    suffixes: ClassVar[tuple[str, ...]] = (
        ".conll", ".conll03", ".bio", ".bio2", ".iob", ".iob2", ".bioes", ".iobes", ".bmes", ".bieos", ".bilou", ".ner",
    )  # fmt: skip

    def __init__(self, encoding: str | None = None) -> None:
        self.encoding = encoding

    @classmethod
    def recognises(cls, head: str) -> str:
        """Lines of as many cells, the last being tags, O among them, or all of them parts without a label (B, M, E, S);
        sentences are divided by blank lines.
        """
        lines = lines_of(head)
        tokens = [line for line in lines if line.strip() and not _COMMENT.match(line)]
        if not tokens or not _blank_between(lines):
            return ""
        form = form_of(tokens)
        cells = [split(line, form) for line in tokens if not line.startswith("-DOCSTART-")]
        tags = [found[-1] for found in cells if len(found) == form.width]
        bare = is_bare(tags) and len(tags) == len(cells) and not all(line.strip() for line in lines[:-1])
        tagged = sum(map(is_tag, tags))
        if form.width < 2 or not (bare or tagged >= 0.95 * len(cells) and len(set(tags)) > 1 and "O" in tags):
            return ""
        return f"each line is a token and a tag such as {next(tag for tag in tags if tag != 'O')}"

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The file's sentences; one with a line of another number of columns is put aside."""
        reading.encoding = detect(path, self.encoding).name
        with open_text(path, reading.encoding) as file:
            form = form_of(lines_of(file.read(SAMPLE)))
        reading.delimiter = form.delimiter
        with open_text(path, reading.encoding) as file:
            yield from batched(_rows(sentences(file), form, path, reading))


def is_tag(cell: str) -> bool:
    """Whether a cell is O, or a part of a span and its label.

    >>> [is_tag(cell) for cell in ("O", "B-PER", "S_LOC", "NOUN")]
    [True, True, True, False]
    """
    return split_tag(cell)[0] != ""


def form_of(lines: Iterable[str]) -> Form:
    """Delimiter and number of columns of most lines."""
    tokens = [line.rstrip() for line in lines if line.strip() and not line.startswith("-DOCSTART-")]
    delimiter = "\t" if sum("\t" in line for line in tokens) > 0.5 * len(tokens) else " "
    counts = Counter(len(split(line, Form(delimiter, 0))) for line in tokens)
    return Form(delimiter, counts.most_common(1)[0][0] if counts else 0)


def split(line: str, form: Form) -> list[str]:
    """A line's cells. Only spaces and tabs divide: a wide or a hard space may be a token.

    >>> split("EU NNP  B-ORG", Form(" ", 3)), split("  O", Form(" ", 2))
    (['EU', 'NNP', 'B-ORG'], [' ', 'O'])
    """
    line = line.rstrip()
    if form.delimiter == "\t":
        return line.split("\t")
    cells = [cell for cell in line.split(" ") if cell]
    # Where the token is a blank, the line starts with it.
    return [" ", *cells] if line.startswith(" ") and len(cells) == form.width - 1 else cells


def sentences(lines: Iterable[str]) -> Iterator[list[Line]]:
    """The lines of each sentence."""
    waiting: list[Line] = []
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\r\n")
        if text.strip() and not text.startswith("-DOCSTART-"):
            waiting.append(Line(number, text))
        elif waiting:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _rows(found: Iterable[list[Line]], form: Form, path: str, reading: Reading) -> Iterator[dict[str, Any]]:
    for index, sentence in enumerate(found):
        lines = list(_without_comments(sentence, form))
        if not index and lines and _is_header(split(lines[0].text, form)):
            reading.note(f'{path}: its first line, "{lines[0].text}", names the columns.')
            del lines[0]
        wrong = next(filter(None, (_problem(line, form, reading) for line in lines)), None)
        if wrong is not None:
            reading.broken.append(BrokenRow(path, *wrong))
        elif lines:
            yield _row([split(line.text, form) for line in lines])


def _row(cells: list[list[str]]) -> dict[str, Any]:
    """The columns of one sentence."""
    columns = [list(column) for column in zip(*cells, strict=True)]
    columns[0] = [" " if token == BLANK else token for token in columns[0]]
    middle = {f"column_{number}": column for number, column in enumerate(columns[1:-1], 2)}
    return {"tokens": columns[0], **middle, **({"tags": columns[-1]} if len(columns) > 1 else {})}


def _problem(line: Line, form: Form, reading: Reading) -> tuple[int, str, str] | None:
    """Line, reason and text of what cannot be read."""
    cells = split(line.text, form)
    if MARK in line.text:
        return line.number, f"bytes that are not {reading.encoding}", line.text.replace(MARK, "")
    if len(cells) != form.width:
        return line.number, f"{len(cells)} columns instead of {form.width}; its sentence is left out", line.text
    if not cells[0]:
        return line.number, "no token before the tag; its sentence is left out", line.text
    return None


def _without_comments(sentence: list[Line], form: Form) -> Iterator[Line]:
    """A ``#`` is a comment before the first token only, and not where it has a tag."""
    begun = False
    for line in sentence:
        cells = split(line.text, form)
        tagged = len(cells) == form.width and (is_tag(cells[-1]) or cells[-1] in BARE)
        begun = begun or tagged or not _COMMENT.match(line.text)
        if begun:
            yield line


def _is_header(cells: list[str]) -> bool:
    return len(cells) > 1 and cells[0].lower() in HEADERS and not is_tag(cells[-1])


def _blank_between(lines: list[str]) -> bool:
    """Whether a blank line stands among the others; a short file may be one sentence."""
    return len(lines) < 100 or any(not line.strip() for line in lines[:-1])
