"""What the outputs of a head are called, in a transformers config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def name_outputs(config: PretrainedConfig, names: Sequence[str]) -> None:
    """Write the names, and by them how many outputs there are."""
    config.id2label = dict(enumerate(names))
    config.label2id = {name: i for i, name in enumerate(names)}
