"""Log-probabilities of targets: the same as the plain way, with the same gradients, and less of everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith.models import likelihood
from tunesmith.models.answer_likelihood import log_probabilities, row_sums
from tunesmith.models.likelihood import label_log_probabilities
from tunesmith.models.picked import BLOCK, only_at, picked
from tunesmith.testing import tiny_gpt2, tiny_llama, tiny_t5

TEXTS = ["The room was great.", "房间很干净，服务也很好。"]


def test_picked_is_log_softmax_and_so_is_its_gradient() -> None:
    torch.manual_seed(1)
    length = BLOCK + 7
    given = [torch.randn(*shape, requires_grad=True) for shape in ((length, 8), (50, 8), (50,))]
    states, matrix, bias = given
    tokens, outer = torch.randint(50, (length,)), torch.randn(length)
    plain = torch.log_softmax(states @ matrix.T + bias, -1).gather(-1, tokens[:, None])[:, 0]
    wanted = torch.autograd.grad((plain * outer).sum(), given)
    found = picked(states, matrix, bias, tokens, torch.float32)
    gradients = torch.autograd.grad((found * outer).sum(), given)
    torch.testing.assert_close(found, plain)
    for one, other in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    half = picked(states, matrix, None, tokens, torch.bfloat16)
    assert half.dtype == torch.float32, "summed up in fp32"
    assert len(picked(states[:0], matrix, None, tokens[:0], torch.float32)) == 0


def batch_of(model: Any) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    ids = torch.randint(4, 20, (3, 9))
    mask = torch.ones_like(ids)
    labels = torch.full_like(ids, -100)
    labels[0, 5:], labels[1, 2:4], labels[2, 3:7] = ids[0, 5:], ids[1, 2:4], ids[2, 3:7]
    mask[2, 7:] = 0
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    if model.config.is_encoder_decoder:
        batch["decoder_input_ids"] = torch.randint(4, 20, (3, 9))
    return batch


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("make", [tiny_llama, tiny_gpt2, tiny_t5])
def test_targets_log_probabilities(make: Any, known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of models whose output layer is known to be all there is, and of others."""
    if not known:
        monkeypatch.setattr(likelihood, "PLAIN", frozenset())
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    auto = AutoModelForSeq2SeqLM if make is tiny_t5 else AutoModelForCausalLM
    model = auto.from_pretrained(make(tmp_path / "model", texts=TEXTS)).eval()
    batch = batch_of(model)
    logits = model(**{k: v for k, v in batch.items() if k != "labels"}).logits
    labels = batch["labels"]
    if make is not tiny_t5:
        logits, labels = logits[:, :-1], labels[:, 1:]
    every = torch.log_softmax(logits, -1).gather(-1, labels.clamp(min=0)[..., None])[..., 0] * (labels != -100)
    found, counts = log_probabilities(model, batch)
    assert counts == [4, 2, 4]
    torch.testing.assert_close(row_sums(found, counts), every.sum(-1), atol=1e-5, rtol=1e-5)
    wanted = torch.autograd.grad(every.sum(), model.get_input_embeddings().weight, retain_graph=True)[0]
    torch.testing.assert_close(
        torch.autograd.grad(found.sum(), model.get_input_embeddings().weight)[0], wanted, atol=1e-5, rtol=1e-4
    )
    with torch.inference_mode():
        each = label_log_probabilities(model, batch)
    assert [len(row) for row in each] == counts
    assert float(each[1].sum()) == pytest.approx(float(every[1].sum().detach()), abs=1e-5)


def test_the_vocabularys_product_is_of_wanted_places_alone(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_llama(tmp_path / "model", texts=TEXTS)).eval()
    batch = batch_of(model)
    places = batch["labels"] != -100
    with only_at(model, places):
        few = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    assert few.shape[:2] == (1, int(places.sum()))
    whole = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    torch.testing.assert_close(few[0], whole[places])
