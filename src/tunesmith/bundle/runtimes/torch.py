"""Compute with torch, in the process that asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tunesmith.bundle.layout import ADAPTER, BASE, MEMBER_WEIGHTS, MEMBERS, ROUTER, ROUTES, WEIGHTS
from tunesmith.bundle.predictor import MANY_TOKENS
from tunesmith.bundle.runtimes.graph import CPU_TOKENS
from tunesmith.bundle.shrunk import refuse_shrunk
from tunesmith.core.contracts import Batch, Decoding
from tunesmith.core.errors import BundleError
from tunesmith.core.registry import family
from tunesmith.models.load import auto_class, quiet
from tunesmith.models.tensors import tensors

if TYPE_CHECKING:
    import numpy as np
    import torch

    from tunesmith.bundle.read import Bundle


class TorchRuntime:
    """A transformers model as a runtime: batches in, arrays out.

    The model may be one that is being trained: its training mode is put back after each batch.

    Args:
        model: called with a batch's tensors by name.
        device: where the model is or is put; "auto" leaves it where it is.
        precision: "fp32", or "bf16" or "fp16" by autocast. The default gives the answers that transformers gives.
    """

    name: ClassVar[str] = "torch"
    summary: ClassVar[str] = "PyTorch in this process: any device, exact answers"

    def __init__(self, model: Any, device: str = "auto", precision: str = "fp32") -> None:
        self.model = model
        if device != "auto":
            model.to(device)
        self.precision = precision

    @classmethod
    def open(cls, bundle: Bundle, *, device: str = "auto", precision: str = "fp32") -> TorchRuntime:
        """The model of a bundle, on the best device of this machine unless told otherwise."""
        import torch

        from tunesmith.core.runtime import cores, resolve
        from tunesmith.models.heads import mean
        from tunesmith.models.zeros import leave_out_zeros

        if torch.get_num_threads() > cores():  # it does not see a container's limit
            torch.set_num_threads(cores())
        model = load_model(bundle).eval()
        mean.shorten(model)
        if (bundle.path / WEIGHTS).is_file():
            leave_out_zeros(model)
        return cls(model, resolve(device, precision).device, precision)

    @property
    def together(self) -> int:
        """Padded tokens that are computed best together where the model is."""
        return CPU_TOKENS if _device_of(self.model).type == "cpu" else MANY_TOKENS

    @property
    def device(self) -> str:
        """Where the model is."""
        return str(_device_of(self.model))

    @property
    def threads(self) -> int | None:
        """That compute; None on a GPU."""
        import torch

        return torch.get_num_threads() if _device_of(self.model).type == "cpu" else None

    def forward(self, batch: Batch) -> dict[str, np.ndarray]:
        """Every tensor of the model's output by name, float32 on the CPU; ``logits`` is [features, ...]."""
        with self._computing():
            outputs = self.model(**self._placed(batch))
        return {name: _array(value) for name, value in outputs.items() if hasattr(value, "detach")}

    def generate(self, batch: Batch, decoding: Decoding) -> list[np.ndarray]:
        """The ids written after each feature's, by the model's own ``generate``."""
        from tunesmith.models.decoding import written

        with self._computing():
            return written(self.model, self._placed(batch), decoding)

    def score(self, batch: Batch) -> list[np.ndarray]:
        """The natural log-probability of each feature's ``labels`` that are not -100: float32, [labels]."""
        from tunesmith.models.likelihood import label_log_probabilities

        with self._computing():
            return label_log_probabilities(self.model, self._placed(batch))

    def _placed(self, batch: Batch) -> dict[str, Any]:
        return tensors(batch, _device_of(self.model))

    @contextmanager
    def _computing(self) -> Iterator[None]:
        import torch

        with torch.inference_mode(), _evaluating(self.model), self._autocast():
            yield

    def _autocast(self) -> AbstractContextManager[Any]:
        import torch

        if self.precision == "fp32":
            return nullcontext()
        kind = torch.bfloat16 if self.precision == "bf16" else torch.float16
        return torch.autocast(_device_of(self.model).type, dtype=kind)


def load_model(bundle: Bundle) -> Any:
    """The transformers model of a bundle, in float32, from this folder alone and without remote code.

    Raises:
        BundleError: transformers cannot make a model of the folder, or its weights do not fit; or it was shrunk.
    """
    refuse_shrunk(bundle)
    if (bundle.path / MEMBERS).is_dir():
        return _together(bundle)
    if (bundle.path / ROUTES).is_dir():
        return _routed(bundle)
    if not (bundle.path / BASE).is_dir():
        return _plain(bundle, bundle.path)
    record = bundle.manifest.method
    method = family("methods").make(record.name, record.options)
    return method.restore(_plain(bundle, bundle.path / BASE), bundle.task, str(bundle.path / ADAPTER))


def _together(bundle: Bundle) -> Any:
    from tunesmith.models.heads import mean
    from tunesmith.models.together import Together

    weights = json.loads((bundle.path / MEMBERS / MEMBER_WEIGHTS).read_text("utf-8"))
    members = [_plain(bundle, bundle.path / MEMBERS / str(i)) for i in range(len(weights))]
    for member in members:
        mean.shorten(member)
    return Together(members, weights)


def _routed(bundle: Bundle) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from tunesmith.methods.beside import read
    from tunesmith.models.routed import Routed
    from tunesmith.models.router import Router, Seen

    place = bundle.path / ROUTES
    try:
        known = Seen(**load_file(place / ROUTER))
        router, last = Router(known), int(known.routes.max())
    except (OSError, RuntimeError, ValueError, TypeError, IndexError, SafetensorError) as error:
        raise BundleError(f"The router {place / ROUTER} cannot be read: {error!r:.200}.", "Learn anew.") from error
    base = _plain(bundle, bundle.path / BASE)
    return Routed(base, [read(base, place / str(number), bundle.task) for number in range(1, last + 1)], router)


def _plain(bundle: Bundle, folder: Path) -> Any:
    """The plain model of a folder of the bundle."""
    import torch
    import transformers

    auto = auto_class(bundle.task.auto_model)
    local = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}
    try:
        with quiet():
            model, found = auto.from_pretrained(folder, dtype=torch.float32, output_loading_info=True, **local)
    except (OSError, ValueError, RuntimeError) as error:
        why = " ".join(str(error).split())
        raise BundleError(
            f"transformers {transformers.__version__} cannot load the model of {bundle.path}: {why:.300}",
            "environment.txt in the bundle names the versions that it was made with.",
        ) from error
    if found["missing_keys"]:
        names = ", ".join(sorted(found["missing_keys"])[:3])
        raise BundleError(f"The weights of {bundle.path} lack {names}: they would be random.", "Tune it anew.")
    return model


def _device_of(model: Any) -> torch.device:
    import torch

    parameter = next(iter(model.parameters()), None)
    return torch.device("cpu") if parameter is None else parameter.device


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _array(tensor: torch.Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().float().cpu().numpy()
    return array
