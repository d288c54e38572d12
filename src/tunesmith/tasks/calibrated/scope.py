"""Is a text one of those that the model was made for? By its words, and by its logits, without another model.

Two scores of a row are held against those of validation rows: how surprising its tokens are under the frequencies of
the training rows, and its energy, the log of the sum of its exponentiated logits (Liu et al. 2020). Each gives the
share of validation rows that are as odd; Fisher's sum of logarithms puts the two together.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNIT = 0.1
"""Nats of one step of a token's surprise: a byte holds up to 25.5."""
POINTS = 401
"""Quantiles that are kept of a score."""
Ids = Sequence[NDArray[Any]]
"""A row's windows: the ids of each."""


@dataclass(frozen=True)
class Usual:
    """How surprising each token is.

    Args:
        table: [tokens] uint8, in steps of ``UNIT``; what is beyond it was never seen.
        unseen: of such a token, in nats.
        mean: of a token of the training rows, in nats.
        spread: their standard deviation.
    """

    table: NDArray[np.uint8]
    unseen: float
    mean: float
    spread: float

    def odd(self, ids: Ids) -> float:
        """How far a row's tokens are from usual ones, in standard errors; each token counts once."""
        own = np.unique(np.concatenate(ids)) if len(ids) > 1 else np.unique(ids[0])
        known = own[own < len(self.table)]
        nats = float(self.table[known].sum()) * UNIT + self.unseen * (len(own) - len(known))
        return (nats - self.mean * len(own)) / (self.spread * math.sqrt(max(1, len(own))))

    def to_json(self) -> dict[str, Any]:
        """JSON values; the table is packed."""
        packed = base64.b85encode(zlib.compress(self.table.tobytes(), 9)).decode("ascii")
        return {"table": packed, "unseen": self.unseen, "mean": self.mean, "spread": self.spread}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Usual:
        """Take back what ``to_json`` gave."""
        table = np.frombuffer(zlib.decompress(base64.b85decode(values["table"])), dtype=np.uint8)
        return cls(table, float(values["unseen"]), float(values["mean"]), float(values["spread"]))


def fit_usual(rows: Iterable[Ids]) -> Usual:
    """Learn it of rows' tokens; in how many rows a token stands is what counts."""
    seen = [np.unique(np.concatenate(list(ids))) for ids in rows]
    every = np.concatenate(seen).astype(np.int64)
    counts = np.bincount(every)
    unseen = math.log(len(seen) + 2)
    nats = np.where(counts > 0, math.log(len(seen) + 2) - np.log(counts + 0.5), unseen)
    table = np.clip(np.rint(nats / UNIT), 0, 255).astype(np.uint8)
    own = table[every].astype(np.float64) * UNIT
    return Usual(table, unseen, float(own.mean()), max(1e-3, float(own.std())))


def energy(logits: NDArray[Any]) -> float:
    """Of a row: low where no class draws it."""
    top = float(logits.max())
    return top + math.log(float(np.exp(np.asarray(logits, np.float64) - top).sum()))


@dataclass(frozen=True)
class Scope:
    """What rows of its own look like.

    Args:
        usual: of tokens.
        odd: quantiles of validation rows' oddness, rising.
        energies: the same of their energy.
        limit: of ``strange``; a row beyond it is out of scope.
    """

    usual: Usual
    odd: NDArray[np.float64]
    energies: NDArray[np.float64]
    limit: float = math.inf
    least: float = field(default=1e-3)
    """The smallest share that the validation rows can tell of."""

    def strange(self, logits: NDArray[Any], ids: Ids) -> float:
        """Minus the sum of the two logarithms; the higher, the stranger."""
        words = 1 - _rank(self.odd, self.usual.odd(ids))
        drawn = _rank(self.energies, energy(logits))
        return -(math.log(max(words, self.least)) + math.log(max(drawn, self.least)))

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "usual": self.usual.to_json(),
            "odd": [round(v, 6) for v in self.odd.tolist()],
            "energies": [round(v, 6) for v in self.energies.tolist()],
            "limit": self.limit,
            "least": self.least,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Scope:
        """Take back what ``to_json`` gave."""
        odd, energies = (np.asarray(values[name], dtype=np.float64) for name in ("odd", "energies"))
        return cls(Usual.from_json(values["usual"]), odd, energies, float(values["limit"]), float(values["least"]))


def fit_scope(
    trained: Iterable[Ids], logits: NDArray[Any], ids: Sequence[Ids], outside: float
) -> tuple[Scope, NDArray[np.float64]]:
    """Learn it of the tokens of training rows, and of logits [rows, classes] and tokens of validation rows.

    Args:
        outside: share of rows like these that may be called out of scope.

    Returns:
        The scope, and how strange each validation row is.
    """
    usual = fit_usual(trained)
    at = np.linspace(0, 1, min(POINTS, len(ids)))
    odd = np.asarray(np.quantile([usual.odd(one) for one in ids], at), dtype=np.float64)
    energies = np.asarray(np.quantile([energy(one) for one in logits], at), dtype=np.float64)
    open_end = Scope(usual, odd, energies, math.inf, 1 / (len(ids) + 1))
    strange = np.array([open_end.strange(one, own) for one, own in zip(logits, ids, strict=True)])
    kept = min(len(ids), math.ceil((len(ids) + 1) * (1 - outside)))
    return Scope(usual, odd, energies, float(np.sort(strange)[kept - 1]), open_end.least), strange


def _rank(quantiles: NDArray[np.float64], value: float) -> float:
    """Share of the rows below a value, smooth between quantiles."""
    if quantiles[0] == quantiles[-1]:
        return float(value > quantiles[0])
    return float(np.interp(value, quantiles, np.linspace(0, 1, len(quantiles))))
