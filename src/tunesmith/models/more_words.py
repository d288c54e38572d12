"""Words of a corpus as tokens of their own, their embeddings begun from the pieces that they were cut into."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tunesmith.data.words_in_text import UNSPACED

_WORD = re.compile(rf"[^\W\d_{UNSPACED}]{{3,}}")
_RUN = re.compile(f"[{UNSPACED}]")


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
    for text in texts:
        counts.update(match[0] for match in _WORD.finditer(text))
        if known:
            starts = word_starts(text, known)
            for start in starts:
                word = next((text[start : start + n] for n in (4, 3, 2) if text[start : start + n] in known), "")
                if word:
                    counts[word] += 1
    often = [word for word, count in counts.items() if count >= least]
    pieces = dict(zip(often, processor(often, add_special_tokens=False)["input_ids"], strict=True)) if often else {}
    vocabulary = processor.get_vocab()
    saved = {word: (len(ids) - 1) * counts[word] for word, ids in pieces.items() if len(ids) > 1}
    chosen = sorted((word for word in saved if word not in vocabulary), key=lambda word: (-saved[word], word))[:most]
    spaced = {word: not _RUN.search(word) for word in chosen}
    processor.add_tokens([AddedToken(word, single_word=spaced[word], normalized=spaced[word]) for word in chosen])
    return {word: list(pieces[word]) for word in chosen}


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
