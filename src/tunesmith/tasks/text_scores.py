"""Texts beside their references, as the arrays that metrics sum over rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from tunesmith.data.word_runs import runs, words
from tunesmith.tasks.bleu import bleu_statistics, chrf_statistics
from tunesmith.tasks.rouge import rouge

NGRAM = 4
"""Words in a row that count as a repetition when they come again."""


def text_evidence(
    texts: Sequence[str], references: Sequence[Sequence[str]], language: str | None, metrics: Collection[str]
) -> dict[str, np.ndarray]:
    """Evidence of written texts.

    Args:
        references: one or more for each text.
        language: of the references; BLEU counts characters in Chinese.
        metrics: whose arrays are wanted.

    Returns:
        ``written`` and ``expected`` (object, the texts, the first reference); ``written_words`` and
        ``expected_words`` (in Chinese characters), ``repeated`` and ``ngrams`` (4-grams of a text that stood in it
        before, and all of them); as wanted ``rouge1``, ``rouge2``, ``rougeL`` [rows], ``bleu_stats`` [rows, 10],
        ``chrf_stats`` [rows, 18] and ``bigrams`` (object: of each text a tuple).
    """
    split = [words(text) for text in texts]
    grams = [list(runs(one, NGRAM)) for one in split]
    found: dict[str, np.ndarray] = {
        "written": np.array(texts, dtype=object),
        "expected": np.array([some[0] for some in references], dtype=object),
        "written_words": np.array([len(one) for one in split]),
        "expected_words": np.array([np.mean([len(words(text)) for text in some]) for some in references]),
        "repeated": np.array([len(some) - len(set(some)) for some in grams]),
        "ngrams": np.array([len(some) for some in grams]),
    }
    if {"rouge1", "rouge2", "rougeL"} & set(metrics):
        scores = np.array([rouge(text, some) for text, some in zip(texts, references, strict=True)]).reshape(-1, 3)
        found |= dict(zip(("rouge1", "rouge2", "rougeL"), scores.T, strict=True))
    if "bleu" in metrics:
        found["bleu_stats"] = bleu_statistics(texts, references, language)
    if "chrf" in metrics:
        found["chrf_stats"] = chrf_statistics(texts, references)
    if "distinct_2" in metrics:
        found["bigrams"] = np.empty(len(texts), dtype=object)
        found["bigrams"][:] = [tuple(runs(one, 2)) for one in split]
    return found
