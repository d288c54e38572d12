"""Denoising for models with a decoder: a text is spoiled, and written anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from tunesmith.core.contracts import Batch, Feature
from tunesmith.core.errors import ModelError
from tunesmith.data.batches import Drawn
from tunesmith.objectives.masking import IGNORED
from tunesmith.objectives.packing import Around
from tunesmith.objectives.shelf import Shelf
from tunesmith.objectives.token_rows import TokenRows, read_by, right_padded, special_ids
from tunesmith.objectives.written import Written

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

SENTINELS = 64
"""Marks of spans that a tokenizer gets where it has none."""
SENTINEL = "<extra_id_{}>"


class Denoising(Written):
    """Spans, holes or gaps of a text, restored by a decoder.

    Args:
        noise: "spans": spans are replaced by a mark each, and written after their marks (T5, Raffel et al. 2020,
            3.1.4); "infilling": spans of 3 tokens on the mean, some empty, are replaced by one mask each, and the whole
            text is written (BART, Lewis et al. 2020, 2.2); "deletion": tokens are taken out, and the whole text is
            written; "mixed": each text by one of the three.
        ratio: share of tokens that is spoiled.
        span: tokens of a span, on the mean.
    """

    name: ClassVar[str] = "denoising"
    summary: ClassVar[str] = "a spoiled text written anew: spans as T5, infilling and deletion as BART"
    auto_model: ClassVar[str] = "AutoModelForSeq2SeqLM"
    pipeline_tag: ClassVar[str] = "text2text-generation"
    writes: ClassVar[str] = "seq2seq"
    batch_size: ClassVar[int] = 8

    def __init__(
        self,
        noise: Literal["spans", "infilling", "deletion", "mixed"] = "spans",
        ratio: Annotated[float, Field(gt=0, lt=1)] = 0.15,
        span: Annotated[float, Field(ge=1)] = 3.0,
    ) -> None:
        super().__init__()
        self.noise, self.ratio, self.span = noise, ratio, span
        self._size = 0

    def adapt(self, processor: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
        """The tokenizer with marks for spans."""
        vocabulary = processor.get_vocab()
        if SENTINEL.format(0) not in vocabulary:
            from tokenizers import AddedToken

            marks = [AddedToken(SENTINEL.format(i), special=True, normalized=False) for i in range(SENTINELS)]
            processor.add_tokens(marks, special_tokens=True)
        self._size = len(processor)
        return processor

    def configure(self, config: PretrainedConfig) -> None:
        """Note what a decoder starts with, and what fills rows."""
        start = getattr(config, "decoder_start_token_id", None)
        padding = config.pad_token_id or 0
        self.state = {**self.state, "start": padding if start is None else int(start), "padding": int(padding)}

    def built(self, model: Any) -> None:
        """Room for the marks.

        Raises:
            ModelError: the model has no decoder beside its encoder.
        """
        if not model.config.is_encoder_decoder:
            raise ModelError("Denoising needs a model with encoder and decoder.", "Take model=flan-t5-small.")
        super().built(model)
        if self._size > model.get_input_embeddings().num_embeddings:
            model.resize_token_embeddings(self._size)

    def drawn(self, shelf: Shelf, processor: Any, *, max_length: int, seed: int, packed: bool = True) -> Drawn:
        """A row for each piece of a document: an encoder-decoder reads one text at a time."""
        around, special = Around.of(processor), special_ids(processor)
        return TokenRows(shelf, around, max_length=max_length, seed=seed, packed=False, special=special)

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """``input_ids`` of spoiled texts; ``decoder_input_ids`` and ``labels`` of what is written."""
        vocabulary: Any = processor.get_vocab()
        marks = [vocabulary[name] for i in range(200) if (name := SENTINEL.format(i)) in vocabulary]
        mask = processor.mask_token_id if processor.mask_token_id is not None else marks[0]
        around = Around.of(processor)
        found = [self._spoiled(feature, marks, int(mask), around) for feature in features]
        labels = right_padded([target for _, target in found], IGNORED)
        known = np.where(labels == IGNORED, self.state.get("padding", 0), labels)
        starts = np.full((len(features), 1), self.state.get("start", 0), dtype=np.int64)
        batch = read_by(features, [ids for ids, _ in found], processor, first_position=0, positions=False)
        return {**batch, "decoder_input_ids": np.concatenate([starts, known[:, :-1]], axis=1), "labels": labels}

    def _spoiled(self, feature: Feature, marks: list[int], mask: int, around: Around) -> tuple[np.ndarray, np.ndarray]:
        whole, draw = feature["input_ids"].astype(np.int64), np.random.default_rng(feature["draw"])
        text = slice(len(around.before), len(whole) - len(around.after))
        ids = whole[feature["open"]] if feature["open"].any() else whole[text]  # a text of unknown characters
        noise = self.noise
        if noise == "mixed":
            noise = ("spans", "infilling", "deletion")[int(draw.integers(3))]
        if noise == "spans":
            seen, target = span_corrupted(ids, marks, self.ratio, self.span, draw)
            target = np.concatenate([target, around.after])
        else:
            rest = np.concatenate([around.before, ids, around.after])
            seen = (
                infilled(ids, mask, self.ratio, self.span, draw)
                if noise == "infilling"
                else thinned(ids, self.ratio, draw)
            )
            target = rest
        return np.concatenate([around.before, seen, around.after]), target


def noise_spans(length: int, ratio: float, span: float, draw: np.random.Generator) -> np.ndarray:
    """Bool [length]: what is spoiled, in spans of ``span`` on the mean, few of them beside each other.

    Random segmentation, as in T5: noise and the rest are each cut into as many parts, at random.
    """
    noisy = min(max(1, round(length * ratio)), max(1, length - 1))
    count = max(1, min(round(noisy / span), length - noisy, noisy))

    def parts(total: int) -> np.ndarray:
        places = np.sort(draw.permutation(total - 1)[: count - 1]) + 1 if total > 1 else np.zeros(0, dtype=np.int64)
        return np.diff(np.concatenate([[0], places, [total]]))

    if length < 2:
        return np.ones(length, dtype=bool)
    spoiled, plain = parts(noisy), parts(length - noisy)
    runs = np.stack([plain, spoiled], axis=1).reshape(-1)
    # Turned by a drawn number of places: else a text begins plain and ends spoiled, and a short one always alike.
    return np.roll(np.repeat(np.arange(len(runs)) % 2 == 1, runs), int(draw.integers(length)))


def span_corrupted(
    ids: np.ndarray, marks: Sequence[int], ratio: float, span: float, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What is read, a mark in the place of each span, and what is written: each mark and its span."""
    spoiled = noise_spans(len(ids), ratio, span, draw)
    first = spoiled & ~np.concatenate([[False], spoiled[:-1]])
    starts = np.flatnonzero(first)
    read: list[np.ndarray] = []
    written: list[np.ndarray] = []
    done = 0
    for number, start in enumerate(starts[: len(marks)].tolist()):
        end = start + int(np.argmin(np.append(spoiled[start:], False)))
        mark = np.asarray([marks[number]], dtype=np.int64)
        read += [ids[done:start], mark]
        written += [mark, ids[start:end]]
        done = end
    return np.concatenate([*read, ids[done:]]), np.concatenate(written)


def infilled(ids: np.ndarray, mask: int, ratio: float, span: float, draw: np.random.Generator) -> np.ndarray:
    """The ids with spans replaced by one mask each; their lengths are Poisson, and a span of none is a mask more."""
    left = max(1, round(len(ids) * ratio))
    made, place = [], 0
    gap = max(1.0, span * (1 - ratio) / ratio)
    while place < len(ids):
        plain = int(draw.geometric(1 / gap))
        made.append(ids[place : place + plain])
        place += plain
        if place < len(ids) and left > 0:
            size = min(int(draw.poisson(span)), left)
            made.append(np.asarray([mask], dtype=np.int64))
            place += size
            left -= max(size, 1)
    return np.concatenate(made)


def thinned(ids: np.ndarray, ratio: float, draw: np.random.Generator) -> np.ndarray:
    """The ids without some of them."""
    kept = draw.random(len(ids)) >= ratio
    return ids[kept] if kept.any() else ids[:1]
