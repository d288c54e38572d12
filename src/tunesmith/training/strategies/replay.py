"""Old rows among the new ones: experience replay (Robins 1995; Chaudhry et al. 2019)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Feature, Method, Strategy, Task
from tunesmith.training.strategies.protected import lacking, protected_features, protected_rows


def drawn(total: int, new: int, share: float, seed: int) -> list[int]:
    """Which of ``total`` old features go among ``new`` ones so that they are ``share`` of all; repeated if need be.

    >>> len(drawn(100, 90, 0.1, 13)), sorted(set(drawn(2, 90, 0.1, 13)))
    (10, [0, 1])
    """
    import numpy as np

    wanted = round(new * share / (1 - share))
    random = np.random.default_rng(seed)
    rounds = [random.permutation(total) for _ in range(-(-wanted // total))]
    return [int(i) for i in np.concatenate(rounds)[:wanted]] if rounds else []


class Replay(Strategy):
    """Protected rows are trained on beside the new ones.

    Args:
        path: their file.
        rows: instead of a file.
        share: of all that is trained on.
        columns: role -> column of the file; others are guessed.
    """

    name: ClassVar[str] = "replay"
    summary: ClassVar[str] = "old rows among the new ones (Chaudhry et al. 2019)"
    protects: ClassVar[bool] = True

    def __init__(
        self,
        path: str = "",
        rows: list[dict[str, Any]] | None = None,
        share: Annotated[float, Field(gt=0, lt=1)] = 0.3,
        columns: dict[str, str] | None = None,
    ) -> None:
        self.path = path
        self.rows = rows
        self.share = share
        self.columns = columns or {}
        self._old: list[Feature] = []
        self._seed = 0

    def fits(self, task: Task, method: Method) -> str | None:
        """With rows to protect."""
        return lacking(task, self.path, self.rows)

    def prepare(self, run: Any) -> None:
        """Read and encode them."""
        rows = protected_rows(run.task, self.path, self.rows, self.columns, self.name)
        self._old = protected_features(run, rows)
        self._seed = run.seed

    def data(self, features: list[Feature]) -> list[Feature]:
        """The new ones, and as many old ones as make up the share."""
        return features + [self._old[i] for i in drawn(len(self._old), len(features), self.share, self._seed)]
