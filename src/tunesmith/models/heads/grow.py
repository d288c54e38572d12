"""A head for more classes that keeps what it knew: the rows of classes that a tuned model had are put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunesmith.core.errors import ModelError
from tunesmith.models.folder import read_json


def class_names(folder: str | Path) -> list[str]:
    """The names of a model folder's outputs, in order."""
    names = read_json(Path(folder) / "config.json").get("id2label") or {}
    return [str(name) for _, name in sorted(names.items(), key=lambda item: int(item[0]))]


def keep_rows(model: Any, folder: str | Path) -> int:
    """Copy what belongs to the outputs that a tuned model had into one of the same shape with more of them.

    Every weight whose shape differs only where the one counts the old outputs and the other the new is copied by the
    outputs' names: rows of the last layer, its biases, both sides of a table of transitions. New outputs stay as made.

    Args:
        model: as built, its config naming all outputs.
        folder: the tuned model's, with ``model.safetensors``.

    Returns:
        How many outputs are new.

    Raises:
        ModelError: an output that the tuned model had is gone.
    """
    import torch
    from safetensors import safe_open

    old = class_names(folder)
    new = [str(name) for _, name in sorted(model.config.id2label.items())]
    lost = [name for name in old if name not in new]
    if lost:
        raise ModelError(f'The output "{lost[0]}" of {folder} is gone.', "Keep the classes that the model has.")
    places = torch.tensor([new.index(name) for name in old])
    own = model.state_dict()
    with safe_open(str(Path(folder) / "model.safetensors"), framework="pt") as file, torch.no_grad():
        for name in file.keys():  # noqa: SIM118 - no mapping
            if name in own and (tensor := file.get_tensor(name)).shape != own[name].shape:
                _put(own[name], tensor, places, len(new))
    return len(new) - len(old)


def _put(target: Any, source: Any, places: Any, outputs: int) -> None:
    """Write ``source`` into the places of ``target`` that its outputs have there."""
    import torch

    if target.ndim != source.ndim:
        return
    indices: list[Any] = []
    for wide, narrow in zip(target.shape, source.shape, strict=True):
        if wide == narrow:
            indices.append(torch.arange(wide))
        elif (wide, narrow) == (outputs, len(places)):
            indices.append(places)
        else:
            return
    target[torch.meshgrid(*indices, indexing="ij")] = source.to(target.dtype)
