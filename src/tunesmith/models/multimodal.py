"""Encoders of several modalities under one head: one config.json, one model.safetensors.

The config's ``multimodal`` says what stands in it::

    {"encoders": {"text": {"config": {...}, "pooling": "mean"}, "image": {"config": {...}}, "audio": ...},
     "table": 7, "fusion": "late", "hidden": 256, "dropout": 0.1, "modality_dropout": 0.3, "parts": 0}

Before a model is built, an encoder has ``folder`` in the place of ``config``: where its weights are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel

from tunesmith.core.errors import ModelError
from tunesmith.models.aligned import Aligned
from tunesmith.models.encoders.encoder import segments
from tunesmith.models.encoders.load import load_encoder, make_encoder
from tunesmith.models.joined import Joined, JoinedOutput
from tunesmith.models.load import quiet
from tunesmith.models.media_kinds import MultimodalConfig
from tunesmith.models.tagged import Tagged

ORDER = ("text", "image", "audio")
"""Of encoders, and so of ``present``; a table comes last."""


class TextStates(nn.Module):
    """A transformers encoder of text: the whole text's vector, and those of its parts.

    Args:
        model: the encoder.
        pooling: "mean" or "cls": how a text's tokens become one vector.
    """

    def __init__(self, model: Any, pooling: str) -> None:
        super().__init__()
        self.model = model
        self.pooling = pooling
        self.width = int(model.config.hidden_size)

    def tokens(self, ids: torch.Tensor, mask: torch.Tensor, kinds: torch.Tensor | None) -> torch.Tensor:
        """Each token's state, [batch, tokens, width]."""
        beside = {} if kinds is None else {"token_type_ids": kinds}
        states: torch.Tensor = self.model(input_ids=ids, attention_mask=mask, **beside).last_hidden_state
        return states

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, kinds: torch.Tensor | None, parts: int = 0
    ) -> torch.Tensor:
        """[batch, 1 + parts, width]."""
        states = self.tokens(ids, mask, kinds)
        found = segments(states, mask, parts)
        return found if self.pooling == "mean" else torch.cat([states[:, :1], found[:, 1:]], dim=1)


class Multimodal(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Any of text, image, audio and a table of numbers, to logits."""

    config_class = MultimodalConfig
    base_model_prefix = "encoders"
    pools = True
    """Whether it makes one vector of a text's tokens itself, in the way that its config says."""

    def __init__(self, config: Any, encoders: Mapping[str, nn.Module] | None = None) -> None:
        super().__init__(config)
        about = config.multimodal
        made = {name: _made(name, one) for name, one in about["encoders"].items()} if encoders is None else encoders
        self.encoders = nn.ModuleDict({name: made[name] for name in ORDER if name in made})  # JSON sorts its keys
        widths = {name: int(getattr(one, "width")) for name, one in self.encoders.items()}  # noqa: B009 - typed as Module
        if about.get("table"):
            widths["table"] = int(about["table"])
        if "text" in self.encoders:  # fast training looks whether layers compute what it knows
            text: Any = self.encoders["text"]
            config.hidden_act = getattr(text.model.config, "hidden_act", "")
        self.parts = int(about.get("parts", 0))
        self.end = str(about.get("end", "joined"))
        self.joined: nn.Module
        if self.end == "aligned":
            self.joined = Aligned(about, widths)
        else:
            self.joined = (Tagged if self.end == "tagged" else Joined)(about, widths, config.num_labels)
        self.all_tied_weights_keys: dict[str, str] = {}

    def save_pretrained(  # type: ignore[override]
        self, folder: Any, *, state_dict: Mapping[str, torch.Tensor] | None = None, **_: Any
    ) -> None:
        """``config.json`` and ``model.safetensors``, under the names that the loader knows."""
        from safetensors.torch import save_file

        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        self.config.architectures = [type(self).__name__]
        self.config.save_pretrained(place)
        weights = self.state_dict() if state_dict is None else state_dict
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
        save_file(plain, place / "model.safetensors", {"format": "pt"})

    @property
    def own_head(self) -> nn.Module:
        """What is trained where the encoders stay as they are."""
        return self.joined

    def get_input_embeddings(self) -> Any:
        """None: the table of one encoder is not the model's."""
        return None

    def get_output_embeddings(self) -> Any:
        """None."""
        return None

    def states(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Each modality's states; rows that lack one are 0. The batch holds only files that are there."""
        found: dict[str, torch.Tensor] = {}
        present = batch["present"]
        for i, (name, encoder) in enumerate(self.encoders.items()):
            rows = present[:, i] > 0
            if name == "text":
                read: Any = encoder.tokens if self.end == "tagged" else partial(encoder, parts=self.parts)
                found[name] = read(batch["input_ids"], batch["attention_mask"], batch.get("token_type_ids"))
                continue
            shape = (len(present), 1 + self.parts, int(getattr(encoder, "width")))  # noqa: B009
            states = torch.zeros(shape, device=present.device)
            if f"{name}_values" in batch:
                made = encoder(batch[f"{name}_values"], batch.get(f"{name}_lengths"), self.parts)
                states = states.to(made.dtype).index_copy(0, rows.nonzero().squeeze(1), made)
            found[name] = states
        if "table_values" in batch:
            found["table"] = batch["table_values"].unsqueeze(1)
        return found

    def forward(self, present: torch.Tensor, **batch: torch.Tensor) -> JoinedOutput:
        """Arguments are what ``tasks/media_batches.py`` collates."""
        found: JoinedOutput = self.joined(self.states({"present": present, **batch}), present)
        return found


class MultimodalLoader:
    """Makes such models; called as transformers' auto classes are."""

    @classmethod
    def from_pretrained(cls, path: str, *, config: Any = None, output_loading_info: bool = False, **_: Any) -> Any:
        """The model of a bundle's folder; or of the folders that ``config.multimodal`` names, with a fresh head.

        Raises:
            ModelError: an encoder cannot be loaded.
        """
        own = json.loads(Path(path, "config.json").read_text("utf-8"))
        missing: list[str] = []
        if own.get("model_type") == MultimodalConfig.model_type:
            model, missing = _whole(path, MultimodalConfig.from_dict(own) if config is None else config)
        else:
            model = _fresh(config)
        model.eval()  # type: ignore[no-untyped-call]
        return (model, {"missing_keys": missing, "mismatched_keys": []}) if output_loading_info else model


def _whole(path: str, config: Any) -> tuple[Multimodal, list[str]]:
    from safetensors.torch import load_file

    own = json.loads(Path(path, "config.json").read_text("utf-8"))
    there, wanted = set(own["multimodal"]["encoders"]), set(config.multimodal["encoders"])
    if there != wanted:
        raise ModelError(
            f"The model {path} reads {', '.join(sorted(there))}; the rows have {', '.join(sorted(wanted))}.",
            "Start from the encoders instead, or name other columns.",
        )
    config.multimodal = {**config.multimodal, "encoders": own["multimodal"]["encoders"]}
    with quiet():
        model = Multimodal(config)
    weights = load_file(Path(path, "model.safetensors"))
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    fitting = {name: tensor for name, tensor in weights.items() if shapes.get(name) == tensor.shape}
    found = model.load_state_dict(fitting, strict=False)
    # A head for other classes gives way to a new one; an encoder must be whole.
    return model, [name for name in found.missing_keys if not name.startswith("joined.") or name not in weights]


def _fresh(config: Any) -> Multimodal:
    about = dict(config.multimodal)
    encoders: dict[str, nn.Module] = {}
    described: dict[str, Any] = {}
    for name, one in about["encoders"].items():
        if name == "text":
            encoders[name], kept = _text_of(one)
        else:
            made = load_encoder(one["folder"], name)
            encoders[name], kept = made, {"config": made.config}
        described[name] = {**kept, **{key: value for key, value in one.items() if key not in ("folder", "config")}}
    known = {key: getattr(config, key) for key in ("id2label", "label2id", "problem_type") if hasattr(config, key)}
    whole = MultimodalConfig(multimodal={**about, "encoders": described}, num_labels=config.num_labels)
    for key, value in known.items():
        setattr(whole, key, value)
    return Multimodal(whole, encoders)


def _text_of(about: Mapping[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    try:
        with quiet():
            model = AutoModel.from_pretrained(about["folder"], dtype="float32", local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"The text encoder {about['folder']} cannot be loaded: {str(error)[:200]}", "") from error
    _without_pooler(model)
    return TextStates(model, str(about["pooling"])), {"config": model.config.to_diff_dict()}


def _made(name: str, about: Mapping[str, Any]) -> nn.Module:
    if name != "text":
        return make_encoder(dict(about["config"]), name)
    values = dict(about["config"])
    config: PretrainedConfig = AutoConfig.for_model(values.pop("model_type"), **values)
    with quiet():
        model: Any = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    _without_pooler(model)
    return TextStates(model, str(about["pooling"]))


def _without_pooler(model: Any) -> None:
    """What makes one vector for another head is not read here."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
