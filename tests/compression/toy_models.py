"""Texts in two languages, the tiny models that are made of them, and how a test asks a model."""

from __future__ import annotations

from typing import Any

import torch

from tunesmith.testing import tiny_bert, tiny_distilbert, tiny_roberta, toy_rows

MAKERS = {"bert": tiny_bert, "distilbert": tiny_distilbert, "roberta": tiny_roberta}
TEXTS = {language: [row["text"] for row in toy_rows(language, 80)] for language in ("en", "zh")}


def loss(model: Any, batch: Any) -> torch.Tensor:
    """Cross entropy of a batch."""
    logits = answers(model, batch)
    return torch.nn.functional.cross_entropy(logits, batch["labels"])


def answers(model: Any, batch: Any) -> torch.Tensor:
    return model(**{name: value for name, value in batch.items() if name != "labels"}).logits
