"""Fast training of encoder-decoders: the same loss and gradients as without it, position biases included."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith.core.registry import family
from tunesmith.models.build import build
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve
from tunesmith.models.tensors import tensors
from tunesmith.testing import tiny_t5
from tunesmith.training.kernels import fast_training

ROWS = [
    {"text": "The dog is on the beach and it is happy.", "target": "Der Hund ist am Strand."},
    {"text": "Two children are eating ice in the street, and they like it.", "target": "Zwei Kinder essen ein Eis."},
    {"text": "狗在海滩上。", "target": "好。"},
]


def made(folder: Path, dropout: float, gated: bool) -> tuple[Any, Any, dict[str, torch.Tensor], torch.Tensor]:
    path = tiny_t5(folder / "t5", texts=[text for row in ROWS for text in row.values()])
    if gated:
        import json

        from transformers import AutoConfig, AutoModelForSeq2SeqLM

        config = AutoConfig.from_pretrained(path)
        config.update({"feed_forward_proj": "gated-gelu", "is_gated_act": True, "dense_act_fn": "gelu_new"})
        torch.manual_seed(3)
        AutoModelForSeq2SeqLM.from_config(config).save_pretrained(folder / "gated")
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (folder / "gated" / name).write_bytes((path / name).read_bytes())
        assert json.loads((folder / "gated" / "config.json").read_text("utf-8"))["is_gated_act"]
        path = folder / "gated"
    task = family("tasks").make("translation")
    task.learn(ROWS)
    reference = resolve(str(path))
    processor, model = load_processor(reference), build(reference, task)
    torch.manual_seed(5)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
        if hasattr(module, "relative_attention_bias"):  # as large as in a model that has learned
            torch.nn.init.normal_(module.relative_attention_bias.weight, std=2.0)
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = dropout
    features = task.encode(ROWS, processor, max_length=60, targets=True)
    batch = tensors(task.collate(features, processor))
    return task, model, batch, torch.from_numpy(task.token_ids(features)).long()


def loss_and_gradients(
    folder: Path, fast: bool, gated: bool, precision: torch.dtype
) -> tuple[float, dict[str, torch.Tensor]]:
    task, model, batch, used = made(folder, 0.0, gated)
    model.train()
    with fast_training(model, used, "cpu") if fast else nullcontext():
        with torch.autocast("cpu", dtype=precision, enabled=precision != torch.float32):
            outputs = task.forward(model, batch)
        loss = task.loss(outputs, batch)
        loss.backward()
        gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return float(loss.detach()), gradients


@pytest.mark.parametrize("gated", [False, True], ids=["relu", "gated-gelu"])
def test_same_loss_and_gradients(gated: bool, tmp_path: Path) -> None:
    slow, wanted = loss_and_gradients(tmp_path, False, gated, torch.float32)
    fast, found = loss_and_gradients(tmp_path, True, gated, torch.float32)
    assert fast == pytest.approx(slow, rel=1e-5)
    compared = 0
    for name, gradient in wanted.items():
        if name in found and found[name].shape == gradient.shape:  # the embeddings are those of this text alone
            torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-6, msg=name)
            compared += 1
    assert compared > 20 and any("relative_attention_bias" in name for name in found)


@pytest.mark.parametrize("gated", [False, True], ids=["relu", "gated-gelu"])
def test_bf16_is_close(gated: bool, tmp_path: Path) -> None:
    slow, _ = loss_and_gradients(tmp_path, False, gated, torch.float32)
    fast, _ = loss_and_gradients(tmp_path, True, gated, torch.bfloat16)
    assert fast == pytest.approx(slow, rel=0.02)


def test_it_is_as_it_was_afterwards(tmp_path: Path) -> None:
    task, model, batch, used = made(tmp_path, 0.1, gated=True)
    model.eval()
    names = set(model.state_dict())

    def loss() -> float:
        return float(task.loss(task.forward(model, batch), batch).detach())

    before = loss()
    with fast_training(model, used, "cpu"):
        model.train()
        task.loss(task.forward(model, batch), batch).backward()
        model.eval()
        within = loss()
    assert set(model.state_dict()) == names
    assert loss() == pytest.approx(before, abs=1e-6)
    assert within == pytest.approx(before, rel=1e-5)
