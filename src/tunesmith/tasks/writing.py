"""How a task's model writes, as the recipe says it, and what was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field

from tunesmith.core.contracts import Batch, Decoding, Feature, Prediction, Runtime
from tunesmith.models.decoder.pieces import HALF
from tunesmith.models.decoder.spacing import spacing_of
from tunesmith.tasks.likelihood import Likelihood

LONGEST = 512
"""Tokens that are written at most where neither the recipe nor the training rows say."""
COVERED = 0.98
"""Share of the training targets that is no longer than what may be written, where the recipe does not say."""
Count = Annotated[int, Field(ge=0)]


class WrittenText(BaseModel):
    """What was written, in how many tokens, and why it ended: by itself, or because no more was allowed."""

    text: str
    tokens: int
    finish: Literal["stop", "length"]


class Writing(Likelihood):
    """A task whose predictions are texts that the model writes.

    A subclass encodes rows: ``input_ids`` (the prompt) with ``read`` (what turns written ids into text) and
    ``ends`` (ids that end one); with targets also ``target``, of which what is not -100 is learned.
    ``state["max_new_tokens"]`` is what ``written_length`` found; ``state["ends"]`` may hold those ids, too.

    Args:
        max_new_tokens: written at most; None: as long as nearly all of the training targets are.
        min_new_tokens: written at least.
        beams: 1 is greedy, or sampling where there is a temperature.
        length_penalty: of beams; above 0 favours longer texts.
        temperature: 0 takes the likeliest token.
        top_p: the smallest set of tokens with this probability is drawn from.
        top_k: so many tokens are drawn from; 0: all.
        repetition_penalty: divides the logits of what stands there already.
        no_repeat_ngram: no n-gram of so many tokens is written twice; 0: any may be.
        stop: the text ends before the first of these.
        seed: of the draws.
    """

    metrics: ClassVar[tuple[str, ...]] = ("perplexity",)

    def __init__(
        self,
        max_new_tokens: Annotated[int, Field(ge=1)] | None = None,
        min_new_tokens: Count = 0,
        beams: Annotated[int, Field(ge=1)] = 1,
        length_penalty: float = 1.0,
        temperature: Annotated[float, Field(ge=0)] = 0.0,
        top_p: Annotated[float, Field(gt=0, le=1)] = 1.0,
        top_k: Count = 0,
        repetition_penalty: Annotated[float, Field(gt=0)] = 1.0,
        no_repeat_ngram: Count = 0,
        stop: tuple[str, ...] = (),
        seed: int | None = 13,
    ) -> None:
        self.max_new_tokens = max_new_tokens
        self._decoding = Decoding(
            LONGEST, min_new_tokens, beams, length_penalty, temperature, top_p, top_k, repetition_penalty,
            no_repeat_ngram, tuple(stop), seed,
        )  # fmt: skip
        self.state: dict[str, Any] = {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``learn`` returned."""
        self.state = dict(state)

    @property
    def decoding(self) -> Decoding:
        """How it writes, every value decided."""
        longest = self.max_new_tokens or int(self.state.get("max_new_tokens", LONGEST))
        return replace(self._decoding, max_new_tokens=longest, ends=tuple(self.state.get("ends", ())))

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """The ids written after each prompt."""
        asked = {key: batch[key] for key in ("input_ids", "attention_mask")}
        return runtime.generate(asked, self.decoding)

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """Texts, cut before the first of the strings to stop at."""
        return [self._text(ids, feature) for ids, feature in zip(outputs, features, strict=True)]

    def _text(self, ids: np.ndarray, feature: Feature) -> Prediction:
        decoding = self.decoding
        # As ``Pieces`` does while it is written: blanks at the beginning stop nothing, those at the end may.
        text, stopped = before_stop(str(feature["read"](ids)).lstrip(), decoding.stop)
        text = text.rstrip()
        ended = stopped or (len(ids) > 0 and int(ids[-1]) in feature["ends"])
        return {"text": text, "tokens": len(ids), "finish": "stop" if ended else "length"}

    def response_model(self) -> type[BaseModel]:
        """The text, its tokens, and why it ended."""
        return WrittenText


def before_stop(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text before the first of ``stops``, and whether one was there.

    >>> before_stop("one. two", (".", "o."))
    ('one', True)
    """
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def written_length(tokens: Sequence[int]) -> int:
    """Tokens that may be written, where training targets have these: enough for nearly all, in steps of 16.

    >>> written_length([5, 9, 30])
    48
    """
    if not len(tokens):
        return LONGEST
    most = int(np.quantile(np.asarray(tokens), COVERED, method="higher"))
    return min(LONGEST, (most // 16 + 2) * 16)


class Reader:
    """Ids -> text, without special tokens."""

    def __init__(self, processor: Any) -> None:
        self.processor, self._spacing = processor, spacing_of(processor)

    def __call__(self, ids: Sequence[int] | np.ndarray) -> str:
        """The text of ids, without half a character where the last token broke it off."""
        text: str = self.processor.decode([int(i) for i in ids], skip_special_tokens=True)
        return self._spacing(text.rstrip(HALF))
