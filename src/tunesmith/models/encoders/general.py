"""Any model of transformers that reads pictures or waves, as an encoder: ViT, CLIP, DINOv2, ResNet, wav2vec 2.0 ..."""

from __future__ import annotations

import json
from math import isqrt
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch.nn import functional

from tunesmith.core.errors import ModelError
from tunesmith.models.encoders.encoder import Encoder, regions, scaled, segments, there
from tunesmith.models.encoders.inputs import AudioInput, ImageInput

PREPROCESSOR = "preprocessor_config.json"
WINDOW = 30
"""Seconds."""
MOST_EXTRA = 8
"""States that are no patches: a class token, four or more registers."""
_STEP = "feature_extraction"
"""A key of config.json in which we keep the preprocessor's settings, so that a bundle's config tells all."""


class _General(Encoder):
    reads: ClassVar[str]
    """What it gives to the model, in words; and which models read that."""
    instead: ClassVar[str]

    def __init__(self, config: dict[str, Any], model: Any = None) -> None:
        super().__init__(config)
        self.model = _from_config(config) if model is None else model
        self.width = _width(self.model.config)

    @classmethod
    def from_folder(cls, folder: str) -> Self:
        """With the folder's weights; of a model of text and pictures, the side of the pictures."""
        config = general_config(folder)
        from transformers import AutoModel

        try:
            whole: Any = AutoModel.from_pretrained(folder, dtype="float32", local_files_only=True)
        except ImportError as error:  # of timm, for models that it wraps
            why = " ".join(str(error).split())[:200]
            raise ModelError(f"The model {folder} needs another package: {why}", "pip install timm") from error
        inner = getattr(whole, "vision_model", whole)
        made = cls({**inner.config.to_dict(), _STEP: config[_STEP]}, inner)
        made.eval().tried()
        return made

    def tried(self) -> None:
        """Read something once; raise ModelError where the model wants something else than this encoder gives it."""
        try:
            with torch.inference_mode():
                found = self(self.blank())
            if found.shape != (1, 1, self.width):
                raise ValueError(f"it gave {tuple(found.shape)}")
        except Exception as error:  # of any model's own code
            kind = self.model.config.model_type
            raise ModelError(
                f"A model of the kind {kind!r} does not read {self.reads}.", f"Take {self.instead}."
            ) from error

    def blank(self) -> torch.Tensor:
        """A picture or a sound of nothing."""
        raise NotImplementedError


class GeneralImage(_General):
    """[batch, size, size, 3] -> vectors: a transformer's class token, the mean of a network that has none."""

    modality = "image"
    reads, instead = "pictures alone", "a ViT, DINOv2, Swin, CLIP, SigLIP, ResNet or ConvNeXt"

    def __init__(self, config: dict[str, Any], model: Any = None) -> None:
        super().__init__(config, model)
        step, timm = config.get(_STEP) or {}, config.get("pretrained_cfg") or {}
        size = step.get("crop_size") or step.get("size") or config.get("image_size") or timm.get("input_size") or 224
        if isinstance(size, dict):
            size = size.get("height") or size.get("shortest_edge") or 224
        size = size[-1] if isinstance(size, list | tuple) else size
        mean, std = (tuple(step.get(f"image_{key}") or timm.get(key) or (0.5, 0.5, 0.5)) for key in ("mean", "std"))
        self.takes = ImageInput(int(size), mean, std)

    def blank(self) -> torch.Tensor:
        """A grey picture."""
        assert isinstance(self.takes, ImageInput)
        return torch.full((1, self.takes.size, self.takes.size, 3), 128.0)

    def forward(self, values: torch.Tensor, lengths: torch.Tensor | None = None, pieces: int = 0) -> torch.Tensor:
        """See ``Encoder``."""
        assert isinstance(self.takes, ImageInput)
        states: torch.Tensor = self.model(
            pixel_values=scaled(values, self.takes.mean, self.takes.std)
        ).last_hidden_state
        if states.ndim == 4:
            return regions(states if states.shape[1] == self.width else states.permute(0, 3, 1, 2), pieces)
        # A square picture has a square of patches; what stands before them is the class token, and registers.
        side = isqrt(states.shape[1])
        extra = states.shape[1] - side * side
        if extra > MOST_EXTRA:
            return segments(states, torch.ones(states.shape[:2], device=states.device), pieces)
        grid = states[:, extra:].transpose(1, 2).reshape(len(states), -1, side, side)
        found = regions(grid, pieces)
        return torch.cat([states[:, :1], found[:, 1:]], dim=1) if extra else found


class GeneralAudio(_General):
    """[batch, samples, 1] -> vectors: the mean of the states, and of their parts."""

    modality = "audio"
    reads, instead = "waves of any length (AST and CLAP read spectrograms)", "a wav2vec 2.0, HuBERT, WavLM or Whisper"

    def __init__(self, config: dict[str, Any], model: Any = None) -> None:
        super().__init__(config, model)
        step = config.get(_STEP) or {}
        normal = step.get("do_normalize", True)
        self.takes = AudioInput("normal-wave" if normal else "wave", int(step.get("sampling_rate", 16_000)))

    def blank(self) -> torch.Tensor:
        """Half a second of silence."""
        assert isinstance(self.takes, AudioInput)
        return torch.zeros(1, self.takes.rate // 2, 1)

    def forward(self, values: torch.Tensor, lengths: torch.Tensor | None = None, pieces: int = 0) -> torch.Tensor:
        """See ``Encoder``. Longer sounds are read in windows of 30 s: attention over half an hour is out of reach."""
        assert isinstance(self.takes, AudioInput)
        mask = there(lengths, values)
        window = WINDOW * self.takes.rate
        windows = zip(torch.split(values, window, 1), torch.split(mask, window, 1), strict=True)
        found = [self._window(v, m) for v, m in windows]
        return segments(torch.cat([one for one, _ in found], 1), torch.cat([one for _, one in found], 1), pieces)

    def _window(self, values: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """States of a window [batch, states, width], and which are there; only of sounds that reach into it."""
        assert isinstance(self.takes, AudioInput)
        if (short := self.takes.rate // 10 - mask.shape[1]) > 0:  # less than convolutions need
            values, mask = functional.pad(values, (0, 0, 0, short)), functional.pad(mask, (0, short))
        rows = mask.any(1).nonzero().squeeze(1)
        some = mask[rows]
        made = self.model(values[rows].squeeze(-1) * some, attention_mask=some.long()).last_hidden_state
        share = some.sum(1, keepdim=True) / some.shape[1]
        there_are = torch.arange(made.shape[1], device=made.device) < (share * made.shape[1]).ceil()
        states = torch.zeros(len(mask), *made.shape[1:], dtype=made.dtype, device=made.device)
        kept = torch.zeros(len(mask), made.shape[1], device=made.device)
        return states.index_copy(0, rows, made), kept.index_copy(0, rows, there_are.float())


def _width(config: Any) -> int:
    """Numbers in a state: models call it in four ways."""
    several = getattr(config, "hidden_sizes", None) or [0]
    names = ("hidden_size", "num_features", "hidden_dim")
    found = next((int(getattr(config, name)) for name in names if getattr(config, name, None)), int(several[-1]))
    if not found:
        raise ModelError(
            f"A model of the kind {config.model_type!r} does not say how wide its states are.", "Take another model."
        )
    return found


def general_config(folder: str) -> dict[str, Any]:
    """The folder's config.json with its preprocessor's settings in it."""
    config: dict[str, Any] = json.loads(Path(folder, "config.json").read_text("utf-8"))
    beside = Path(folder, PREPROCESSOR)
    step = json.loads(beside.read_text("utf-8")) if beside.is_file() else {}
    return {**config, _STEP: step}


def _from_config(config: dict[str, Any]) -> Any:
    from transformers import AutoConfig, AutoModel

    try:
        plain = {key: value for key, value in config.items() if key != _STEP}
        return AutoModel.from_config(AutoConfig.for_model(**plain))  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise ModelError(
            f"transformers has no plain encoder of the kind {config.get('model_type')!r}: {str(error)[:120]}",
            "Take another model for this modality.",
        ) from error
