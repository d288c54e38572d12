"""Characters that a tokenizer cannot give back, added to it, so that a model can learn to read and write them.

T5's vocabulary has not one Chinese character, and makes a full-width comma a plain one. A character that it loses
becomes a token of its own, whose embeddings are learned from the training rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LEAST = 2
"""Times that a character must stand in the training rows to be learned."""
MOST = 8000
"""Characters that are added at most, the commonest first."""


def counted(texts: Iterable[str]) -> Counter[str]:
    """How often each character stands in texts; blanks apart, and ASCII, which every tokenizer knows.

    >>> counted(["a 好", "好，"])
    Counter({'好': 2, '，': 1})
    """
    every = chain.from_iterable(text for text in texts if not text.isascii())
    return Counter(char for char in every if not char.isascii() and not char.isspace())


def lost(counts: Counter[str], processor: Any) -> list[str]:
    """Of the characters, those that the tokenizer does not give back as they are, the commonest first."""
    common = [char for char, count in counts.most_common() if count >= LEAST]
    if not common:
        return []
    found = processor(common, add_special_tokens=False)["input_ids"]
    pairs = zip(common, found, strict=True)
    return [char for char, ids in pairs if processor.decode(ids, skip_special_tokens=False).strip() != char][:MOST]


def with_characters(processor: PreTrainedTokenizerBase, characters: list[str]) -> PreTrainedTokenizerBase:
    """The tokenizer with a token for each character, which is found before anything is normalised."""
    from tokenizers import AddedToken

    processor.add_tokens([AddedToken(char, normalized=False, special=False) for char in characters])
    return processor


def make_room(model: PreTrainedModel, tokens: int) -> None:
    """Give the model embeddings for so many tokens, where it has less.

    New rows are near the mean of the old ones: likelier and unlikelier tokens are then a matter of learning alone
    (Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language Models").
    """
    import torch

    grown: Any = model
    before = grown.get_input_embeddings().num_embeddings
    if before >= tokens:
        return
    grown.resize_token_embeddings(tokens, mean_resizing=False)
    layers = {id(one): one for one in (grown.get_input_embeddings(), grown.get_output_embeddings())}
    with torch.no_grad():
        for layer in layers.values():
            old, new = layer.weight[:before], layer.weight[before:]
            new.copy_(old.mean(0) + 0.1 * old.std(0) * torch.randn_like(new))
