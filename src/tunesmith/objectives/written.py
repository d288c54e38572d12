"""Objectives of models that write: the likelihood of the tokens at the places of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.contracts import Batch, Runtime
from tunesmith.objectives.masking import IGNORED
from tunesmith.objectives.objective import Objective, Scores, at_labels

if TYPE_CHECKING:
    import torch


class Written(Objective):
    """A text is told token by token: by a causal model from what stands before, by a decoder's from another text."""

    @property
    def _ahead(self) -> int:
        """Places between a token's label and the output that tells it: a decoder's inputs are shifted already."""
        return 1 if self.writes == "causal" else 0

    def forward(self, model: Any, batch: Batch) -> Any:
        """The states at the places of labels, where the model is one that allows it."""
        from tunesmith.models.likelihood import answers

        return answers(model, {**batch, "use_cache": False})

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """The mean negative log-likelihood of what is written."""
        from tunesmith.models.likelihood import answer_loss

        return answer_loss(outputs, batch, causal=bool(self._ahead))

    def scores(self, outputs: Any, batch: Batch) -> Scores:
        """Each written token's own."""
        from tunesmith.models.likelihood import Answers
        from tunesmith.models.tied_output import scored

        if isinstance(outputs, Answers):
            head = outputs.head
            return Scores(outputs.rows, *scored(outputs.states.float(), head.weight, head.bias, outputs.tokens))
        labels = batch["labels"][:, self._ahead :]
        places = labels != IGNORED
        logits, tokens = outputs.logits[:, : labels.shape[1]][places].float(), labels[places]
        own = logits.log_softmax(-1).gather(-1, tokens[:, None])[:, 0]
        return Scores(places.nonzero()[:, 0], own, logits.argmax(-1) == tokens)

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """[asked, 2] a feature: log-probability, and whether it was the likeliest."""
        inputs = {key: value for key, value in batch.items() if key != "labels"}
        logits, labels = runtime.forward(inputs)["logits"], batch["labels"][:, self._ahead :]
        return [at_labels(one[: len(own)], own) for one, own in zip(logits, labels, strict=True)]
