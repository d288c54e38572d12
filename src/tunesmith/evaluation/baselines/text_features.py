"""TF-IDF features of a text, or of a pair of texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from tunesmith.core.contracts import Row
from tunesmith.core.errors import DataError

UNSPACED = frozenset({"zh", "ja", "th", "lo", "km", "my", "bo", "dz", "yue", "wuu"})
"""Languages written without spaces between words, by ISO 639 code."""

# Thai to Myanmar, Khmer, kana, bopomofo, Han and its extensions.
_UNSPACED_LETTER = re.compile(
    "[\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3100-\u312f\u3400-\u9fff\U00020000-\U0003ffff]"
)
_LETTER = re.compile(r"[^\W\d_]")

ENOUGH_ROWS = 500
"""From this many rows on, an n-gram must stand in two of them."""


def is_unspaced(language: str | None, texts: Iterable[str]) -> bool:
    """Whether words are not set apart by spaces: by the language, else by most letters of the first 200 texts.

    >>> is_unspaced(None, ["房间很干净", "very clean"]), is_unspaced("en", ["房间"])
    (False, False)
    """
    if language and language not in ("auto", "unknown", "und"):
        return language.lower().replace("_", "-").split("-")[0] in UNSPACED
    sample = " ".join(islice(texts, 200))
    return 2 * len(_UNSPACED_LETTER.findall(sample)) > len(_LETTER.findall(sample))


class TextFeatures:
    """Sublinear TF-IDF of word 1-2-grams, or of character 1-3-grams where words are not spaced.

    A pair of texts gives three blocks: either side's n-grams, and those that both sides share.
    """

    def __init__(self, language: str | None) -> None:
        self.language = language
        self.settings: dict[str, Any] = {}
        self._vectorizer: Any = None
        self._pairs = False

    def fit(self, rows: Sequence[Row]) -> Any:
        """Learn the n-grams; sparse float32 [rows, features] of the same rows.

        Raises:
            DataError: no text has a single n-gram.
        """
        texts = _texts(rows, "text")
        self._pairs = any(row.get("text_pair") is not None for row in rows)
        both = texts + _texts(rows, "text_pair") if self._pairs else texts
        orders = [True] if is_unspaced(self.language, both) else [False, True]
        for characters in orders:
            self._vectorizer = _vectorizer(characters, len(rows))
            self.settings = {
                "n_grams": "characters, 1 to 3" if characters else "words, 1 to 2",
                "pairs": self._pairs,
            }
            try:
                if not self._pairs:
                    return self._vectorizer.fit_transform(texts)
                self._vectorizer.fit(both)
                return self.transform(rows)
            except ValueError as error:
                # Texts of single letters or signs have no words in scikit-learn's sense: take characters.
                if "vocabulary" not in str(error) and "no terms remain" not in str(error):
                    raise
        raise DataError("The training texts are empty.", "Choose the text column with data.text=COLUMN.")

    def transform(self, rows: Sequence[Row]) -> Any:
        """Sparse float32 [rows, features]."""
        left = self._vectorizer.transform(_texts(rows, "text"))
        if not self._pairs:
            return left
        from scipy.sparse import hstack

        right = self._vectorizer.transform(_texts(rows, "text_pair"))
        return hstack([left, right, left.multiply(right).sqrt()], format="csr", dtype=np.float32)


def _texts(rows: Sequence[Row], role: str) -> list[str]:
    return ["" if row.get(role) is None else str(row[role]) for row in rows]


def _vectorizer(characters: bool, rows: int) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    shape = {"analyzer": "char", "ngram_range": (1, 3)} if characters else {"ngram_range": (1, 2)}
    return TfidfVectorizer(sublinear_tf=True, min_df=2 if rows >= ENOUGH_ROWS else 1, dtype=np.float32, **shape)
