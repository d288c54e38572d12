"""Checkpoints for an exact resume: safetensors and JSON, whole or absent, no pickle.

A checkpoint is a folder. It is written beside its place and renamed, and the one before is removed only then,
so that a kill -9 at any moment leaves one that is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.durable import fsync
from tunesmith.core.errors import TrainingError

if TYPE_CHECKING:
    import torch
    from torch import nn

Tensors = dict[str, "torch.Tensor"]


def trainable(model: nn.Module) -> Tensors:
    """The weights that training moves, and buffers that it may: name -> tensor."""
    wanted = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    persistent = model.state_dict()
    return wanted | {name: b for name, b in model.named_buffers() if name in persistent}


def load_trainable(model: nn.Module, tensors: Tensors) -> None:
    """Take back what ``trainable`` returned."""
    here = trainable(model)
    if set(here) != set(tensors):
        odd = sorted(set(here) ^ set(tensors))[0]
        raise TrainingError(f"The checkpoint does not fit the model: {odd}.", "Start anew: --fresh.")
    put(here, tensors)


def put(here: Mapping[str, torch.Tensor], tensors: Tensors) -> None:
    """Write ``tensors`` into those of the same names."""
    import torch

    with torch.no_grad():
        for name, tensor in tensors.items():
            here[name].copy_(tensor)


def write(folder: Path, groups: dict[str, Tensors], facts: dict[str, Any]) -> None:
    """Write a checkpoint in the place of the one before.

    Args:
        folder: its place.
        groups: one safetensors file each.
        facts: JSON values.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        for name, tensors in groups.items():
            save_file({key: tensor.contiguous().cpu() for key, tensor in tensors.items()}, part / f"{name}.safetensors")
        (part / "facts.json").write_text(json.dumps(facts), "utf-8")
        for path in part.iterdir():
            fsync(path)
    except (OSError, SafetensorError) as error:  # safetensors says in its own words that a disk is full
        shutil.rmtree(part, ignore_errors=True)
        hint = "Free some room and run the same command again: it goes on from the last checkpoint."
        why = getattr(error, "strerror", None) or error
        raise TrainingError(f"A checkpoint cannot be written to {folder}: {why}.", hint) from error
    old = folder.with_name(folder.name + ".old")
    if folder.exists():  # else ``old`` is the only whole one, left by a kill between two renames
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    part.rename(folder)
    fsync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def read(folder: Path) -> tuple[dict[str, Tensors], dict[str, Any]] | None:
    """The groups and facts of the newest whole checkpoint; None where there is none."""
    from safetensors.torch import load_file

    for place in (folder, folder.with_name(folder.name + ".old")):
        if (place / "facts.json").is_file():
            facts = json.loads((place / "facts.json").read_text("utf-8"))
            return {path.stem: load_file(path) for path in place.glob("*.safetensors")}, facts
    return None


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """An optimizer's state, flat: ``"<parameter>.<key>"`` -> tensor."""
    import torch

    state = optimizer.state_dict()["state"]
    return {f"{i}.{key}": torch.as_tensor(value) for i, entry in state.items() for key, value in entry.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Take back what ``optimizer_tensors`` returned."""
    whole = optimizer.state_dict()
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        place, _, key = name.partition(".")
        state.setdefault(int(place), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
