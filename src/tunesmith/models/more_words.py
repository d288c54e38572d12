"""Words of a corpus as tokens of their own, their embeddings begun from the pieces that they were cut into."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from tunesmith.data.words_in_text import UNSPACED

_WORD = re.compile(rf"[^\W\d_{UNSPACED}]{{3,}}")
_RUN = re.compile(f"[{UNSPACED}]")
_LEAD = "x"
"""Stands before a word when it is cut: a tokenizer that counts the space to the word does so only there."""


def added_words(
    processor: Any, texts: Iterable[str], known: frozenset[str], *, most: int, least: int
) -> dict[str, list[int]]:
    """Put the words into the tokenizer that save the most tokens, and give each with the pieces that it was before.

    Args:
        known: words of languages without spaces.
        most: words that are added at most.
        least: times that one stands in the texts.
    """
    from tokenizers import AddedToken

    from tunesmith.data.han_words import word_starts

    counts: Counter[str] = Counter()
    folded = _folding(processor)
    for text in texts:
        counts.update(folded(match[0]) for match in _WORD.finditer(text))
        if known:
            starts = word_starts(text, known)
            for start in starts:
                word = next((text[start : start + n] for n in (4, 3, 2) if text[start : start + n] in known), "")
                if word:
                    counts[word] += 1
    often = [word for word, count in counts.items() if count >= least]
    pieces = dict(zip(often, _cut(processor, often), strict=True))
    vocabulary = processor.get_vocab()
    saved = {word: (len(ids) - 1) * counts[word] for word, ids in pieces.items() if len(ids) > 1}
    chosen = sorted((word for word in saved if word not in vocabulary), key=lambda word: (-saved[word], word))

    def tokens(words: Sequence[str], along: bool) -> list[AddedToken]:
        """Words as tokens; with ``along``, those between spaces take the one before them along."""
        spaced = [not _RUN.search(word) for word in words]
        return [
            AddedToken(word, single_word=one, lstrip=one and along, normalized=one)
            for word, one in zip(words, spaced, strict=True)
        ]

    # Whether a word saves tokens where it stands, its neighbours' too, and is written with its space again, is tried:
    # tokenizers differ in what they put before a stretch that follows an added token, and in what they give back.
    chosen = chosen[: 2 * most]
    before, wanted, ways = _sizes(processor, chosen), _written(processor, chosen), {}
    for along in (True, False):
        tried = deepcopy(processor)
        tried.add_tokens(tokens(chosen, along))
        looked = zip(chosen, before, _sizes(tried, chosen), wanted, _written(tried, chosen), strict=True)
        ways[along] = [word for word, was, now, said, says in looked if now < was and said == says][:most]
    along = len(ways[True]) >= len(ways[False])
    kept = ways[along]
    processor.add_tokens(tokens(kept, along))
    return {word: list(pieces[word]) for word in kept}


def _folding(processor: Any) -> Callable[[str], str]:
    """A word as the tokenizer's normaliser leaves it, so that spellings which it takes for one are counted as one."""
    normaliser = getattr(getattr(processor, "backend_tokenizer", None), "normalizer", None)
    if normaliser is None:
        return lambda word: word

    def folded(word: str) -> str:
        found = str(normaliser.normalize_str(word))
        return found if found.isalpha() else word  # some put a mark of the space before it

    return folded


def _cut(processor: Any, words: Sequence[str]) -> list[list[int]]:
    """Pieces of each word as it stands in a text: behind a space, where its language has some."""
    lead = len(processor(_LEAD, add_special_tokens=False)["input_ids"])
    return [ids[lead:] for ids in _ids(processor, words, "{lead}{gap}{word}")]


def _sizes(processor: Any, words: Sequence[str]) -> list[int]:
    """Tokens of each word between neighbours: a word, a space, and a comma."""
    return [len(ids) for ids in _ids(processor, words, "{lead}{gap}{word}{gap}{lead}, {word}, {lead}")]


def _written(processor: Any, words: Sequence[str]) -> list[str]:
    """Each word between two others, cut and written again."""
    return [str(processor.decode(ids)) for ids in _ids(processor, words, "{lead}{gap}{word}{gap}{lead}")]


def _ids(processor: Any, words: Sequence[str], form: str) -> list[list[int]]:
    """Tokens of each word in a text of this form; ``gap`` is a space, where the word's language has some."""
    texts = [form.format(lead=_LEAD, gap="" if _RUN.search(word) else " ", word=word) for word in words]
    return [list(ids) for ids in processor(texts, add_special_tokens=False)["input_ids"]] if texts else []


def with_rows(model: Any, processor: Any, added: Mapping[str, list[int]]) -> None:
    """Rows for new tokens in the tables of embeddings, each the mean of its pieces' rows; so of the output layer.

    Args:
        processor: the tokenizer that has them; what else was added to it (marks of spans) may stand behind them.
    """
    import torch

    size, ids = len(processor), processor.get_vocab()
    if size > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(size, mean_resizing=False)
    tables = [model.get_input_embeddings().weight]
    outputs = model.get_output_embeddings()
    if outputs is not None and outputs.weight is not tables[0]:
        tables.append(outputs.weight)
    with torch.no_grad():
        for word, pieces in added.items():
            for table in tables:
                table[ids[word]] = table[pieces].mean(dim=0)
