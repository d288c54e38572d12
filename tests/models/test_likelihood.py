"""The loss of labels without the logits of all places: the same figures and gradients as the plain way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from tunesmith.models import answer_loss as fused
from tunesmith.models.likelihood import Answers, answer_loss, answers, label_log_probabilities
from tunesmith.testing import tiny_gpt2, tiny_llama, tiny_t5

TEXTS = ["The room was great.", "房间很干净，服务也很好。"]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("count", [1, 300])
def test_fused_loss(bias: bool, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "HELD", 1)  # several blocks, the last one short
    torch.manual_seed(1)
    states = torch.randn(count, 16, requires_grad=True)
    head = torch.nn.Linear(16, 50, bias=bias)
    tokens = torch.randint(50, (count,))
    inputs = [states, *head.parameters()]
    plain = cross_entropy(head(states), tokens)
    wanted = torch.autograd.grad(3 * plain, inputs)
    found = fused.mean_loss(states, head.weight, head.bias, tokens, torch.float32)
    torch.testing.assert_close(found, plain)
    for one, other in zip(torch.autograd.grad(3 * found, inputs), wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_fused_loss_in_bf16_and_with_a_frozen_head() -> None:
    torch.manual_seed(1)
    states, weight, tokens = torch.randn(40, 16, requires_grad=True), torch.randn(50, 16), torch.randint(50, (40,))
    found = fused.mean_loss(states, weight, None, tokens, torch.bfloat16)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, cross_entropy(states @ weight.T, tokens), rtol=2e-2, atol=0)
    found.backward()
    assert states.grad is not None and weight.grad is None


def test_in_fp16_small_shares_of_many_tokens_are_learned_from() -> None:
    torch.manual_seed(1)
    scale = 1024.0  # as a scaler gives it
    states, weight = torch.randn(1500, 8), 0.1 * torch.randn(1000, 8)
    tokens = torch.randint(10, (1500,))
    asked = [(states.to(kind).requires_grad_(), weight.to(kind).requires_grad_()) for kind in (torch.float, torch.half)]
    wanted = torch.autograd.grad(scale * cross_entropy(asked[0][0] @ asked[0][1].T, tokens), asked[0])
    found = torch.autograd.grad(scale * fused.mean_loss(*asked[1], None, tokens, torch.half), asked[1])
    rest = slice(10, None)  # pieces that are no token's: each token gives them a share of a millionth
    for one, other in ((found[0], wanted[0]), (found[1][rest], wanted[1][rest])):
        assert float((one.float() - other).norm() / other.norm()) < 0.01


def test_no_labels_is_no_loss() -> None:
    states = torch.randn(0, 4, requires_grad=True)
    fused.mean_loss(states, torch.randn(9, 4), None, torch.zeros(0, dtype=torch.long), torch.float32).backward()


def made(make: Any, folder: Path) -> tuple[Any, dict[str, torch.Tensor]]:
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    auto = AutoModelForSeq2SeqLM if make is tiny_t5 else AutoModelForCausalLM
    model = auto.from_pretrained(make(folder / "model", texts=TEXTS)).eval()
    torch.manual_seed(3)
    ids, labels = torch.randint(4, 20, (3, 9)), torch.full((3, 9), -100)
    labels[0, 5:], labels[2, 3:7] = ids[0, 5:], ids[2, 3:7]
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}
    return model, {**batch, "decoder_input_ids": ids.flip(1)} if model.config.is_encoder_decoder else batch


@pytest.mark.parametrize("make", [tiny_t5, tiny_llama, tiny_gpt2])
@pytest.mark.parametrize("watched", [False, True])
def test_of_models(make: Any, watched: bool, tmp_path: Path) -> None:
    model, batch = made(make, tmp_path)
    causal = make is not tiny_t5
    outputs = model(**{k: v for k, v in batch.items() if k != "labels"})
    logits, labels = outputs.logits, batch["labels"]
    if causal:
        logits, labels = logits[:, :-1], labels[:, 1:]
    wanted = cross_entropy(logits[labels != -100], labels[labels != -100])
    gradients = torch.autograd.grad(wanted, list(model.parameters()))
    if watched:  # who reads along at the output layer finds it called
        calls: list[int] = []
        model.get_output_embeddings().register_forward_hook(lambda *_: calls.append(1))
    found = answers(model, batch)
    assert isinstance(found, Answers) is not watched
    loss = answer_loss(found, batch, causal=causal)
    torch.testing.assert_close(loss, wanted)
    for one, other in zip(torch.autograd.grad(loss, list(model.parameters())), gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    if not watched:
        assert found.logits.shape == ((labels != -100).sum(), model.config.vocab_size)
        torch.testing.assert_close(found.logits, logits[labels != -100])
    with torch.no_grad():
        scores = label_log_probabilities(model, batch)
    assert [len(row) for row in scores] == [4, 0, 4]
    assert -sum(float(row.sum()) for row in scores) / 8 == pytest.approx(float(wanted.detach()), rel=1e-5)
    assert model(**{k: v for k, v in batch.items() if k != "labels"}).logits.shape == outputs.logits.shape
