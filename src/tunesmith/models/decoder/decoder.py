"""A model of transformers as a decoder."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from tunesmith.core.errors import ModelError
from tunesmith.models.decoder.any_model import AnyModel, OnArrays, TorchNetwork
from tunesmith.models.decoder.continuous import CHUNK, Continuous, Token, Writing, written
from tunesmith.models.decoder.limits import longest, only_attention
from tunesmith.models.decoder.llama import Llama, fits
from tunesmith.models.decoder.memory import Memory
from tunesmith.models.decoder.packed import pack
from tunesmith.models.decoder.proof import Proof
from tunesmith.models.decoding import ends_of

__all__ = ["CHUNK", "Decoder", "Token", "Writing", "written"]
KINDS = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Decoder(Continuous):
    """A causal model of transformers that many ask at once. For one thread.

    Args:
        model: in evaluation mode.
        rows: texts that are written at once; others wait.
        length: tokens that a text may have, its prompt included; None: as many as the model takes.
        precision: "fp32" or "bf16".
        own: nobody else uses the model: its weights may be repacked in place.

    Raises:
        ModelError: it is no model that can be asked so, or gives other answers than when it is asked alone; or there
            is no room for its weights twice.
    """

    def __init__(
        self, model: Any, *, rows: int = 8, length: int | None = None, precision: str = "fp32", own: bool = False
    ) -> None:
        if not only_attention(model.config):
            raise ModelError(
                f"A {model.config.model_type} model cannot write several texts step by step.", "Take a causal model."
            )
        memory = Memory(rows, min(longest(model.config), length or longest(model.config)))
        device = next(iter(model.parameters())).device
        ends = ends_of(model.generation_config) or ()
        vocabulary = model.get_input_embeddings().num_embeddings
        proof = Proof(lambda text: _whole(model, text), vocabulary, rows, memory.length)
        try:
            computes = _network(model, memory, precision, own)
            network = OnArrays(computes, memory, device)
            proof.hold(network, precision)
        except torch.OutOfMemoryError as error:
            raise ModelError(
                f"The device {device} has no room to pack the model's weights: while it opens they are there twice.",
                "Take writing.precision=bf16, or fewer texts at once (writing.together, writing.context).",
            ) from error
        if own:  # not before: whoever is refused here asks the model otherwise
            _give_away(model, computes)
        super().__init__(network, ends)


@torch.inference_mode()
def _whole(model: Any, text: Sequence[int]) -> np.ndarray:
    ids = torch.tensor([text], device=next(iter(model.parameters())).device)
    found: np.ndarray = model(input_ids=ids).logits[0, -1].float().cpu().numpy()
    return found


def _network(model: Any, memory: Memory, precision: str, own: bool) -> TorchNetwork:
    kind = KINDS[precision]
    if fits(model):
        return Llama(model, memory, kind)
    if kind != model.dtype:
        model, own = copy.deepcopy(model).to(kind), True
    if own:
        pack(model)
    return AnyModel(model, memory)


def _give_away(model: Any, network: TorchNetwork) -> None:
    """Weights that were packed beside the model would be in memory twice."""
    if not (isinstance(network, AnyModel) and network.model is model):
        model.to("meta")
