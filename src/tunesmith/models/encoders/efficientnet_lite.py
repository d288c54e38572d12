"""EfficientNet-Lite0: 4.7 million weights for pictures, without the parts that small devices are slow at.

Tan & Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"; the lite variants by Liu
(2020) leave out squeeze-and-excitation, and take ReLU6 instead of swish.

The last layer's means are made for ImageNet's classes; what else is in a picture is plainer in the stages before it
(Evci et al. 2022, "Head2Toe"). A vector here holds both.
"""

from __future__ import annotations

import copy
import json
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import nn
from torch.nn import functional

from tunesmith.models.encoders.encoder import Encoder, regions, scaled
from tunesmith.models.encoders.inputs import ImageInput

STAGES = (  # channels, blocks, kernel, stride, expansion
    (16, 1, 3, 1, 1), (24, 2, 3, 2, 6), (40, 2, 5, 2, 6), (80, 3, 3, 2, 6), (112, 3, 5, 1, 6), (192, 4, 5, 2, 6),
    (320, 1, 3, 1, 6),
)  # fmt: skip
STEM, HEAD, CLASSES = 32, 1280, 1000
BESIDE = 3
"""Stages, the last ones, that are read beside the last layer."""


class Layer(nn.Module):
    """A convolution without bias, batch normalisation, and ReLU6 where ``active``."""

    def __init__(self, inner: int, outer: int, kernel: int, stride: int = 1, groups: int = 1, *, active: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, kernel, stride, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outer, eps=1e-3, momentum=0.01)
        self.active = active

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, inner, height, width] -> [batch, outer, height / stride, width / stride]."""
        conv, size, step = self.conv, self.conv.kernel_size[0], self.conv.stride[0]
        # As TensorFlow pads: what is odd stands on the right and below.
        pads = [max((-(-n // step) - 1) * step + size - n, 0) for n in (x.shape[-2], x.shape[-1])]
        if any(pad % 2 for pad in pads):
            up, left = (pad // 2 for pad in pads)
            x = functional.pad(x, (left, pads[1] - left, up, pads[0] - up))
            pads = [0, 0]
        halves = [pad // 2 for pad in pads]
        made: torch.Tensor = self.norm(functional.conv2d(x, conv.weight, conv.bias, step, halves, groups=conv.groups))
        if not self.active:
            return made
        return functional.relu6(made, inplace=not torch.is_grad_enabled())

    def folded(self) -> None:
        """Normalisation into the convolution: the same function, one pass over memory less."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = nn.utils.fusion.fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
            self.norm = nn.Identity()


class Block(nn.Module):
    """Wider, each channel by itself, narrower again (Sandler et al. 2018); added to what came in where it fits."""

    def __init__(self, inner: int, outer: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inner * expansion
        self.expand = Layer(inner, wide, 1, active=True) if expansion > 1 else nn.Identity()
        self.depth = Layer(wide, wide, kernel, stride, wide, active=True)
        self.project = Layer(wide, outer, 1, active=False)
        self.adds = stride == 1 and inner == outer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, inner, height, width] -> [batch, outer, ...]."""
        made: torch.Tensor = self.project(self.depth(self.expand(x)))
        return made + x if self.adds else made


class EfficientNetLite(Encoder):
    """[batch, 224, 224, 3] -> vectors of 1280 + 112 + 192 + 320: of the last layer, and of the stages before it."""

    modality: ClassVar[str] = "image"

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        wide = float(config.get("scale", 1.0))  # tests take a fraction of the channels

        def channels(number: int) -> int:
            return max(4, int(number * wide))

        self.takes = ImageInput(int(config.get("image_size", 224)))
        self.stem = Layer(3, channels(STEM), 3, 2, active=True)
        blocks, inner = [], channels(STEM)
        for outer, many, kernel, stride, expansion in STAGES:
            for number in range(many):
                blocks.append(Block(inner, channels(outer), kernel, stride if number == 0 else 1, expansion))
                inner = channels(outer)
        self.blocks = nn.ModuleList(blocks)
        self.last = Layer(inner, channels(HEAD), 1, active=True)
        self.ends = list(accumulate(stage[1] for stage in STAGES))[-BESIDE:]
        self.width = channels(HEAD) + sum(channels(stage[0]) for stage in STAGES[-BESIDE:])

    @classmethod
    def from_folder(cls, folder: str) -> Self:
        """With the folder's weights."""
        from safetensors.torch import load_file

        made = cls(json.loads(Path(folder, "config.json").read_text("utf-8")))
        made.load_state_dict(load_file(Path(folder, "model.safetensors")))
        return made

    def quick(self) -> Self:
        """A copy whose normalisations are folded into its convolutions, with channels last in memory."""
        made = copy.deepcopy(self).eval().requires_grad_(False)
        for module in made.modules():
            if isinstance(module, Layer):
                module.folded()
        return made.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def train(self, mode: bool = True) -> Self:
        """Its weights may be tuned, but what batch normalisation knows of ImageNet stays: small batches tell less."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.training = False
        return self

    def forward(self, values: torch.Tensor, lengths: torch.Tensor | None = None, pieces: int = 0) -> torch.Tensor:
        """See ``Encoder``."""
        x = self.stem(scaled(values, self.takes.mean, self.takes.std))  # type: ignore[union-attr]
        beside = []
        for number, block in enumerate(self.blocks, 1):
            x = block(x)
            if number in self.ends:
                beside.append(regions(x, pieces))
        return torch.cat([regions(self.last(x), pieces), *beside], dim=-1)
