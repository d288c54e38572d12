"""Whether the quotes of a delimited file enclose its cells, or are signs of its texts: a stray one swallows rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

LONGEST = 4 * 2**20
"""Bytes of a line after which no further one is looked at."""
FIELDS = ("\t", "|", "\x01")
"""Delimiters that hardly stand in a text: two lines in one cell that are whole rows each are rows, and no cell."""
ROWS_IN_CELL = 4
"""Of other delimiters, so many lines that are whole rows each are no cell."""
ENOUGH = 2000
"""Lines that speak for quotes after which the rest of the file is not looked at."""


def quotes_are_text(blocks: Iterable[bytes], delimiter: str, *, escape: bool = False, whole: bool = True) -> bool:
    r"""Whether a file is better read with quotes as signs like any other.

    Lines that quotes break under one reading are weighed against those that they break under the other: quoted, a cell
    may never close, close before something else than a delimiter, or hold lines that are whole rows each; plain, a line
    may have other cells than the first one. Lines without a quote at a cell's start are the same in both.

    >>> quotes_are_text([b'en\tde\n"Go!\tGeh!\n"Come!\tKomm!\n'], "\t")
    True
    >>> quotes_are_text([b'text,label\n"Fine,\nso far",good\n'], ",")
    False

    Args:
        blocks: the file's bytes in UTF-8, cut anywhere.
        delimiter: between cells.
        escape: quotes inside cells are written ``\"``.
        whole: whether the blocks are all of the file.
    """
    mark = delimiter.encode()
    weighed = _Weighed(mark, delimiter in FIELDS, escape)
    for block in _whole_lines(blocks, whole):
        if weighed.passes(block):
            continue
        for line in block.split(b"\n"):
            if weighed.inside or b'"' in line or not weighed.cells:
                weighed.add(line[:-1] if line.endswith(b"\r") else line)
            else:
                weighed.lines += 1
        if weighed.cells == 1 or weighed.enclosed():
            return False
    weighed.end(whole)
    return not weighed.enclosed(last=True)


class _Weighed:
    """Lines broken under both readings, and where a quoted cell began that is still open."""

    def __init__(self, mark: bytes, fields: bool, escape: bool) -> None:
        self.mark, self.fields, self.escape = mark, fields, escape
        self.cells = 0
        """Of the first line."""
        self.lines = self.closed = 0
        self.plain = self.quoted = self.doubled = 0
        self.inside = 0
        """Lines of the open cell."""
        self.rows = True
        """Whether all of these are whole rows."""

    def passes(self, block: bytes) -> bool:
        """Whether no quote stands at a cell's start in a block; then its lines need no look, and are counted."""
        at_start = b'"' in block and (block[:1] == b'"' or b'\n"' in block or self.mark + b'"' in block)
        if at_start or self.inside or not self.cells:
            return False
        self.lines += block.count(b"\n") + 1
        return True

    def add(self, line: bytes) -> None:
        self.lines += 1
        if not self.cells and line:
            self.cells = line.count(self.mark) + 1
        opens = line.startswith(b'"') or self.mark + b'"' in line
        if not self.inside and not opens:
            return
        fits = line.count(self.mark) == self.cells - 1
        self.plain += bool(line) and not fits
        before = self.inside
        if before:
            self.inside += 1
            self.rows &= fits
            if b'"' not in line:
                return
        self._follow(line, bool(before), fits)

    def end(self, whole: bool) -> None:
        """Weigh a cell that is open at the end."""
        if self.inside and (whole or self.rows and self.inside >= ROWS_IN_CELL):
            self.quoted += self.inside

    def enclosed(self, last: bool = False) -> bool:
        """Whether quotes enclose cells: before the end, only where that is beyond doubt."""
        against, most = 3 * self.plain + self.doubled, self.closed > 0.5 * self.lines
        if last:
            return most or self.quoted <= against
        return (most or self.quoted < 0.5 * against) and min(self.closed, self.lines) > ENOUGH

    def _follow(self, line: bytes, inside: bool, fits: bool) -> None:
        """Walk over a line cell by cell, from within an open one or from its start."""
        at, strange, closed, doubled, crossing = 0, False, False, 0, inside
        while True:
            if not inside:
                if line[at : at + 1] != b'"':
                    at = line.find(self.mark, at) + len(self.mark)
                    if at < len(self.mark):
                        break
                    continue
                inside, at = True, at + 1
            end = line.find(b'"', at)
            if end < 0:
                break
            if self.escape and line[end - 1 : end] == b"\\":
                at = end + 1
                continue
            if line[end + 1 : end + 2] == b'"':
                doubled, at = doubled + 1, end + 2
                continue
            inside, at = False, end + 1
            wrong = at < len(line) and not line.startswith(self.mark, at)
            closed |= not wrong
            if crossing:
                least = 2 if self.fields else ROWS_IN_CELL
                self.quoted += self.inside if wrong or self.rows and self.inside >= least else 0
                self.inside, crossing = 0, False
            else:
                strange |= wrong
            at = line.find(self.mark, at) + len(self.mark)
            if at < len(self.mark):
                break
        self.doubled += doubled
        self.quoted += strange
        self.closed += closed and not strange
        if inside and not crossing:
            self.inside, self.rows = 1, fits


def _whole_lines(blocks: Iterable[bytes], whole: bool) -> Iterator[bytes]:
    """Blocks that end where a line ends, its end left out; a line that is far too long ends them."""
    rest = b""
    for block in blocks:
        head, found, tail = block.rpartition(b"\n")
        if found:
            yield rest + head
            rest = tail
        else:
            rest += block
        if len(rest) > LONGEST:
            return
    if whole and rest:
        yield rest
