"""Evidence and rows that the tests of this room share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def single_label(n: int = 300, k: int = 4, seed: int = 0, skill: float = 2.0) -> dict[str, np.ndarray]:
    """Answers that are right more often the larger ``skill`` is; the same truth for the same n and k."""
    truth = np.random.default_rng(99).integers(0, k, n)
    logits = np.random.default_rng(seed).normal(size=(n, k))
    logits[np.arange(n), truth] += skill
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    groups = np.random.default_rng(98).integers(-1, 3, n)
    return {"label": truth, "predicted": p.argmax(axis=1), "probabilities": p, "group": groups}


def multi_label(n: int = 300, k: int = 5, seed: int = 0) -> dict[str, np.ndarray]:
    """Each label present in a third of the rows; scores rounded, so that some are equal."""
    generator = np.random.default_rng(seed)
    truth = generator.random((n, k)) < 1 / 3
    p = np.round(np.clip(0.3 * truth + 0.7 * generator.random((n, k)), 0.001, 0.999), 2)
    return {"labels": truth, "predicted_labels": p >= 0.5, "probabilities": p}


def structured(n: int = 300, k: int = 4, seed: int = 0) -> dict[str, np.ndarray]:
    """What tasks of other shapes give: rows right or wrong, counts of each class, ranks, questions answered."""
    draw = np.random.default_rng(seed)
    support = draw.integers(0, 3, (n, k))
    hits = np.minimum(support, draw.integers(0, 3, (n, k)))
    counts = np.concatenate([hits, support, hits + draw.integers(0, 2, (n, k))], axis=1).astype(np.float32)
    hit = draw.random(n) < 0.6
    return {
        "hit": hit,
        "confidence": draw.random(n),
        "class_counts": counts,
        "relation_counts": counts,
        "exact_match": hit.astype(float),
        "answer_f1": np.maximum(hit, draw.random(n)),
        "answerable": draw.random(n) < 0.7,
        "answered": draw.random(n) < 0.7,
        "rank": draw.integers(1, 20, n).astype(float),
    }


def texts(n: int = 300, seed: int = 0) -> dict[str, np.ndarray]:
    """What tasks give whose model writes: texts beside references, likelihoods, programs and preferences."""
    from tunesmith.tasks.text_scores import text_evidence

    draw = np.random.default_rng(seed)
    wanted = [" ".join(draw.choice(list("abcdefghij好很"), 12)) for _ in range(n)]
    wrote = [text[: draw.integers(8, 30)] for text in wanted]
    every = ("bleu", "chrf", "rouge1", "rouge2", "rougeL", "distinct_2")
    drawn = np.full(n, 4)
    return {
        **text_evidence(wrote, [[text] for text in wanted], "en", every),
        "log_likelihood": -draw.random(n) * 9,
        "target_tokens": draw.integers(1, 9, n),
        "drawn": drawn,
        "passed": draw.integers(0, 5, n),
        "k": np.full(n, 2),
        "parses": draw.random(n),
        "obeyed": draw.integers(0, 2, n).astype(float),
        "length_obeyed": draw.integers(0, 2, n).astype(float),
        "preference_loss": draw.random(n),
        "preference_margin": draw.normal(size=n),
        "reward_margin": draw.normal(size=n),
        "reward": draw.random(n),
        "target_hits": draw.integers(0, 2, n),
    }


def lists(n: int = 300, seed: int = 0) -> dict[str, np.ndarray]:
    """What a recommender gives: places of what was taken, and what the lists are like."""
    draw = np.random.default_rng(seed)
    return {
        "rank": draw.integers(1, 40, n),
        "cold": draw.integers(0, 2, n).astype(bool),
        "variety": np.where(draw.random(n) < 0.1, np.nan, draw.random(n)),
        "lift": draw.normal(size=n),
        "listed": draw.integers(-1, 50, (n, 10)),
        "catalogue": np.full(n, 50),
    }


def regression(n: int = 300, seed: int = 0, noise: float = 1.0) -> dict[str, np.ndarray]:
    """Numbers far from 0, predictions rounded, so that some are equal."""
    truth = 1000 + np.random.default_rng(99).normal(size=n) * 3
    return {"value": truth, "predicted_value": np.round(truth + np.random.default_rng(seed).normal(size=n) * noise, 1)}


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """300 rows, a hostile and a Chinese one among them."""
    made: list[dict[str, Any]] = [{"text": f"row number {i}", "label": "a"} for i in range(300)]
    made[0] = {"text": "<script>alert('x')</script> & <img src=x onerror=alert(1)>", "label": "a"}
    made[1] = {"text": "房间很干净，服务也很好", "label": "b"}
    return made
