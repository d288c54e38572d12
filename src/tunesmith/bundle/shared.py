"""Several bundles that were tuned on one backbone: in memory once, computed in one batch.

What a bundle has of its own is found by comparing it with the first: what LoRA added (its ``adapter/`` says what, so
it can be taken off again), and the linear layers of its head. Where anything else differs it is not shared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.bundle.layout import ADAPTER, CONFIG, WEIGHTS
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import TORCH, Bundle
from tunesmith.bundle.runtimes.torch import TorchRuntime, load_model
from tunesmith.core.contracts import Batch, Feature, Prediction, Row, Task

if TYPE_CHECKING:
    import torch

METHODS = ("head", "lora")
CLOSE = 1e-5
"""Of a weight of the base, after LoRA was taken off: above the rounding of that, far below any training."""
PLAIN = ("alpha_pattern", "rank_pattern")
NEITHER = ("use_dora", "lora_bias", "fan_in_fan_out", "trainable_token_indices", "target_parameters")


class NotShared(Exception):
    """A bundle is of another backbone, or differs from it elsewhere than in adapters and heads."""


def fingerprint(bundle: Bundle) -> str | None:
    """What bundles must have in common before their weights are compared; None: it can share with none."""
    manifest = bundle.manifest
    shareable = manifest.runtime.name == TORCH and manifest.method.name in METHODS
    if not (shareable and (bundle.path / WEIGHTS).is_file() and type(bundle.task).infer is Task.infer):
        return None
    config = json.loads((bundle.path / CONFIG).read_text("utf-8"))
    for name in ("id2label", "label2id", "_name_or_path", "problem_type"):
        config.pop(name, None)
    tokenizer = {name: one.sha256 for name, one in manifest.files.items() if name.startswith("tokenizer")}
    told = [manifest.task.name, manifest.lineage.base_model, manifest.max_length, config, tokenizer]
    return json.dumps(told, sort_keys=True, default=str)


class SharedBackbone:
    """One model for several bundles.

    Args:
        first: a bundle; its own weights become those of route 0.
    """

    def __init__(self, first: Bundle) -> None:
        from tunesmith.models.heads import mean
        from tunesmith.models.many import Routes

        self.model = load_model(first).eval()
        self.routes = Routes()
        self.members: list[Member] = []
        self._base = dict(self.model.state_dict())
        mean.shorten(self.model)
        self._linears = _linears(self.model)
        self._many: dict[str, Any] = {}
        self._lora: dict[str, Any] = {}
        for name, (a, b) in lora_of(first).items():
            linear = self._linears[name]
            linear.weight.data -= b @ a
            self._loras(name).add(a, b)
        self.runtime = SharedRuntime(self)
        self._join(first)

    def add(self, bundle: Bundle) -> Member:
        """One more bundle.

        Raises:
            NotShared: it differs where adapters and heads do not reach; the others are as they were.
        """
        from torch import nn

        added = lora_of(bundle)
        own = self._own(bundle, added)
        for name in added:
            self._loras(name)
        for name, lora in self._lora.items():
            lora.add(*added.get(name, (None, None)))
        for name in {name for name, _ in own} - self._many.keys():
            self._manies(name)
        for name, many in self._many.items():
            weight, bias = own.get((name, "weight")), own.get((name, "bias"))
            if weight is None and bias is None:
                many.add()
                continue
            first = self._linears[name]
            weight = first.weight.data if weight is None else weight
            linear = nn.Linear(weight.shape[1], weight.shape[0], bias=first.bias is not None).requires_grad_(False)
            linear.weight.data = weight.clone()
            if first.bias is not None:
                linear.bias.data = (first.bias.data if bias is None else bias).clone()
            many.add(linear)
        return self._join(bundle)

    def _join(self, bundle: Bundle) -> Member:
        labels = len(json.loads((bundle.path / CONFIG).read_text("utf-8")).get("id2label", {})) or None
        member = Member(bundle, self.runtime, len(self.members), labels)
        self.members.append(member)
        return member

    def _own(self, bundle: Bundle, added: Mapping[str, Any]) -> dict[tuple[str, str], torch.Tensor]:
        """(linear layer, "weight" or "bias") -> its values, where they are not the base's."""
        import torch
        from safetensors import safe_open

        base = self._base
        own: dict[tuple[str, str], torch.Tensor] = {}
        with safe_open(bundle.path / WEIGHTS, "pt") as file:
            names = set(file.keys())
            if names - base.keys():
                raise NotShared(f"it has {sorted(names - base.keys())[0]}, which the others do not have")
            for name in names:
                module, _, kind = name.rpartition(".")
                tensor = file.get_tensor(name).float()
                if module in added and kind == "weight":
                    a, b = added[module]
                    tensor = tensor - b @ a
                same = tensor.shape == base[name].shape and torch.allclose(tensor, base[name], rtol=0, atol=CLOSE)
                if not same and (module not in self._linears or module in added or module in self._lora):
                    raise NotShared(f"its {name} is not the others'")
                if not same:
                    own[module, kind] = tensor
        return own

    def _loras(self, name: str) -> Any:
        from tunesmith.models.many import ManyLora

        if name not in self._lora:
            self._lora[name] = ManyLora(self._linears[name], self.routes)
            for _ in self.members:
                self._lora[name].add()
            _put(self.model, name, self._lora[name])
        return self._lora[name]

    def _manies(self, name: str) -> None:
        from tunesmith.models.many import ManyLinear

        self._many[name] = ManyLinear(self._linears[name], self.routes, len(self.members))
        _put(self.model, name, self._many[name])


class SharedRuntime(TorchRuntime):
    """The shared model as a runtime: a batch's ``route`` [batch] says whose each row is."""

    def __init__(self, shared: SharedBackbone) -> None:
        from tunesmith.core.runtime import resolve

        super().__init__(shared.model, resolve("auto", "fp32").device)
        self.shared = shared

    def forward(self, batch: Batch) -> dict[str, np.ndarray]:
        """As ``TorchRuntime``; logits are as wide as those of the model that has the most classes."""
        import torch

        rows = torch.as_tensor(np.asarray(batch["route"]))
        self.shared.routes.rows = rows.to(next(self.model.parameters()).device)
        return super().forward({name: value for name, value in batch.items() if name != "route"})


class Member(Predictor):
    """A bundle's predictor over a shared backbone. ``infer`` takes features of all members together.

    Args:
        bundle: whose task and tokenizer it has.
        runtime: the shared one.
        route: its number.
        labels: how many of the logits are its own; None: all.
    """

    def __init__(self, bundle: Bundle, runtime: SharedRuntime, route: int, labels: int | None) -> None:
        length = bundle.manifest.max_length
        super().__init__(bundle.task, bundle.processor, runtime, max_length=length, clean=bundle.clean)
        self.route = route
        self.labels = labels

    def encode(self, rows: Sequence[Row], *, targets: bool = False) -> list[Feature]:
        """Features that know whose they are."""
        return [{**feature, "route": self.route} for feature in super().encode(rows, targets=targets)]

    def collate(self, features: Sequence[Feature]) -> Batch:
        """With ``route``."""
        return {**super().collate(features), "route": np.array([one["route"] for one in features], dtype=np.int64)}

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """Of its own logits."""
        return super().decode([one[..., : self.labels] for one in outputs], features)


def lora_of(bundle: Bundle) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Layer -> (A [rank, in], B [out, rank] times LoRA's scale), of a bundle's adapter; {} where it has none.

    Raises:
        NotShared: it is more than LoRA.
    """
    from safetensors.torch import load_file

    folder = bundle.path / ADAPTER
    if not folder.is_dir():
        return {}
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    if config.get("peft_type") != "LORA" or any(config.get(name) for name in (*PLAIN, *NEITHER)):
        raise NotShared("its adapter is more than LoRA")
    if config.get("bias", "none") != "none":
        raise NotShared("its adapter trained biases, too")
    scale = config["lora_alpha"] / (config["r"] ** 0.5 if config.get("use_rslora") else config["r"])
    weights = load_file(_adapter(folder))
    found = {}
    for name in weights:
        if name.endswith(".lora_A.weight"):
            module = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            other = weights[name.replace(".lora_A.", ".lora_B.")]
            found[module] = (weights[name].float(), other.float() * scale)
    return found


def _adapter(folder: Path) -> Path:
    return folder / "adapter_model.safetensors"


def _linears(model: Any) -> dict[str, Any]:
    from torch import nn

    return {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}


def _put(model: Any, name: str, module: Any) -> None:
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module)
