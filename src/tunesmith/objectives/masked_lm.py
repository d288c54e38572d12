"""Masked language modelling: tokens are hidden, and must be told from what stands around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from tunesmith.core.contracts import Batch, Feature, Runtime
from tunesmith.core.errors import ModelError
from tunesmith.data.batches import Drawn
from tunesmith.objectives.masking import IGNORED, chosen, masked, units
from tunesmith.objectives.objective import PROBED, Objective, Scores, at_labels
from tunesmith.objectives.packing import Around
from tunesmith.objectives.shelf import Shelf
from tunesmith.objectives.token_rows import TokenRows, read_by, right_padded, special_ids

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


class MaskedLM(Objective):
    """Hidden tokens (Devlin et al. 2019), whole words (Cui et al. 2021 for Chinese) or spans (Joshi et al. 2020).

    Words of languages without spaces are found in the corpus itself.

    Args:
        ratio: share of tokens that is asked about.
        unit: what is hidden together: "token", "word", or "span", several words beside each other.
        kept: share of what is asked about that stays as it is.
        random: share of it that is replaced by random tokens.
    """

    name: ClassVar[str] = "masked-lm"
    summary: ClassVar[str] = "hidden tokens, whole words or spans, told from what stands around them"
    auto_model: ClassVar[str] = "AutoModelForMaskedLM"
    pipeline_tag: ClassVar[str] = "fill-mask"
    tied: ClassVar[bool] = True
    packs: ClassVar[bool] = True

    def __init__(
        self,
        ratio: Annotated[float, Field(gt=0, lt=1)] = 0.15,
        unit: Literal["token", "word", "span"] = "word",
        kept: Annotated[float, Field(ge=0, le=1)] = 0.1,
        random: Annotated[float, Field(ge=0, le=1)] = 0.1,
    ) -> None:
        super().__init__()
        self.ratio, self.unit, self.kept, self.random = ratio, unit, kept, random
        self._words = np.zeros(0, dtype=np.int64)

    def prepare(self, shelf: Shelf, processor: Any) -> None:
        """Random tokens are drawn from those of the corpus."""
        self._words = np.setdiff1d(shelf.used, np.asarray(special_ids(processor)))

    def drawn(self, shelf: Shelf, processor: Any, *, max_length: int, seed: int, packed: bool = True) -> Drawn:
        """Rows of documents.

        Raises:
            ModelError: the tokenizer has no token that hides.
        """
        if processor.mask_token_id is None:
            raise ModelError(
                "The model's tokenizer has no mask token, so nothing can be hidden.",
                "Take objective=causal-lm or objective=denoising for a model that writes.",
            )
        packed = packed and self._positions
        around, special = Around.of(processor), special_ids(processor)
        return TokenRows(shelf, around, max_length=max_length, seed=seed, packed=packed, special=special)

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """``input_ids`` with some hidden, how they are attended to, ``labels`` (-100 where nothing is asked)."""
        hidden = [self._hidden(feature, processor) for feature in features]
        batch = read_by(
            features, [ids for ids, _ in hidden], processor,
            first_position=self._first_position, positions=self._positions,
        )  # fmt: skip
        return {**batch, "labels": right_padded([labels for _, labels in hidden], IGNORED)}

    def _hidden(self, feature: Feature, processor: Any) -> tuple[np.ndarray, np.ndarray]:
        ids, draw = feature["input_ids"].astype(np.int64), np.random.default_rng(feature["draw"])
        starts = np.ones(len(ids), dtype=bool) if self.unit == "token" else feature["starts"]
        runs = chosen(units(starts, feature["open"]), self.ratio, self.unit == "span", draw)
        words = self._words if len(self._words) else ids[feature["open"]]
        mask = int(processor.mask_token_id)
        if feature["draw"][0] == PROBED:  # what is measured is all hidden, whatever the corpus
            return masked(ids, runs, mask=mask, words=words, draw=draw, kept=0.0, random=0.0)
        return masked(ids, runs, mask=mask, words=words, draw=draw, kept=self.kept, random=self.random)

    def forward(self, model: Any, batch: Batch) -> Any:
        """The last states; the head reads only the places that are asked about."""
        from tunesmith.models.masked_head import last_states, masked_head

        inputs = {key: value for key, value in batch.items() if key != "labels"}
        return model(**inputs) if masked_head(model) is None else last_states(model, inputs)

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Cross-entropy at the places that are asked about."""
        from torch.nn.functional import cross_entropy

        from tunesmith.models.answer_loss import mean_loss
        from tunesmith.models.masked_head import States
        from tunesmith.models.tied_output import output_of

        places = batch["labels"] != IGNORED
        tokens = batch["labels"][places]
        if not isinstance(outputs, States):
            if not len(tokens):
                nothing: torch.Tensor = outputs.logits.sum() * 0.0  # texts of unknown characters
                return nothing
            return cross_entropy(outputs.logits[places].float(), tokens)
        weight, bias, tokens = output_of(outputs.model, tokens)
        return mean_loss(outputs.at(places), weight, bias, tokens, outputs.precision)

    def scores(self, outputs: Any, batch: Batch) -> Scores:
        """Each hidden token's own."""
        from tunesmith.models.masked_head import States
        from tunesmith.models.tied_output import output_of, scored

        places = batch["labels"] != IGNORED
        tokens, owner = batch["labels"][places], places.nonzero()[:, 0]
        if isinstance(outputs, States):
            weight, bias, tokens = output_of(outputs.model, tokens)
            return Scores(owner, *scored(outputs.at(places), weight, bias, tokens))
        logits = outputs.logits[places].float()
        own = logits.log_softmax(-1).gather(-1, tokens[:, None])[:, 0]
        return Scores(owner, own, logits.argmax(-1) == tokens)

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """[asked, 2] a feature: log-probability, and whether it was the likeliest."""
        inputs = {key: value for key, value in batch.items() if key != "labels"}
        logits = runtime.forward(inputs)["logits"]
        return [at_labels(one, labels) for one, labels in zip(logits, batch["labels"], strict=True)]
