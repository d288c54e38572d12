"""The head alone, on vectors that a frozen backbone made before."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput


class HeadOnVectors(nn.Module):
    """A model's own head, weights shared, reading the backbone's vectors instead of tokens.

    Args:
        model: a transformers model for sequence classification.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.pooler = getattr(model.base_model, "pooler", None)
        self.pre_classifier = getattr(model, "pre_classifier", None)
        self.dropout = getattr(model, "dropout", None)
        self.classifier = model.classifier
        self.config = model.config

    def forward(self, vectors: torch.Tensor) -> Any:
        """vectors: the first token's last hidden state, [batch, width]; -> an object with ``logits``."""
        states: torch.Tensor = vectors
        if not isinstance(self.classifier, nn.Linear):  # RoBERTa's head takes all tokens and reads the first
            return SequenceClassifierOutput(logits=self.classifier(states.unsqueeze(1)))
        if self.pooler is not None:
            states = self.pooler(states.unsqueeze(1))
        elif self.pre_classifier is not None:
            states = self.pre_classifier(states).relu()
        if self.dropout is not None:
            states = self.dropout(states)
        return SequenceClassifierOutput(logits=self.classifier(states))


def head_on_vectors(model: Any) -> HeadOnVectors | None:
    """The head alone; None for a family whose head reads more than the first token, or whose shape is not known.

    And for a model whose feature is several sequences (choices): it has no one vector.
    """
    kind = getattr(model.config, "model_type", "")
    known = {"bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra"}
    several = type(model).__name__.endswith("ForMultipleChoice")
    return HeadOnVectors(model) if kind in known and not several else None
