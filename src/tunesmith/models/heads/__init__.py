"""What a task puts on a backbone, and how tokens become one vector."""

from __future__ import annotations

from typing import Any

from torch import nn

from tunesmith.core.errors import ModelError

POOLERS = ("pooler", "pre_classifier")


def head_names(model: Any) -> list[str]:
    """Names of the modules that are the task's and not the backbone's: ``["classifier", "pooler"]``.

    A pooler counts as the head: in most encoders it was never trained, or for another aim. A model without a head
    is all backbone but for that; so is one that writes: its output layer was pretrained with it.
    """
    backbone = model.base_model_prefix
    bare = model.base_model is model
    written = model.get_output_embeddings()
    children = [] if bare else [(name, module) for name, module in model.named_children() if module is not written]
    own = {name: module for name, module in children if name != backbone and _has_weights(module)}
    names = [full for name, module in own.items() for full in _full_names(name, module)]
    inner = model if bare else getattr(model, backbone, None)
    poolers = [name for name in POOLERS if inner is not None and _has_weights(getattr(inner, name, None))]
    return names + poolers


def head_parameters(model: Any) -> list[nn.Parameter]:
    """The head's weights."""
    ends = tuple(f".{name}" for name in head_names(model))
    modules = [module for name, module in model.named_modules() if ends and f".{name}".endswith(ends)]
    return [parameter for module in modules for parameter in module.parameters()]


def output_layer(model: Any) -> nn.Linear:
    """The linear layer that gives the logits.

    Raises:
        ModelError: the model has none.
    """
    width = model.config.num_labels
    layers = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == width]
    if not layers:
        raise ModelError(f"{type(model).__name__} has no linear layer of {width} outputs.", "Take another model.")
    return layers[-1]


def _full_names(name: str, module: Any) -> list[str]:
    """A head's name; of several heads kept in a dictionary, each one's."""
    return [f"{name}.{key}" for key in module] if isinstance(module, nn.ModuleDict) else [name]


def _has_weights(module: Any) -> bool:
    return isinstance(module, nn.Module) and any(True for _ in module.parameters())
