"""How a file's cells become the rows of a task that reads more than a text and a label."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from tunesmith.data.shapes.direction import UNTOLD, Languages
from tunesmith.data.shapes.samples import Samples
from tunesmith.data.traits import Traits

Cells = Mapping[str, Any]
"""Role -> the cell of a row, or the list of its cells where a role has several columns."""


class RowProblem(Exception):
    """A row cannot be used as it is: why, and the place in it, in words that end without a stop."""


class Shape(ABC):
    """What the rows of one task look like, and how files spell them.

    ``read`` is a pure function of one row's cells: it is asked for training files, for rows to predict, and for
    single requests, so all of them may be spelled in the same ways.
    """

    task: ClassVar[str]
    summary: ClassVar[str]
    roles: ClassVar[tuple[str, ...]]
    """Every role that ``read`` takes: the ones it gives, and other spellings."""
    target: ClassVar[str]
    """The role that is learned, as ``read`` gives it; "" where the rows alone teach."""
    optional: ClassVar[tuple[str, ...]] = ()
    """Roles that a column of that very name plays, whatever columns play the others."""
    doubtful: ClassVar[Mapping[str, str]] = {}
    """Role -> a column's name that says other things, too: it plays the role where something reads that."""
    named_by: ClassVar[str] = ""
    """A role without which a file is not tried against it, where the task is not named."""
    keeps_text: ClassVar[bool] = False
    """True: positions in the text matter, so cleaning must leave it as it is."""

    log: ClassVar[bool] = False
    """True: rows are events of users, divided by user and time; what else a run needs of them stands beside them."""

    remembers: ClassVar[bool] = False
    """True: what the first row settles holds for further files of a run."""
    languages: Languages = UNTOLD
    """Of two sides, where the task says them."""

    @abstractmethod
    def guess(self, found: Mapping[str, Traits], samples: Samples, why: list[str]) -> dict[str, Any]:
        """Role -> column of a file that is of this shape; {} where it is not.

        Args:
            found: column -> what its values look like; columns that the user gave to a role are left out.
            samples: column -> up to 200 of its values that are not empty, as Python objects; of all columns from the
                same rows.
            why: takes a sentence for each role, as in ``'text: "sentence", by its name'``.
        """

    @abstractmethod
    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """The task's rows that one row of a file holds; most hold one.

        Args:
            cells: role -> value as in the file, only roles that have a column; a value may be JSON text where
                the file's format has no lists.
            target: whether what is learned must be there.

        Raises:
            RowProblem: the row is broken: what, where, and the text that it is about.
        """

    def spelled(self, columns: Mapping[str, Any], there: Collection[str]) -> Mapping[str, Any]:
        """Role -> column of a file that may spell its roles otherwise than the training file did.

        Args:
            columns: as the training file has them.
            there: the columns of this file.
        """
        return columns

    def beside(self, folder: Path | None) -> Self:
        """The shape for rows of a file in that folder, where rows name further files."""
        return self

    def over(self, columns: Mapping[str, Callable[[], list[Any]]]) -> Self:
        """The shape for the rows of a file of which whole columns tell more than a cell does.

        Args:
            columns: role -> gives all cells of its column.
        """
        return self

    def names(self, value: Any) -> list[str]:
        """The labels that a target value holds, for counts and for dividing alike; none by default."""
        return []

    def repaired(self) -> dict[str, int]:
        """What ``read`` mended so far, in words -> how often; for the notes of a run."""
        return {}
