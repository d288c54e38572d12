"""Rates by layer, what is decayed, schedules and clipping."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.models.tensors import tensors
from tunesmith.training.optim import OptimizerSettings, adamw, clip, depth, factor, parameter_groups


def by_name(model: Any, settings: OptimizerSettings) -> dict[str, dict[str, Any]]:
    names = {id(p): name for name, p in model.named_parameters()}
    groups = parameter_groups(model, settings)
    return {names[id(p)]: group for group in groups for p in group["params"]}  # type: ignore[attr-defined]


def test_lower_layers_learn_slower_and_the_head_faster(run: Any) -> None:
    found = by_name(run.fresh(), OptimizerSettings(1.0, 0.01, layer_decay=0.5, head_learning_rate=3.0))
    rate = {name: group["lr"] for name, group in found.items()}
    assert rate["classifier.weight"] == 3.0
    assert rate["bert.pooler.dense.bias"] == 1.0
    assert rate["bert.encoder.layer.1.attention.self.query.weight"] == 1.0
    assert rate["bert.encoder.layer.0.attention.self.query.weight"] == 0.5
    assert rate["bert.embeddings.word_embeddings.weight"] == rate["bert.embeddings.LayerNorm.bias"] == 0.25


def test_biases_norms_and_embeddings_are_not_decayed(run: Any) -> None:
    model = run.fresh()
    found = by_name(model, OptimizerSettings(1.0, 0.01))
    assert set(found) == {name for name, _ in model.named_parameters()}
    for name, group in found.items():
        free = name.endswith("bias") or "LayerNorm" in name or "embeddings" in name
        assert group["weight_decay"] == (0.0 if free else 0.01), name


def test_frozen_weights_are_left_out(run: Any) -> None:
    model = run.fresh()
    model.bert.requires_grad_(False)
    assert set(by_name(model, OptimizerSettings(1.0))) == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("bert.embeddings.word_embeddings.weight", 0),
        ("distilbert.transformer.layer.3.attention.q_lin.weight", 4),
        ("model.layers.5.mlp.up_proj.weight", 6),
        ("transformer.h.0.attn.c_attn.weight", 1),
        ("base_model.model.bert.encoder.layer.2.output.dense.lora_A.default.weight", 3),
        ("base_model.model.classifier.modules_to_save.default.weight", 7),
        ("score.weight", 7),
        ("pre_classifier.weight", 7),
        ("classifier.out_proj.bias", 7),
        ("bert.pooler.dense.weight", 6),
        ("classification_head.out_proj.weight", 7),
    ],
)
def test_depth(name: str, wanted: int) -> None:
    assert depth(name, 6) == wanted


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_schedules(schedule: Any) -> None:
    found = [factor(step, 100, 0.1, schedule) for step in range(100)]
    assert found[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert found[10] == 1.0
    ends = {"linear": 1 / 90, "cosine": 0.000305, "constant": 1.0}
    assert found[99] == pytest.approx(ends[schedule], abs=1e-4)
    middle = {"linear": 0.5, "cosine": 0.5, "constant": 1.0}
    assert found[55] == pytest.approx(middle[schedule])
    assert found[10:] == sorted(found[10:], reverse=True)
    assert factor(0, 100, 0.0, schedule) == 1.0


@given(st.integers(0, 40), st.integers(1, 40), st.floats(0, 1), st.sampled_from(["linear", "cosine", "constant"]))
def test_a_factor_is_never_outside_of_0_and_1(step: int, total: int, warmup: float, schedule: Any) -> None:
    assert 0 <= factor(step, total, warmup, schedule) <= 1
    if step < total:
        assert factor(step, total, warmup, schedule) > 0, "no step is for nothing"


@pytest.mark.parametrize("largest", [0.5, 1e3, 0.0])
def test_clip_is_torchs(largest: float) -> None:
    torch.manual_seed(0)
    mine = [torch.nn.Parameter(torch.zeros(n)) for n in (3, 40, 2)]
    theirs = [torch.nn.Parameter(torch.zeros(n)) for n in (3, 40, 2)]
    for one, other in zip(mine[:2], theirs[:2], strict=True):  # the third has no gradient
        one.grad = torch.randn(len(one))
        other.grad = one.grad.clone()
    norm = clip(mine, largest)
    wanted = torch.nn.utils.clip_grad_norm_(theirs, largest or 1e9)
    torch.testing.assert_close(norm, wanted)
    for one, other in zip(mine[:2], theirs[:2], strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("largest", [0.5, 1e3])
def test_a_fused_optimizer_clips_in_its_step(largest: float) -> None:
    torch.manual_seed(0)
    gradients = [torch.randn(n) for n in (3, 40)]
    after = []
    for folded in (True, False):
        weights = [torch.nn.Parameter(torch.ones(n)) for n in (3, 40)]
        optimizer = torch.optim.AdamW(weights, lr=0.1, eps=1.0, fused=True)  # a large epsilon: the scale matters
        for bound in (largest, 1e9):  # a step that needs none must not keep the scale of the one before
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.grad = gradient.clone()
            norm = clip(weights, bound, optimizer if folded else None)
            optimizer.step()
        after.append([norm, *(w.detach() for w in weights)])
    for one, other in zip(*after, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


def test_one_step_is_adamws(run: Any) -> None:
    model = run.fresh(0.0).eval()
    batch = tensors(run.task.collate(run.features[:4], run.processor))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    run.task.loss(model(**{k: v for k, v in batch.items() if k != "labels"}), batch).backward()
    adamw(model, OptimizerSettings(1e-3, 0.1)).step()
    name, p = next((n, p) for n, p in model.named_parameters() if n == "classifier.weight")
    # The first step of Adam is the gradient's sign.
    wanted = before[name] * (1 - 1e-4) - 1e-3 * p.grad / (p.grad.abs() + 1e-8)
    torch.testing.assert_close(p.detach(), wanted, atol=1e-6, rtol=1e-5)
