"""Any model of transformers that reads pictures or waves, as an encoder: ViT, CLIP, DINOv2, ResNet, wav2vec 2.0 ..."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import torch
from torch.nn import functional

from tunesmith.core.errors import ModelError
from tunesmith.models.encoders.encoder import SIDE, Encoder, regions, scaled, segments, there
from tunesmith.models.encoders.inputs import AudioInput, ImageInput

PREPROCESSOR = "preprocessor_config.json"
WINDOW = 30
"""Seconds."""
_STEP = "feature_extraction"
"""A key of config.json in which we keep the preprocessor's settings, so that a bundle's config tells all."""


class _General(Encoder):
    def __init__(self, config: dict[str, Any], model: Any = None) -> None:
        super().__init__(config)
        self.model = _from_config(config) if model is None else model
        self.width = int(getattr(self.model.config, "hidden_size", 0) or self.model.config.hidden_sizes[-1])

    @classmethod
    def from_folder(cls, folder: str) -> Self:
        """With the folder's weights; of a model of text and pictures, the side of the pictures."""
        config = general_config(folder)
        from transformers import AutoModel

        whole: Any = AutoModel.from_pretrained(folder, dtype="float32", local_files_only=True)
        inner = getattr(whole, "vision_model", whole)
        return cls({**inner.config.to_dict(), _STEP: config[_STEP]}, inner)


class GeneralImage(_General):
    """[batch, size, size, 3] -> vectors: the class token of a transformer, the mean of a convolutional network."""

    modality = "image"

    def __init__(self, config: dict[str, Any], model: Any = None) -> None:
        super().__init__(config, model)
        step = config.get(_STEP) or {}
        size = step.get("crop_size") or step.get("size") or config.get("image_size") or 224
        if isinstance(size, dict):
            size = size.get("height") or size.get("shortest_edge") or 224
        mean, std = (tuple(step.get(key) or (0.5, 0.5, 0.5)) for key in ("image_mean", "image_std"))
        self.takes = ImageInput(int(size), mean, std)

    def forward(self, values: torch.Tensor, lengths: torch.Tensor | None = None, pieces: int = 0) -> torch.Tensor:
        """See ``Encoder``."""
        assert isinstance(self.takes, ImageInput)
        states: torch.Tensor = self.model(
            pixel_values=scaled(values, self.takes.mean, self.takes.std)
        ).last_hidden_state
        if states.ndim == 4:
            return regions(states, pieces)
        side = int((states.shape[1] - 1) ** 0.5)
        first = states[:, :1]
        if not pieces:
            return first if side * side == states.shape[1] - 1 else states.mean(1, keepdim=True)
        grid = states[:, -side * side :].transpose(1, 2).reshape(len(states), -1, side, side)
        parts = functional.adaptive_avg_pool2d(grid, SIDE).flatten(2).transpose(1, 2)
        return torch.cat([first, parts], dim=1)


class GeneralAudio(_General):
    """[batch, samples, 1] -> vectors: the mean of the states, and of their parts."""

    modality = "audio"

    def __init__(self, config: dict[str, Any], model: Any = None) -> None:
        super().__init__(config, model)
        step = config.get(_STEP) or {}
        normal = step.get("do_normalize", True)
        self.takes = AudioInput("normal-wave" if normal else "wave", int(step.get("sampling_rate", 16_000)))

    def forward(self, values: torch.Tensor, lengths: torch.Tensor | None = None, pieces: int = 0) -> torch.Tensor:
        """See ``Encoder``. Longer sounds are read in windows of 30 s: attention over half an hour is out of reach."""
        assert isinstance(self.takes, AudioInput)
        mask = there(lengths, values)
        window = WINDOW * self.takes.rate
        found = [self._window(v, m) for v, m in zip(values.split(window, 1), mask.split(window, 1), strict=True)]
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
