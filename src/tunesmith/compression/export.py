"""A torch model as an ONNX graph whose batch and length are free."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tunesmith.compression import onnx_files
from tunesmith.core.contracts import Batch
from tunesmith.core.errors import TunesmithError
from tunesmith.core.extras import need

OPSET = 20
TOKENS = ("input_ids", "attention_mask", "token_type_ids", "ages", "ratings")
"""Inputs whose every axis is free."""


class Named(nn.Module):
    """A model that is called with tensors in an order and gives a tuple, as an exporter wants.

    Args:
        model: called by names.
        inputs: names, in the order of the arguments.
        outputs: names, in the order of the tuple.
    """

    def __init__(self, model: nn.Module, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.inputs, self.outputs = list(inputs), list(outputs)

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """tensors: in the order of ``inputs``."""
        found = self.model(**dict(zip(self.inputs, tensors, strict=True)))
        return tuple(found[name].float() for name in self.outputs)


def to_onnx(model: nn.Module, batches: Sequence[Batch], outputs: Sequence[str], target: Path) -> None:
    """Write the model as an .onnx file.

    Args:
        model: a transformers model, on the CPU, as it answers.
        batches: what it was asked, two or more of unlike shapes: what differs between them is left free.
        outputs: names of its outputs.
        target: the file; a large model's weights stand in ``<target>.data``.

    Raises:
        ExtraMissing: onnx or onnxscript is not installed.
        TunesmithError: the model has no such form.
    """
    need("onnx", extra="shrink", purpose="writing a graph")
    need("onnxscript", extra="shrink", purpose="writing a graph")
    spared = getattr(model, "spared", ())
    shapes = {name: axes for name, axes in free_axes(batches).items() if name not in spared}
    sample = max(batches, key=lambda batch: math.prod(batch["input_ids"].shape))
    sample = {name: _two(torch.as_tensor(sample[name])) for name in shapes}
    dynamic = tuple({axis: torch.export.Dim.DYNAMIC for axis in axes} for axes in shapes.values())
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _calm(), torch.no_grad():
            program: Any = torch.onnx.export(
                Named(model.eval(), list(sample), outputs),
                tuple(sample.values()),
                dynamo=True,
                dynamic_shapes=(dynamic,),
                input_names=list(sample),
                output_names=list(outputs),
                opset_version=OPSET,
                verbose=False,
            )
            program.save(str(target), external_data=_bytes(model) > onnx_files.LARGE)
    except (OSError, MemoryError):  # a full disk is not the model's fault
        raise
    except Exception as error:  # the exporter raises whatever its many stages do
        why = " ".join(str(error).split()) or type(error).__name__
        raise TunesmithError(
            f"{type(model).__name__} cannot be written as an ONNX graph: {why:.300}",
            "Keep the bundle as it is, or shrink it in torch: --to torch --cut layers=3,feed_forward=0.5",
        ) from error


def _bytes(model: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in model.state_dict().values())


def free_axes(batches: Sequence[Batch]) -> dict[str, list[int]]:
    """Input -> the axes that are left free: all of the tokens', the first of any, and those that differ.

    Raises:
        TunesmithError: the model is called in more than one way.
    """
    if any(batch.keys() != batches[0].keys() for batch in batches):
        raise TunesmithError(
            "The task calls its model in more than one way, which one graph cannot hold.", "Keep the bundle as it is."
        )
    found = {}
    for name, value in batches[0].items():
        others = [batch[name].shape for batch in batches]
        free = [axis for axis in range(value.ndim) if len({shape[axis] for shape in others}) > 1]
        found[name] = list(range(value.ndim)) if name in TOKENS else sorted({0, *free})
    return found


def _two(tensor: torch.Tensor) -> torch.Tensor:
    """At least two rows: an axis of length 1 would be taken for a constant."""
    return tensor if len(tensor) > 1 else tensor.repeat(2, *[1] * (tensor.ndim - 1))


@contextmanager
def _calm() -> Iterator[None]:
    """Without the exporter's talk."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            for one, level in zip(loggers, levels, strict=True):
                one.setLevel(level)
