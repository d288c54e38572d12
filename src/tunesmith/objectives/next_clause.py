"""What happens next: a clause must find the one that follows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from tunesmith.core.contracts import Feature
from tunesmith.data.batches import Drawn
from tunesmith.objectives.objective import Objective
from tunesmith.objectives.packing import Around
from tunesmith.objectives.shelf import Shelf
from tunesmith.objectives.simcse import LONGEST, Sentences, SimCSE, bit_of


class NextClause(SimCSE):
    """A clause and the next, as vectors that find each other among those of other texts.

    Of the kind of quick thoughts (Logeswaran & Lee 2018); with clauses in the place of sentences it is the next event
    of a story or of a report.

    Args:
        unit: what follows each other: "clause" or "sentence".
        temperature: cosines are divided by it.
    """

    name: ClassVar[str] = "next-clause"
    summary: ClassVar[str] = "which clause (or sentence) follows this one, among those of other texts"
    noisy: ClassVar[bool] = False

    def __init__(
        self,
        unit: Literal["clause", "sentence"] = "clause",
        temperature: Annotated[float, Field(gt=0)] = 0.05,
    ) -> None:
        Objective.__init__(self)
        self.unit, self.temperature = unit, temperature

    def drawn(self, shelf: Shelf, processor: Any, *, max_length: int, seed: int, packed: bool = True) -> Drawn:
        """Clauses that have a next one."""
        room = min(LONGEST, max_length)
        return Sentences(shelf, Around.of(processor), bit_of(self.unit), room, seed, followed=True)

    def texts_of(self, features: Sequence[Feature]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Each clause, and its next."""
        return [feature["input_ids"] for feature in features], [feature["next"] for feature in features]
