"""Several heads on one backbone, computed in one pass.

The folder stays a plain one of the backbone's kind: ``AutoModel.from_pretrained`` reads the backbone from it and
leaves the heads alone. What the heads are stands in the config under ``several_heads``::

    {"intents": {"reads": "text", "outputs": 77, "pooling": "mean"}, "names": {"reads": "tokens", "outputs": 9}}
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tunesmith.core.errors import ModelError
from tunesmith.models.head_reads import KEY
from tunesmith.models.heads.mean import POOLER_SCALE


class TextHead(nn.Module):
    """One vector of a text, through a pooler, to logits: [rows, length, width] -> [rows, outputs]."""

    def __init__(self, width: int, outputs: int, dropout: float, pooling: str) -> None:
        super().__init__()
        self.pooling = pooling
        self.pooler = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, outputs)

    def start(self) -> None:
        """The pooler starts close to linear, as that of a single head does (``heads/mean.py``)."""
        if self.pooling == "mean":
            with torch.no_grad():
                self.pooler.weight.copy_(torch.eye(self.pooler.in_features) * POOLER_SCALE)
                self.pooler.bias.zero_()

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """mask: 1 where a token is, [rows, length]."""
        if self.pooling == "mean":
            kept = mask.to(states.dtype).unsqueeze(-1)
            mean = (states * kept).sum(1) / kept.sum(1).clamp(min=1)
            pooled = functional.layer_norm(mean.float(), mean.shape[-1:])
        else:
            pooled = states[:, 0]
        logits: torch.Tensor = self.classifier(self.dropout(torch.tanh(self.pooler(pooled))))
        return logits


class TokenHead(nn.Module):
    """Every token to logits: [rows, length, width] -> [rows, length, outputs]."""

    def __init__(self, width: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, outputs)

    def start(self) -> None:
        """Nothing but what every linear layer starts with."""

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """mask: not read."""
        logits: torch.Tensor = self.classifier(self.dropout(states))
        return logits


class SeveralHeads:
    """Makes such models; called as transformers' auto classes are."""

    @classmethod
    def from_pretrained(cls, path: str, *, config: Any = None, trust_remote_code: bool = False, **options: Any) -> Any:
        """The model of a folder: a bundle's, or a bare backbone's with fresh heads by ``config``."""
        from transformers import AutoConfig

        if config is None:
            local = options.get("local_files_only", False)
            config = AutoConfig.from_pretrained(path, local_files_only=local, trust_remote_code=trust_remote_code)
        made: Any = _class_on(type(config))  # type: ignore[arg-type]
        return made.from_pretrained(path, config=config, **options)


@cache
def _class_on(config_class: type) -> Any:
    """A model class for a kind of backbone; its base brings how weights start and how names are prefixed."""
    from transformers import MODEL_MAPPING

    if config_class not in MODEL_MAPPING:
        raise ModelError(f"There is no plain encoder for {config_class.__name__}.", "Take another model.")
    backbone_class: Any = MODEL_MAPPING[config_class]
    base: Any = backbone_class.__mro__[1]

    class ModelWithHeads(base):  # type: ignore[misc]
        spared = ("wanted",)
        """Inputs that a graph does without: it gives all rows to all heads, and the task takes its own."""

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            setattr(self, self.base_model_prefix, backbone_class(config))
            self.heads = nn.ModuleDict({name: _head(config, about) for name, about in getattr(config, KEY).items()})
            self.post_init()

        def _init_weights(self, module: nn.Module) -> None:
            super()._init_weights(module)
            if isinstance(module, TextHead | TokenHead):
                module.start()

        def forward(
            self,
            input_ids: torch.Tensor,
            attention_mask: torch.Tensor,
            token_type_ids: torch.Tensor | None = None,
            wanted: torch.Tensor | None = None,
            **rest: Any,
        ) -> dict[str, torch.Tensor]:
            """wanted: bool [rows, heads], which heads answer which rows; None: all answer all.

            Returns:
                Head -> logits of its rows, in order; heads that no row wants are left out.
            """
            kinds = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
            backbone = getattr(self, self.base_model_prefix)
            states = backbone(input_ids=input_ids, attention_mask=attention_mask, **kinds, **rest).last_hidden_state
            found = {}
            for i, (name, head) in enumerate(self.heads.items()):
                rows: Any = slice(None) if wanted is None else wanted[:, i].nonzero().squeeze(1)
                if wanted is None or len(rows):
                    found[name] = head(states[rows], attention_mask[rows])
            return found

    ModelWithHeads.__name__ = f"{backbone_class.__name__}WithHeads"
    return ModelWithHeads


def _head(config: Any, about: dict[str, Any]) -> nn.Module:
    rates = (getattr(config, name, None) for name in ("classifier_dropout", "hidden_dropout_prob", "dropout"))
    dropout = next((rate for rate in rates if rate is not None), 0.1)
    if about["reads"] == "tokens":
        return TokenHead(config.hidden_size, about["outputs"], dropout)
    return TextHead(config.hidden_size, about["outputs"], dropout, about["pooling"])
