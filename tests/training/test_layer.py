"""A layer with its backward written out is the plain layer, and steps aside for whatever else is asked."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from tunesmith import testing
from tunesmith.models.load import quiet
from tunesmith.training.kernels import attention, fast_training, layer
from tunesmith.training.optim import OptimizerSettings

IDS = torch.tensor([[5, 6, 7, 8, 6], [5, 6, 3, 3, 3], [9, 9, 4, 6, 3]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]])


def tiny(folder: Any, kind: str = "bert", rate: float = 0.0) -> Any:
    from transformers import AutoModel

    with quiet():
        model = AutoModel.from_pretrained(getattr(testing, f"tiny_{kind}")(folder / kind, texts=["room"]))
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = rate
    torch.manual_seed(3)
    for name, parameter in model.named_parameters():  # zero biases and unit norms would hide mistakes
        if name.endswith("bias") or "LayerNorm" in name:
            parameter.data += torch.randn_like(parameter) * 0.2
    return model.train()


def step(model: Any, precision: str = "fp32", **options: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The output, and the gradients of a weighted sum of it."""
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        found = model(input_ids=IDS, attention_mask=MASK, **options).last_hidden_state[MASK.bool()]
    weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(5))
    (found * weight).sum().backward()
    return found.detach(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def same(found: Any, wanted: Any, tolerance: float) -> None:
    assert found[1].keys() == wanted[1].keys()
    torch.testing.assert_close(found[0].float(), wanted[0].float(), atol=tolerance, rtol=tolerance)
    for name, gradient in wanted[1].items():
        if "key.bias" not in name:  # is zero but for rounding: softmax takes no notice of it
            gap = float((found[1][name].float() - gradient).norm() / gradient.norm().clamp(min=1e-6))
            assert gap < tolerance, (name, gap)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("bf16", 6e-2)])
def test_output_and_gradients_are_the_plain_layers(kind: str, precision: str, tolerance: float, tmp_path: Any) -> None:
    model = tiny(tmp_path, kind)
    wanted = step(model)
    before = attention.install(model)
    layers = layer.install(model)
    assert len(layers) == model.config.num_hidden_layers
    same(step(model, precision), wanted, tolerance)
    layer.remove(layers)
    attention.remove(model, before)
    same(step(model), wanted, 1e-7)
    assert not any("forward" in vars(module) for module in model.modules())


def test_with_dropout_the_gradient_is_that_of_what_was_kept(tmp_path: Any) -> None:
    model = tiny(tmp_path, rate=0.3)
    attention.install(model)
    layer.install(model)
    one, states = model.encoder.layer[0], torch.randn(2, 3, model.config.hidden_size)
    direction, weight = torch.randn_like(states), torch.randn_like(states)

    def value(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(8)  # the same bytes each time
        return (one(x) * weight).sum()

    x = states.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(x), x)
    measured = (value(states + 1e-2 * direction) - value(states - 1e-2 * direction)) / 2e-2
    torch.testing.assert_close(measured.detach(), (gradient * direction).sum(), rtol=2e-2, atol=2e-2)
    assert not torch.equal(one(states), one(states)), "each pass drops anew"


def test_the_expectation_of_attention_is_kept(tmp_path: Any) -> None:
    from tunesmith.training.kernels.bert_attention import AttentionHalf, Facts

    torch.manual_seed(0)
    width = 8
    parameters = [torch.randn(width, width) if i % 2 == 0 else torch.zeros(width) for i in range(8)]
    parameters += [torch.ones(width), torch.zeros(width)]
    x = torch.randn(1, 4, width) * 30  # large beside the branch, so that the norm is nearly linear in it

    def mean(limit: int, times: int) -> torch.Tensor:
        facts = Facts(2, limit, limit, 1e-5, torch.float32)
        found = [AttentionHalf.apply(x.requires_grad_(), None, facts, *parameters) for _ in range(times)]
        return torch.stack(found).mean(0).detach()

    parameters[4] = parameters[4] * 0.02
    torch.testing.assert_close(mean(64, 3000), mean(0, 1), atol=0.02, rtol=0.02)


def test_evaluation_and_what_else_is_asked_go_the_plain_way(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny(tmp_path)
    attention.install(model)
    layer.install(model)

    def fails(*_: Any) -> None:
        raise AssertionError("the fast way")

    monkeypatch.setattr(layer.bert_attention.AttentionHalf, "apply", fails)
    with torch.no_grad():
        model(input_ids=IDS, attention_mask=MASK)
    model.eval()(input_ids=IDS, attention_mask=MASK)
    with pytest.raises(AssertionError, match="fast way"):
        model.train()(input_ids=IDS, attention_mask=MASK)


def test_layers_that_are_frozen_wrapped_or_different_are_left_alone(tmp_path: Any) -> None:
    from peft import LoraConfig, get_peft_model

    model = tiny(tmp_path)
    model.encoder.layer[0].requires_grad_(False)
    assert len(layer.install(model)) == model.config.num_hidden_layers - 1
    other = tiny(tmp_path)
    other.config.hidden_act = "relu"
    assert not layer.install(other)
    wrapped = get_peft_model(tiny(tmp_path), LoraConfig(target_modules=["query"]))
    assert not layer.install(wrapped.get_base_model())
    assert not layer.install(tiny(tmp_path, "distilbert"))


def test_frozen_while_it_trains(tmp_path: Any) -> None:
    model = tiny(tmp_path)
    attention.install(model)
    layer.install(model)
    model.encoder.layer[0].attention.self.key.requires_grad_(False)
    _, gradients = step(model)
    assert not any("layer.0.attention.self.key" in name for name in gradients)
    assert "encoder.layer.0.attention.self.query.weight" in gradients


def test_a_copy_computes_with_its_own_weights(tmp_path: Any) -> None:
    model = tiny(tmp_path)
    attention.install(model)
    layer.install(model)
    copied = copy.deepcopy(model)
    wanted = step(copied)[0]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    torch.testing.assert_close(step(copied)[0], wanted)


def test_training_in_bf16_learns_and_leaves_the_model_plain(run: Any) -> None:
    run.precision = "bf16"
    run.go(run.settings(epochs=14, optimizer=OptimizerSettings(4e-3)), fast=True)
    assert run.right() >= 0.9
    assert not any("forward" in vars(module) for module in run.model.base_model.encoder.modules())


def test_it_is_used_in_training(run: Any) -> None:
    model = run.fresh()
    with fast_training(model, None, "cpu"):
        assert any("forward" in vars(module) for module in model.modules())
