"""An encoder by its folder, or by its configuration alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from tunesmith.core.errors import ModelError
from tunesmith.models.encoders import ENCODERS
from tunesmith.models.encoders.encoder import Encoder
from tunesmith.models.folder import read_json
from tunesmith.models.load import quiet


def encoder_class(kind: str, modality: str) -> type[Encoder]:
    """The class for a ``model_type``; raises ModelError where it reads something else."""
    if kind in ENCODERS:
        found = cast("type[Encoder]", ENCODERS.load(kind))
    else:
        from tunesmith.models.encoders.general import GeneralAudio, GeneralImage

        found = GeneralAudio if modality == "audio" else GeneralImage
    if found.modality != modality:
        raise ModelError(
            f'A model of the kind "{kind}" reads {found.modality}, not {modality}.', f"Take another {modality} model."
        )
    return found


def load_encoder(folder: str, modality: str) -> Encoder:
    """The encoder of a folder, with its weights, in fp32 and not training.

    Raises:
        ModelError: the folder is of another modality, or damaged.
    """
    kind = str(read_json(Path(folder) / "config.json").get("model_type"))
    made = encoder_class(kind, modality)
    try:
        with quiet():
            return made.from_folder(folder).eval()
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError) as error:
        why = " ".join(str(error).split())[:200]
        raise ModelError(f"The {modality} encoder {folder} cannot be loaded: {why}", "Take another model.") from error


def make_encoder(config: dict[str, Any], modality: str) -> Encoder:
    """An encoder of this shape with fresh weights, for weights that are put in afterwards."""
    with quiet():
        return encoder_class(str(config.get("model_type")), modality)(config).eval()
