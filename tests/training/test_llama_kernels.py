"""The fast Llama layer gives the loss and the gradients of transformers' own, whole and with LoRA, masked and not."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from tunesmith.methods.adapter import Adapter
from tunesmith.methods.lora import Lora
from tunesmith.methods.prefix import Prefix
from tunesmith.tasks.dialogue import Dialogue
from tunesmith.training.kernels import fast_training, llama_layer
from tunesmith.training.kernels.causal_attention import BLOCK, attend, attend_backward
from tunesmith.training.recomputed import recomputed


def model(kind: str = "llama", **changes: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        kind, vocab_size=60, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, attn_implementation="sdpa", **changes,
    )  # fmt: skip
    torch.manual_seed(3)
    made = AutoModelForCausalLM.from_config(config)
    for name, p in made.named_parameters():
        if "norm" in name or "bias" in name:
            torch.nn.init.normal_(p, 1.0, 0.2)
    return made.train()


def with_lora(plain: Any, **options: Any) -> Any:
    wrapped: Any = Lora(rank=4, dropout=options.pop("dropout", 0.0), **options).apply(plain, Dialogue())
    for name, p in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, 0.0, 0.1)
    return wrapped.train()


def packed_mask() -> torch.Tensor:
    """Two texts of 5 and 4 in one row."""
    own = torch.tensor([0] * 5 + [1] * 4)
    return (own[:, None] == own).tril()[None, None]


IDS = torch.arange(18).view(2, 9) * 7 % 60
PADDED = torch.tensor([[1] * 9, [1] * 6 + [0] * 3])
LEFT = torch.tensor([[1] * 9, [0] * 3 + [1] * 6])
CASES: dict[str, dict[str, Any]] = {
    "plain": {"input_ids": IDS},
    "padded": {"input_ids": IDS, "attention_mask": PADDED},
    "left": {"input_ids": IDS, "attention_mask": LEFT, "position_ids": (LEFT.cumsum(-1) - 1).clamp(0)},
    "packed": {"input_ids": IDS[:1], "attention_mask": packed_mask(),
               "position_ids": torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 3]])},
}  # fmt: skip
MODELS = {
    "llama": lambda: model(),
    "mistral": lambda: model("mistral", sliding_window=None),
    "qwen2": lambda: model("qwen2", use_sliding_window=False),
    "lora": lambda: with_lora(model()),
    "some lora": lambda: with_lora(model("qwen2", use_sliding_window=False), targets="queries-values", rslora=True),
}


def learned(one: Any, inputs: dict[str, Any], precision: str = "fp32") -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Loss and gradients; places that padding fills do not count."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        logits = one(**inputs, use_cache=False).logits
    mask = inputs.get("attention_mask")
    keep = mask.bool() if mask is not None and mask.ndim == 2 else torch.ones_like(inputs["input_ids"]).bool()
    loss = torch.nn.functional.cross_entropy(logits.float()[keep], (inputs["input_ids"][keep] * 11 + 1) % 60)
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in one.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("case", sorted(CASES))
@pytest.mark.parametrize("kind", sorted(MODELS))
def test_same_loss_and_gradients(kind: str, case: str) -> None:
    ours = MODELS[kind]()
    theirs = copy.deepcopy(ours)
    inner = ours.get_base_model() if hasattr(ours, "get_base_model") else ours
    with fast_training(ours, None, "cpu"):
        assert sum("forward" in vars(layer) for layer in inner.model.layers) == 3, "the fast layers are in"
        loss, gradients = learned(ours, CASES[case])
    assert not any("forward" in vars(layer) for layer in inner.model.layers)
    wanted, of_theirs = learned(theirs, CASES[case])
    assert torch.allclose(loss, wanted, atol=1e-5)
    assert gradients.keys() == of_theirs.keys() and len(gradients) > 5
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, of_theirs[name], atol=2e-6, rtol=2e-4), name


@pytest.mark.parametrize("kind", ["llama", "lora"])
def test_in_bf16_it_is_as_near_to_fp32_as_autocast(kind: str) -> None:
    exact, _ = learned(MODELS[kind](), CASES["plain"])
    usual, of_usual = learned(MODELS[kind](), CASES["plain"], "bf16")
    fast = MODELS[kind]()
    with fast_training(fast, None, "cpu"):
        loss, gradients = learned(fast, CASES["plain"], "bf16")
    assert abs(float(loss - exact)) < max(3 * abs(float(usual - exact)), 0.02)
    for name, gradient in gradients.items():
        assert gradient.dtype == torch.float32
        alike = torch.nn.functional.cosine_similarity(gradient.flatten(), of_usual[name].flatten(), dim=0)
        assert float(alike) > 0.98, name


def test_weights_that_train_are_read_anew_and_frozen_ones_when_they_are_freed() -> None:
    ours = model()
    ours.requires_grad_(False)
    ours.model.norm.requires_grad_(True)
    with fast_training(ours, None, "cpu"):
        before = learned(ours, CASES["plain"])[0]
        ours.model.layers[1].mlp.down_proj.requires_grad_(True)
        with torch.no_grad():
            ours.model.layers[1].mlp.down_proj.weight += 0.5
        after, gradients = learned(ours, CASES["plain"])
    assert abs(float(after - before)) > 1e-3 and "model.layers.1.mlp.down_proj.weight" in gradients


@pytest.mark.parametrize(
    "made",
    [
        lambda: with_lora(model(), dropout=0.1),
        lambda: with_lora(model(), dora=True),
        lambda: Prefix(4).apply(model(), Dialogue()),
        lambda: Adapter(4).apply(model(), Dialogue()),
        lambda: model("gpt2", n_embd=32, n_layer=2, n_head=4),
        lambda: model("qwen3"),
        lambda: model(hidden_act="gelu"),
        lambda: model(attention_dropout=0.1),
    ],
    ids=["dropout", "dora", "prefix", "adapter", "gpt2", "qwen3", "gelu", "attention dropout"],
)
def test_what_is_otherwise_goes_its_own_way(made: Any) -> None:
    assert llama_layer.install(made()) == []


def test_evaluation_and_caches_go_the_usual_way() -> None:
    one = model()
    with fast_training(one, None, "cpu"):
        one.eval()
        with torch.no_grad():
            wanted = one(IDS).logits
            first = one(IDS[:, :5], use_cache=True)
            rest = one(IDS[:, 5:], past_key_values=first.past_key_values).logits
    assert torch.allclose(wanted[:, 5:], rest, atol=1e-5)


def test_layers_computed_again_give_the_same() -> None:
    usual, again = with_lora(model()), with_lora(model())
    calls: list[int] = []
    with fast_training(usual, None, "cpu"), fast_training(again, None, "cpu"), recomputed(again, True):
        layer = again.get_base_model().model.layers[1]
        real = layer._gradient_checkpointing_func
        layer._gradient_checkpointing_func = lambda *given: (calls.append(1), real(*given))[1]
        one, other = learned(usual, CASES["plain"]), learned(again, CASES["plain"])
    assert calls == [1], "the fast layer asks for it"
    assert torch.allclose(one[0], other[0])
    assert all(torch.allclose(one[1][name], other[1][name], atol=1e-6) for name in one[1])


def test_attention_in_blocks_is_attention() -> None:
    torch.manual_seed(0)
    length = BLOCK + 30
    query = torch.randn(2, 4, length, 8, requires_grad=True)
    key, value = (torch.randn(2, 2, length, 8, requires_grad=True) for _ in range(2))
    wanted = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
    found = attend(query, key, value, None, 8**-0.5)
    assert torch.allclose(found, wanted, atol=1e-5)
    gradient = torch.randn_like(wanted)
    ours = attend_backward(gradient, query, key, value, found, None, 8**-0.5)
    theirs = torch.autograd.grad(wanted, (query, key, value), gradient)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(ours, theirs, strict=True))
