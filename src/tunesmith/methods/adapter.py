"""Bottleneck adapters (Houlsby et al. 2019; Pfeiffer et al. 2021; He et al. 2022). peft has none: our own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tunesmith.core.contracts import Method, MethodDefaults, Task
from tunesmith.core.errors import RecipeError
from tunesmith.methods.places import PLACES, appended, named, places_of, unfit

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel

Placement = Literal["parallel", "pfeiffer", "houlsby"]


class Adapter(Method):
    """Small layers of two products beside or after the model's own; these and the head are trained.

    Args:
        size: of the bottleneck.
        placement: "parallel" beside the feed-forward part: folded into it at the end, so that any reader loads the
            model. "pfeiffer": after the feed-forward part, before its residual; "houlsby": after the attention, too,
            and norms are trained. These two no plain model can hold; the bundle keeps base and adapter apart.
    """

    name: ClassVar[str] = "adapter"
    summary: ClassVar[str] = "bottleneck adapters (Houlsby et al. 2019, Pfeiffer et al. 2021, He et al. 2022)"
    # From lora's rates, which we measured for as many weights; Houlsby et al. searched 3e-5 to 3e-3.
    defaults: ClassVar[MethodDefaults] = MethodDefaults(
        learning_rate=2e-3, epochs=5, weight_decay=0.0, head_learning_rate=2e-3
    )

    def __init__(self, size: Annotated[int, Field(ge=1)] = 48, placement: Placement = "parallel") -> None:
        self.size, self.placement = size, placement
        self.plain = placement == "parallel"

    def fits(self, task: Task, config: PretrainedConfig) -> str | None:
        """Which layers are which must be known; to be folded in, the width must be a word of the configuration."""
        reason = unfit(self.name, task, config)
        if reason is None and self.plain and not PLACES[config.model_type].width:
            return f'a "{config.model_type}" cannot be made wider; method.placement=pfeiffer can be used'
        return reason

    def apply(self, model: PreTrainedModel, task: Task) -> torch.nn.Module:
        """Put the adapters in; free them and the head.

        Raises:
            RecipeError: the model's layers are not known.
        """
        from tunesmith.methods import bottleneck
        from tunesmith.models.heads import head_parameters

        places = places_of(model, self.name)
        model.requires_grad_(False)
        if self.placement == "parallel":
            for widens, narrows in feed_forwards(model):
                bottleneck.put_beside(widens, narrows, self.size)
        else:
            wanted = [places.attended] if self.placement == "houlsby" else []
            for name in {*named(model, wanted), *_narrows(model, places.narrows)}:
                bottleneck.put_after(model.get_submodule(name), self.size)
        for name, parameter in model.named_parameters():
            norm = self.placement == "houlsby" and _in_norm(name) and not _within(name, appended(model))
            parameter.requires_grad_(f".{bottleneck.MARK}." in name or norm)
        for parameter in head_parameters(model):
            parameter.requires_grad_(True)
        placed: torch.nn.Module = model.to(model.device)  # type: ignore[arg-type]
        return placed

    def merge(self, model: torch.nn.Module) -> PreTrainedModel:
        """A wider feed-forward part holds the parallel adapters; the others stay where they are."""
        merged: PreTrainedModel = model  # type: ignore[assignment]
        if self.plain:
            widen(merged)
        return merged

    def save_adapter(self, model: torch.nn.Module, folder: str, base: str) -> bool:
        """What was trained, for ``restore``; a model that holds its adapters needs none."""
        if not self.plain:
            from tunesmith.methods.apart import write

            write(model, folder, self.name, base)
        return not self.plain

    def restore(self, model: PreTrainedModel, task: Task, folder: str) -> torch.nn.Module:
        """The adapters on a plain base."""
        from tunesmith.methods.apart import read

        return read(self.apply(model, task), folder)


def feed_forwards(model: Any) -> Iterator[tuple[list[Any], Any]]:
    """(what widens, what narrows) of each of the backbone's layers."""
    places = places_of(model, Adapter.name)
    widens, narrows = named(model, places.widens), _narrows(model, places.narrows)
    each = len(widens) // max(1, len(narrows))
    if not narrows or each * len(narrows) != len(widens):
        raise RecipeError(
            f"The feed-forward parts of {type(model).__name__} are not where they are in other models of its type.",
            "Use method=lora.",
        )
    for i, name in enumerate(narrows):
        yield [model.get_submodule(w) for w in widens[i * each : (i + 1) * each]], model.get_submodule(name)


def widen(model: Any) -> None:
    """Fold all parallel adapters in, and count the width in the configuration."""
    from tunesmith.methods import bottleneck

    parts = list(feed_forwards(model))
    size = parts[0][1].get_submodule(bottleneck.MARK).in_features
    for widens, narrows in parts:
        bottleneck.fold(widens, narrows)
    for name in appended(model):  # an appended mean layer has the configuration's width, too
        layer = model.get_submodule(name)
        layer = getattr(layer, "layer", layer)
        bottleneck.pad([layer.intermediate.dense], layer.output.dense, size)
    inner = parts[0][1]
    width = inner.in_features if hasattr(inner, "in_features") else inner.nx
    setattr(model.config, places_of(model, Adapter.name).width, width)


def _narrows(model: Any, pattern: str) -> list[str]:
    return [name for name in named(model, [pattern]) if not name.endswith("attention.output.dense")]


def _in_norm(name: str) -> bool:
    parent = name.rpartition(".")[0].rpartition(".")[2].lower()
    return "norm" in parent or parent.startswith("ln_")


def _within(name: str, layers: list[str]) -> bool:
    return any(name.startswith(layer + ".") for layer in layers)
