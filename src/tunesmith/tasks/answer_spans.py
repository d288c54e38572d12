"""From the scores of starts and ends to a span, or to none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Found:
    """The best span of a row's windows; 0, 0 where no token can be one."""

    start: int
    """Character of the context."""
    end: int
    score: float
    """Its probability among all spans of all windows."""
    margin: float
    """How far its score is above that of "none" in the same window."""

    def none_score(self, threshold: float) -> float:
        """How surely there is no answer: 0.5 where the margin is the threshold."""
        distance = float(np.clip(self.margin - threshold, -500, 500))
        return 1 / (1 + math.exp(distance))


def best_in_windows(windows: Sequence[tuple[np.ndarray, np.ndarray]], longest: int, with_none: bool) -> Found:
    """The span with the largest start + end score, of all windows.

    Args:
        windows: scores [length, 2] and the tokens' places [length, 2], -1 where a token is not of the context;
            the scores of the first token are those of "none".
        longest: characters that a span may have.
        with_none: whether "none" takes part in the probabilities.
    """
    best, place, margin, masses = -math.inf, (0, 0), -math.inf, []
    for logits, places in windows:
        inside = np.flatnonzero(places[:, 0] >= 0)
        none = float(logits[0].sum())
        starts, ends = logits[inside, 0].astype(np.float64), logits[inside, 1].astype(np.float64)
        masses += [_log_sum(starts) + _log_sum(ends)] if len(inside) else []
        masses += [none] if with_none else []
        score, i, j = _best_pair(starts, ends, places[inside], longest)
        if score > best:
            best, margin = score, score - none
            place = (int(places[inside[i], 0]), int(places[inside[j], 1]))
    same = [score for window in windows for score in _scores_at(*window, *place)]
    score = math.exp(min(0.0, _log_sum(np.array(same)) - _log_sum(np.array(masses)))) if same else 0.0
    return Found(*place, score, margin)


def _scores_at(logits: np.ndarray, places: np.ndarray, start: int, end: int) -> list[float]:
    """The span's score in a window, if it holds it: windows overlap, and what two of them say is one answer."""
    first, last = np.flatnonzero(places[:, 0] == start), np.flatnonzero(places[:, 1] == end)
    return [float(logits[first, 0].max()) + float(logits[last, 1].max())] if len(first) and len(last) else []


def _best_pair(starts: np.ndarray, ends: np.ndarray, places: np.ndarray, longest: int) -> tuple[float, int, int]:
    """The best (score, first token, last token) of a window; -inf where there is no token."""
    if not len(starts):
        return -math.inf, 0, 0
    lengths = places[None, :, 1] - places[:, None, 0]
    able = np.triu(np.ones_like(lengths, dtype=bool)) & (lengths <= longest) & (lengths > 0)
    np.fill_diagonal(able, True)  # one token is always allowed
    scores = np.where(able, starts[:, None] + ends[None, :], -np.inf)
    i, j = np.unravel_index(int(scores.argmax()), scores.shape)
    return float(scores[i, j]), int(i), int(j)


def best_threshold(margins: np.ndarray, scores: np.ndarray, empty: np.ndarray) -> float:
    """The threshold on the margin with the largest total, as SQuAD 2.0's script finds it (Rajpurkar et al. 2018).

    Args:
        margins: of each row, [n].
        scores: each row's figure if it is answered, [n].
        empty: each row's figure if it is not, [n].

    Returns:
        The middle between the margins of the last row that is not answered and the first that is.
    """
    order = np.argsort(margins, kind="stable")
    sorted_margins = margins[order]
    not_answered = np.concatenate([[0.0], np.cumsum(empty[order])])
    answered = np.concatenate([np.cumsum(scores[order][::-1])[::-1], [0.0]])
    edges = np.concatenate([[sorted_margins[0] - 1], sorted_margins, [sorted_margins[-1] + 1]])
    middles = (edges[:-1] + edges[1:]) / 2
    totals = np.where(np.diff(edges) > 0, not_answered + answered, -np.inf)
    best = np.flatnonzero(totals == totals.max())
    return float(middles[best[np.abs(middles[best]).argmin()]])


def _log_sum(values: np.ndarray) -> float:
    top = float(values.max())
    return top + math.log(float(np.exp(values - top).sum()))
