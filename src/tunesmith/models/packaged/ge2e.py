"""The GE2E speaker encoder: what a run on voices may start from.

Wan et al. 2018, "Generalized End-to-End Loss for Speaker Verification"; trained by Resemblyzer's author.
"""

from __future__ import annotations

import json
from pathlib import Path

from tunesmith.models.packaged.contract import PackagedModel

_README = """---
license: apache-2.0
library_name: tunesmith
---
# GE2E speaker encoder, from the package Resemblyzer

Weights: [Resemblyzer](https://github.com/resemble-ai/Resemblyzer) 0.1.4, Apache-2.0, by Corentin Jemine (Resemble AI);
written out as safetensors by Tunesmith. Mel energies of 40 channels, 16 kHz, windows of 1.6 s, vectors of 256.
"""


def convert(weights: Path, folder: Path) -> None:
    """Write the package's checkpoint as a folder that ``models/encoders/ge2e.py`` reads."""
    import torch
    from safetensors.torch import save_file

    found = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
    tensors = {name: tensor.contiguous() for name, tensor in found.items() if name.startswith(("lstm.", "linear."))}
    config = {"model_type": "tunesmith-ge2e", "hidden_size": 256, "num_layers": 3}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2), "utf-8")
    (folder / "README.md").write_text(_README, "utf-8")


GE2E = PackagedModel(
    name="ge2e",
    summary="encoder of voices: who speaks, 1.4M parameters",
    hub_id="resemble-ai/resemblyzer",
    package="Resemblyzer",
    version="0.1.4",
    module="resemblyzer",
    weights="pretrained.pt",
    weights_hash="69000eea2eea5ed68d214ddc0c10a1da672862e3f8716dc022db7baf5c72e847",
    licence="apache-2.0",
    languages=("zxx",),
    pooling=None,
    prefix="",
    max_length=512,
    parameters=1_423_616,
    pip_options="--no-deps",  # it asks for librosa, webrtcvad and typing, which only its own loader needs
    convert=convert,
)
