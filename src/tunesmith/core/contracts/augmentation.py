"""More rows from rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence


class Augmentation(ABC):
    """A text written otherwise, meaning the same.

    Args:
        share: rows that are added, as a share of the training rows.
        rate: share of a text's words or characters that are changed, one at least.
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    def __init__(
        self, share: Annotated[float, Field(gt=0, le=10)] = 0.5, rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    ) -> None:
        self.share = share
        self.rate = rate

    def bind(self, open_bundle: Any) -> None:  # noqa: B027 - most need no bundle
        """Before anything else: how bundles are opened that it names, a ``data.augment.back_translation.Open``.

        Raises:
            RecipeError: what it was given does not fit.
        """

    def try_out(self, draw: random.Random) -> None:
        """Raise before anything is loaded what would be raised later: one text is written otherwise."""
        self.rewrite("a good test 很好的测试", draw)

    @abstractmethod
    def rewrite(self, text: str, draw: random.Random) -> str:
        """The text, changed by what ``draw`` draws; as it was where nothing in it can be changed."""

    def rewrite_all(self, texts: Sequence[str], draw: random.Random) -> list[str]:
        """Many texts, in order: for what is quicker at many than at one."""
        return [self.rewrite(text, draw) for text in texts]
