"""One adapter a task on a shared frozen backbone, and a router that gives each text to one of them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.utils.generic import ModelOutput

from tunesmith.models.heads import head_parameters, mean, output_layer
from tunesmith.models.output_names import name_outputs
from tunesmith.models.router import Router

NEVER = -1e4
"""The logit of a class that a text's adapter does not have: its probability is 0, and a mean over windows is finite."""

_KEPT: ContextVar[list[torch.Tensor] | None] = ContextVar("kept", default=None)


@dataclass
class RoutedOutput(ModelOutput):
    """Logits of all classes, [texts, classes], and the adapter that gave them, int [texts]; 0: the base's own head."""

    logits: torch.Tensor | None = None
    route: torch.Tensor | None = None


class Looking(nn.Module):
    """A tuned model's backbone as the router sees it, beside the model's own answer.

    The vector is two: the mean over tokens of the embeddings, and that of the last hidden states (where the model has a
    mean layer, its output). Lee et al. 2018, 2.2, take features of low and of upper layers, too: the upper ones of a
    tuned model may tell its classes and little else.

    Args:
        base: a transformers model with a head; it may be shortened later.
    """

    def __init__(self, base: Any) -> None:
        super().__init__()
        self.base = base
        mean.restore(base)
        self.first = mean.has_mean(base)
        for module in (base.get_input_embeddings(), base.base_model):
            if _keep not in module._forward_hooks.values():
                module.register_forward_hook(_keep)

    @property
    def base_model(self) -> Any:
        """The base's."""
        return self.base.base_model

    @property
    def config(self) -> Any:
        """The base's."""
        return self.base.config

    def both(self, inputs: dict[str, Any]) -> tuple[torch.Tensor, Any]:
        """(vectors [texts, twice the width], the base's output), of one pass."""
        kept: list[torch.Tensor] = []
        token = _KEPT.set(kept)  # of this thread alone: a service answers in several
        try:
            output = self.base(**inputs)
        finally:
            _KEPT.reset(token)
        low, high = kept[0].float(), kept[-1].float()
        mask = inputs.get("attention_mask")
        weights = torch.ones(low.shape[:2], device=low.device) if mask is None else mask
        upper = high[:, 0] if self.first else _mean(high, weights)
        return torch.cat([_mean(low, weights), upper], dim=-1), output

    def forward(self, **inputs: Any) -> Any:
        """The vectors, in the place of logits."""
        return RoutedOutput(logits=self.both(inputs)[0])


def _keep(module: Any, inputs: Any, output: Any) -> None:
    if (kept := _KEPT.get()) is not None:
        kept.append(output if isinstance(output, torch.Tensor) else output[0])


def _mean(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Over the tokens that are there: [texts, length, width] and [texts, length] -> [texts, width]."""
    weights = mask.to(hidden)[..., None]
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


class Routed(nn.Module):
    """A batch goes through the base once; the texts of each adapter go through it together, and back in their places.

    Args:
        base: the model that was there first. Texts of route 0 get its answer, to the last bit.
        adapters: of routes 1, 2 ...: models like the base, whose heads may have more classes at their end.
        router: reads the base's vectors.
    """

    def __init__(self, base: Any, adapters: Sequence[Any], router: Router) -> None:
        super().__init__()
        self.looking = Looking(base)
        self.adapters = nn.ModuleList(adapters)
        self.router = router
        self.config = max((model.config for model in (base, *adapters)), key=lambda config: config.num_labels)

    @property
    def base_model(self) -> Any:
        """The base's, which all share."""
        return self.looking.base_model

    def forward(self, **inputs: Any) -> RoutedOutput:
        """A batch of a tokenizer's tensors, each [texts, ...]."""
        vectors, first = self.looking.both(inputs)
        route = self.router(vectors).to(vectors.device)
        logits = first.logits.new_full((len(route), self.config.num_labels), NEVER)
        logits[:, : first.logits.shape[1]] = first.logits
        for number, adapter in enumerate(self.adapters, 1):
            rows = (route == number).nonzero().flatten()
            if len(rows):
                own = adapter(**{name: value[rows] for name, value in inputs.items()}).logits
                logits[rows] = NEVER
                logits[rows, : own.shape[1]] = own.to(logits.dtype)
        return RoutedOutput(logits=logits, route=route)


def with_head_for(base: Any, names: Sequence[str]) -> Any:
    """A model like the base with a fresh head for these classes; the weights of the backbone are the base's own.

    Args:
        base: a transformers model, its mean layer not shortened.
    """
    own = {id(parameter) for parameter in head_parameters(base)}
    shared = {id(p): p for p in base.parameters() if id(p) not in own}
    made = copy.deepcopy(base, shared)
    last = output_layer(made)
    place = next(name for name, module in made.named_modules() if module is last)
    made.set_submodule(place, nn.Linear(last.in_features, len(names), bias=last.bias is not None))
    name_outputs(made.config, names)
    made.num_labels = len(names)
    return made
