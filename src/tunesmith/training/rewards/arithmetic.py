"""Is the number right that an answer ends with?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import ClassVar

from tunesmith.core.contracts import Reward, Row
from tunesmith.core.errors import DataError, RecipeError

NUMBER = re.compile(r"[-+−]?\d[\d,]*(?:\.\d+)?")


def number_in(text: str) -> Decimal | None:
    """The last number of a text; None where there is none.

    >>> number_in("12 + 5 = 17."), number_in("答案是１，２３４"), number_in("−3.50"), number_in("none")
    (Decimal('17'), Decimal('1234'), Decimal('-3.50'), None)
    """
    found = NUMBER.findall(unicodedata.normalize("NFKC", text))
    if not found:
        return None
    try:
        return Decimal(found[-1].replace(",", "").replace("−", "-"))
    except InvalidOperation:
        return None


class Arithmetic(Reward):
    """1 where the number is that of the row's role ``answer``, else 0: it can be checked, so nothing is to be learned
    of what people like.

    Args:
        after: a regular expression; the number is looked for behind its last place, and without it there is none. "":
            the last number of the answer counts.
    """

    name: ClassVar[str] = "arithmetic"
    summary: ClassVar[str] = "1 where the number is right that an answer ends with (role answer)"
    reads = ("answer",)

    def __init__(self, after: str = "") -> None:
        try:
            self._after = re.compile(after)
        except re.error as error:
            raise RecipeError(
                f'The reward "arithmetic" has an "after" that is no regular expression: {after!r} ({error}).',
                "Mend it.",
            ) from error
        self.after = after

    def __call__(self, rows: Sequence[Row], texts: Sequence[str]) -> list[float]:
        """One number a text.

        Raises:
            DataError: a row's answer is no number.
        """
        return [float(self._found(text) == wanted(row)) for row, text in zip(rows, texts, strict=True)]

    def _found(self, text: str) -> Decimal | None:
        if not self.after:
            return number_in(text)
        places = list(self._after.finditer(text))
        if not places:
            return None
        behind = NUMBER.search(unicodedata.normalize("NFKC", text[places[-1].end() :]))
        return number_in(behind[0]) if behind else None


def wanted(row: Row) -> Decimal:
    """The number of the role ``answer``.

    Raises:
        DataError: it is none.
    """
    value = row.get("answer")
    found = None if value is None else number_in(str(value))
    if found is None:
        raise DataError(
            f'The reward "arithmetic" compares with the role "answer", and a row has {value!r:.40} there.',
            "Give each row a number: data.answer=COLUMN",
        )
    return found
