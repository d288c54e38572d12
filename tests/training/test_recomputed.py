"""Layers computed again on the way back: the same gradients, dropout included; fewer things kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith import testing
from tunesmith.core.errors import RecipeError
from tunesmith.methods.lora import Lora
from tunesmith.models.load import quiet
from tunesmith.tasks.dialogue import Dialogue
from tunesmith.training.kernels import fast_training
from tunesmith.training.recomputed import recomputed

TEXTS = [row["text"] for row in testing.toy_rows("en", 20)]
IDS = torch.arange(2, 34).view(2, 16)


def model(kind: str, folder: Path) -> Any:
    import transformers

    made = {"bert": "AutoModel", "llama": "AutoModelForCausalLM", "gpt2": "AutoModelForCausalLM"}
    path = getattr(testing, f"tiny_{kind}")(folder / kind, texts=TEXTS)
    with quiet():
        found: Any = getattr(transformers, made[kind]).from_pretrained(path)
    return found.train()


def gradients(one: Any, wanted: bool) -> tuple[dict[str, torch.Tensor], int]:
    """Of a loss, and how many numbers were kept for the way back."""
    kept = 0

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.numel()
        return tensor

    torch.manual_seed(5)
    with fast_training(one, None, "cpu"), recomputed(one, wanted):
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            out = one(IDS, **({} if one.config.model_type == "bert" else {"use_cache": False}))[0]
        (out.float() ** 2).mean().backward()
    return {name: p.grad for name, p in one.named_parameters() if p.grad is not None}, kept


@pytest.mark.parametrize("kind", ["bert", "llama", "gpt2", "lora"])
def test_same_gradients_and_less_kept(kind: str, tmp_path: Path) -> None:
    def made() -> Any:
        plain = model("llama" if kind == "lora" else kind, tmp_path)
        torch.manual_seed(1)
        return Lora(rank=2, dropout=0.1).apply(plain, Dialogue()).train() if kind == "lora" else plain

    usual, all_kept = gradients(made(), False)
    again, few_kept = gradients(made(), True)
    assert usual.keys() == again.keys() and usual
    assert all(torch.allclose(usual[name], again[name], atol=1e-6) for name in usual)
    assert few_kept < 0.8 * all_kept


def test_the_model_is_as_it_was(tmp_path: Path) -> None:
    one = model("llama", tmp_path)
    caching = one.config.use_cache
    with pytest.raises(ValueError, match="stop"), recomputed(one, True):
        assert one.model.layers[0].gradient_checkpointing and not one.config.use_cache
        raise ValueError("stop")
    assert not one.model.layers[0].gradient_checkpointing and one.config.use_cache == caching


def test_what_has_no_layers_says_so() -> None:
    with pytest.raises(RecipeError, match="gradient_checkpointing"), recomputed(torch.nn.Linear(2, 2), True):
        pass
