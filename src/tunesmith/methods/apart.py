"""Methods that no plain model can hold: what was trained, in a folder beside the base.

``adapter.safetensors`` has the trained weights by their names in the model, ``adapter.json`` says of which method.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tunesmith.core.errors import BundleError

if TYPE_CHECKING:
    from torch import nn

WEIGHTS, ABOUT = "adapter.safetensors", "adapter.json"
Model = TypeVar("Model", bound="nn.Module")


PARTS = (".bottleneck.", ".prefix_keys", ".prefix_values", ".rows.")
"""In the names of weights that no plain model has."""
WRAPPED = ".table.weight"
"""The end of the names of a table of embeddings that stands inside of a prompted one."""


def of_base(model: Any) -> dict[str, Any]:
    """The weights that a plain model of the same class has: name -> tensor."""
    kept = {name: value for name, value in model.state_dict().items() if not any(part in name for part in PARTS)}
    return {f"{name.removesuffix(WRAPPED)}.weight" if name.endswith(WRAPPED) else name: v for name, v in kept.items()}


def write(model: Any, folder: str, method: str, base: str) -> None:
    """The trained weights of a model, its head among them.

    Args:
        base: the model that was tuned, as it is told to people.
    """
    from safetensors.torch import save_file

    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    trained = {name: p.detach().cpu().contiguous() for name, p in model.named_parameters() if p.requires_grad}
    save_file(trained, place / WEIGHTS)
    about = {"method": method, "base_model": base, "read_by": "tunesmith.bundle.read.read_bundle"}
    (place / ABOUT).write_text(json.dumps(about, indent=1) + "\n", "utf-8")


def read(model: Model, folder: str) -> Model:
    """Put the weights back into a model that the same method was applied to.

    Raises:
        BundleError: they do not fit it.
    """
    import torch
    from safetensors.torch import load_file

    tensors = load_file(Path(folder, WEIGHTS))
    here = {name: p for name, p in model.named_parameters() if p.requires_grad}
    odd = sorted(set(tensors) ^ set(here)) or sorted(n for n, p in here.items() if p.shape != tensors[n].shape)
    if odd:
        raise BundleError(f"The adapter in {folder} does not fit its base: {odd[0]}.", "Tune it anew.")
    with torch.no_grad():
        for name, parameter in here.items():
            parameter.copy_(tensors[name])
    return model


def put_back(model: Model, folder: str) -> Model:
    """Put only what no plain model has back into a model that the same method was applied to; its head may have grown.

    Raises:
        BundleError: the weights do not fit it.
    """
    import torch
    from safetensors.torch import load_file

    tensors = load_file(Path(folder, WEIGHTS))
    here = {name: p for name, p in model.named_parameters() if any(part in name for part in PARTS)}
    odd = sorted(name for name, p in here.items() if name not in tensors or tensors[name].shape != p.shape)
    if odd or not here:
        raise BundleError(f"The adapter in {folder} does not fit its base: {(odd or [WEIGHTS])[0]}.", "Tune it anew.")
    with torch.no_grad():
        for name, parameter in here.items():
            parameter.copy_(tensors[name])
    return model
