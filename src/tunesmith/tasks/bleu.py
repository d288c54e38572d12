"""What BLEU and chrF count of each row, by sacreBLEU: sums of these over rows give the figure of any set of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.extras import need
from tunesmith.tasks.languages import code_of

TOKENIZERS = {"zh": "zh", "ja": "char", "th": "char"}
"""Language -> sacreBLEU's tokenizer, where words are not divided by spaces; for all others 13a, as in WMT."""


def bleu_statistics(
    texts: Sequence[str], references: Sequence[Sequence[str]], language: str | None
) -> NDArray[np.int64]:
    """For each row: the text's length, the reference's, shared n-grams (1 to 4), the text's n-grams: [rows, 10].

    Args:
        language: a code, a tag or a name: see ``languages``.
    """
    metric: Any = _sacrebleu().BLEU(tokenize=TOKENIZERS.get(code_of(language or "") or "", "13a"), force=True)
    found = metric._extract_corpus_statistics(list(texts), _by_column(references))
    return np.asarray(found, dtype=np.int64).reshape(len(texts), 10)


def chrf_statistics(texts: Sequence[str], references: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """For each row and n from 1 to 6: the text's n-grams of characters, the reference's, those in both: [rows, 18]."""
    metric: Any = _sacrebleu().CHRF()
    found = metric._extract_corpus_statistics(list(texts), _by_column(references))
    return np.asarray(found, dtype=np.int64).reshape(len(texts), 18)


def _sacrebleu() -> Any:
    need("sacrebleu", extra="seq2seq", purpose="BLEU and chrF")
    from sacrebleu import metrics

    return metrics


def _by_column(references: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """Row by row -> column by column; a row of fewer references has None there."""
    most = max(map(len, references), default=0)
    return [[row[i] if i < len(row) else None for row in references] for i in range(most)]
