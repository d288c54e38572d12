"""What a format is: rows by role written as files, with what it could not hold counted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

Row = Mapping[str, Any]
"""By role: ``text`` with ``spans``, ``relations``, ``words``, ``label`` or ``labels``; or ``question``, ``context`` and
``answers``; or ``messages``, ``rejected`` and ``desirable``. Beside these ``id``, ``title`` and ``document`` where the
file had them, and ``extra``: its other cells."""


@dataclass
class Writing:
    """What is learned while writing."""

    entries: int = 0
    """Sentences, documents, questions ... that were written."""
    left: Counter[str] = field(default_factory=Counter)
    """What the format does not hold, in words -> how often."""
    beside: list[Path] = field(default_factory=list)
    """Other files that were written."""


class Format(ABC):
    """A file format. Its constructor's keyword arguments are its options."""

    name: ClassVar[str]
    summary: ClassVar[str]
    needs: ClassVar[tuple[tuple[str, ...], ...]]
    """Roles that rows must have: all of one of these."""
    holds: ClassVar[tuple[str, ...]]
    """Roles of annotations that it holds; others are left out, and counted."""
    folder: ClassVar[bool] = False
    """Whether it is a folder of files."""
    ends: ClassVar[tuple[str, ...]] = ()
    """How the files of its folder end: a folder that holds others is not written over."""

    @abstractmethod
    def write(self, rows: Iterable[Row], path: Path, writing: Writing) -> None:
        """Write all rows.

        Args:
            path: a file that is not there yet, or an empty folder.
            writing: takes what happens.
        """

    def beside(self, path: Path) -> Path | None:
        """Where the file of settings goes that the format's tool wants, if it does."""
        return None


ANNOTATIONS = ("spans", "relations", "label", "labels", "answers", "rejected", "desirable")


def count_left(form: Format, row: Row, writing: Writing) -> None:
    """Count the annotations of a row that a format does not hold."""
    for role in ANNOTATIONS:
        value = row.get(role)
        if role not in form.holds and value not in (None, [], ""):
            writing.left[f"{role} are not held by {form.name}"] += len(value) if isinstance(value, list) else 1
