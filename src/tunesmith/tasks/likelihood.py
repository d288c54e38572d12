"""What tasks whose model writes share: a loss over the target's tokens, and how likely targets are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tunesmith.core.contracts import Batch, Evidence, Feature, Prediction, PredictorLike, Row, Task
from tunesmith.tasks.preferred import preferences

if TYPE_CHECKING:
    import torch


class Likelihood(Task):
    """Learns by the likelihood of targets, and is chosen by it; whole answers are written to measure.

    A feature's target tokens are ``labels`` of the batch, -100 where there is none. An encoder-decoder's labels stand
    where their logits are; a causal model's one place further.
    """

    causal: ClassVar[bool] = False
    pooled: ClassVar[bool] = False
    together: ClassVar[int | None] = 16384

    @property
    def choosing(self) -> tuple[str, ...]:
        """The perplexity: writing whole answers at each evaluation would take longer than training."""
        return ("perplexity",)

    def forward(self, model: Any, batch: Batch) -> Any:
        """States at the labels' places; their logits are computed where they are needed."""
        from tunesmith.models.likelihood import answers

        return answers(model, batch)

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """The mean negative log-likelihood of the batch's labels."""
        from tunesmith.models.likelihood import answer_loss

        return answer_loss(outputs, batch, causal=self.causal)

    def divergence(self, outputs: Any, others: Any) -> torch.Tensor:
        """Symmetric Kullback-Leibler divergence of the next tokens, the mean over places."""
        from torch.nn.functional import kl_div, log_softmax

        one, other = (log_softmax(o.logits.float().flatten(0, -2), dim=-1) for o in (outputs, others))
        there = kl_div(one, other, reduction="batchmean", log_target=True)
        return (there + kl_div(other, one, reduction="batchmean", log_target=True)) / 2

    def validate(self, predictor: PredictorLike, rows: Sequence[Row], features: Sequence[Feature]) -> Evidence:
        """``log_likelihood`` and ``target_tokens`` of the rows."""
        return likelihoods(predictor.score(features), features, len(rows))

    def measure(
        self, predictor: PredictorLike, rows: Sequence[Row], progress: Callable[[int, int], None] | None = None
    ) -> tuple[list[Prediction], Evidence]:
        """The answers written, how likely the rows' own ones are, and worse ones where rows have them."""
        predictions, evidence = super().measure(predictor, rows, progress)
        return predictions, {**evidence, **self.likely(predictor, rows, predictor.encode(rows, targets=True))}

    def likely(self, predictor: PredictorLike, rows: Sequence[Row], features: Sequence[Feature]) -> Evidence:
        """Of all that is learned of the rows, and of better and worse answers.

        Args:
            features: of the rows, targets included, one a row.
        """
        scores = predictor.score(features)
        return {**likelihoods(scores, features, len(rows)), **preferences(self, predictor, rows, features, scores)}


def likelihoods(scores: Sequence[np.ndarray], features: Sequence[Feature], rows: int) -> dict[str, np.ndarray]:
    """Log-probabilities of each feature's target tokens -> their sum and number for each row.

    Returns:
        ``log_likelihood`` float64 [rows] (natural logarithm), ``target_tokens`` int64 [rows].
    """
    total, tokens = np.zeros(rows), np.zeros(rows, np.int64)
    for found, feature in zip(scores, features, strict=True):
        total[feature["row"]] += found.sum(dtype=np.float64)
        tokens[feature["row"]] += len(found)
    return {"log_likelihood": total, "target_tokens": tokens}


def unknown_likelihoods(rows: int) -> dict[str, np.ndarray]:
    """What stands there where nothing was scored: the perplexity of it is not defined."""
    return {"log_likelihood": np.full(rows, np.nan), "target_tokens": np.ones(rows, np.int64)}
