"""Fast parts give what the slow ones give, and leave nothing behind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from tunesmith import testing
from tunesmith.models.heads import mean
from tunesmith.models.load import quiet
from tunesmith.models.tensors import tensors
from tunesmith.training.kernels import attention, dropout, embedding, fast_training, plain
from tunesmith.training.optim import OptimizerSettings, adamw


class TestDropout:
    @pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
    def test_rate_and_expectation(self, rate: float) -> None:
        torch.manual_seed(0)
        x = torch.full((1000, 300), 2.0)
        found = dropout.drop(x, rate)
        share = dropout.threshold(rate) / 256
        assert abs(share - rate) < 1 / 256
        assert float((found == 0).float().mean()) == pytest.approx(share, abs=0.005)
        assert found.unique().tolist() == pytest.approx([0, 2 / (1 - share)])
        assert float(found.mean()) == pytest.approx(2, rel=0.02)

    def test_rows_and_columns_are_dropped_alike(self) -> None:
        torch.manual_seed(0)
        dropped = (dropout.drop(torch.ones(2000, 64), 0.25) == 0).float()
        assert (dropped.mean(0) - 0.25).abs().max() < 0.06
        a, b = dropped[:, :-1].flatten(), dropped[:, 1:].flatten()
        assert abs(float(torch.corrcoef(torch.stack([a, b]))[0, 1])) < 0.01, "neighbours are independent"

    @pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
    def test_the_way_back_has_the_same_mask(self, kind: torch.dtype) -> None:
        x = torch.rand(37, 11).add(1).to(kind).T.requires_grad_()  # not contiguous
        found = dropout.drop(x, 0.3)
        found.sum().backward()
        assert found.dtype == kind and x.grad is not None
        assert torch.equal(found == 0, x.grad == 0)
        torch.testing.assert_close(found, x * x.grad, rtol=1e-2, atol=0)

    def test_the_seed_decides(self) -> None:
        x, found = torch.ones(100), []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            found.append(dropout.drop(x, 0.5))
        assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])

    def test_nothing_is_dropped_at_zero_or_in_evaluation(self) -> None:
        x = torch.ones(9)
        assert dropout.drop(x, 0.0) is x
        model = nn.Sequential(nn.Dropout(0.9))
        dropout.install(model)
        assert torch.equal(model.eval()(x), x) and not torch.equal(model.train()(torch.ones(99)), torch.ones(99))
        dropout.remove(model)
        assert type(model[0]) is nn.Dropout


class TestAttention:
    @pytest.mark.parametrize("heads", [4, 2, 1])
    @pytest.mark.parametrize("masked", [True, False])
    def test_it_is_sdpa(self, heads: int, masked: bool) -> None:
        torch.manual_seed(0)
        query = torch.randn(3, 4, 5, 8, requires_grad=True)
        key, value = (torch.randn(3, heads, 5, 8, requires_grad=True) for _ in range(2))
        mask = None
        if masked:
            kept = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]]).bool()
            mask = torch.zeros(3, 1, 1, 5).masked_fill(~kept[:, None, None], torch.finfo(torch.float32).min)
        module: Any = SimpleNamespace(training=True)
        mine, weights = attention.attention(module, query, key, value, mask)
        wide = [states.repeat_interleave(4 // heads, 1) for states in (key, value)]
        theirs = scaled_dot_product_attention(query, *wide, attn_mask=mask).transpose(1, 2)
        assert weights is None
        torch.testing.assert_close(mine, theirs)
        weight = torch.randn_like(mine)
        for one, other in zip(
            torch.autograd.grad((mine * weight).sum(), (query, key, value)),
            torch.autograd.grad((theirs * weight).sum(), (query, key, value)),
            strict=True,
        ):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)

    def test_dropout_only_in_training(self) -> None:
        states = torch.randn(2, 2, 4, 8)
        trained, _ = attention.attention(SimpleNamespace(training=True), states, states, states, None, dropout=0.5)  # type: ignore[arg-type]
        plain_, _ = attention.attention(SimpleNamespace(training=False), states, states, states, None, dropout=0.5)  # type: ignore[arg-type]
        wanted = scaled_dot_product_attention(states, states, states).transpose(1, 2)
        torch.testing.assert_close(plain_, wanted)
        assert not torch.allclose(trained, wanted)

    @pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "gpt2", "llama"])
    def test_installed_in_a_model(self, kind: str, tmp_path: Any) -> None:
        from transformers import AutoModel

        with quiet():
            model = AutoModel.from_pretrained(getattr(testing, f"tiny_{kind}")(tmp_path / kind, texts=["room"])).eval()
        ids, mask = torch.tensor([[5, 6, 7, 8], [5, 6, 3, 3]]), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
        with torch.no_grad():
            wanted = model(input_ids=ids, attention_mask=mask).last_hidden_state
            before = attention.install(model)
            assert before == "sdpa"
            found = model(input_ids=ids, attention_mask=mask).last_hidden_state
            attention.remove(model, before)
            assert model.config._attn_implementation == "sdpa"
            again = model(input_ids=ids, attention_mask=mask).last_hidden_state
        torch.testing.assert_close(found[mask.bool()], wanted[mask.bool()], atol=1e-5, rtol=1e-4)
        assert torch.equal(again, wanted)

    def test_t5_has_its_places_in_the_scores(self, tmp_path: Any) -> None:
        from transformers import AutoModelForSeq2SeqLM

        with quiet():
            model = AutoModelForSeq2SeqLM.from_pretrained(testing.tiny_t5(tmp_path / "t5", texts=["room"])).eval()
        ids, mask = torch.tensor([[2, 3, 4, 1], [3, 2, 0, 0]]), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
        given = {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": ids.flip(1)}
        with torch.no_grad():
            biases = [m.relative_attention_bias for m in model.modules() if hasattr(m, "relative_attention_bias")]
            for bias in biases:  # else they are near zero, and nothing would be seen of them
                bias.weight.normal_(0, 2)
            wanted = model(**given).logits
            before = attention.install(model)
            found = model(**given).logits
            attention.remove(model, before)
            for bias in biases:
                bias.weight.zero_()
            without = model(**given).logits
        assert biases and not torch.allclose(without, wanted, atol=1e-2)
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)


class Toy(nn.Module):
    """An embedding and a head, with the names that a transformers model has."""

    def __init__(self, padding: int | None = 0) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(50, 4, padding_idx=padding)
        self.classifier = nn.Linear(4, 2)

    def get_input_embeddings(self) -> Any:
        return self.embeddings

    def set_input_embeddings(self, value: Any) -> None:
        self.embeddings = value

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.classifier(self.embeddings(ids).tanh().mean(1))
        return found


def toy(padding: int | None = 0) -> Toy:
    torch.manual_seed(4)
    return Toy(padding)


def steps(model: Toy, batches: list[torch.Tensor]) -> None:
    optimizer = adamw(model.train(), OptimizerSettings(1e-2, 0.1))
    for ids in batches:
        model(ids).logsumexp(-1).sum().backward()
        optimizer.step()
        optimizer.zero_grad()


class TestCompactEmbedding:
    used = torch.tensor([7, 3, 3, 21, 9])
    batches = [torch.tensor([[7, 3, 0], [21, 9, 7]]), torch.tensor([[3, 3, 0]]), torch.tensor([[9, 21, 7]])]

    @pytest.mark.parametrize("padding", [0, None])
    def test_training_with_it_is_training_without_it(self, padding: int | None) -> None:
        plain_, compact = toy(padding), toy(padding)
        used = self.used if padding is not None else torch.cat([self.used, torch.tensor([0])])
        before = compact.embeddings.weight.detach().clone()
        steps(plain_, self.batches * 5)
        installed = embedding.install(compact, used)
        assert installed is not None and len(installed.weight) == 5
        steps(compact, self.batches * 5)
        embedding.remove(compact, installed)
        assert type(compact.embeddings) is nn.Embedding and compact.embeddings.weight.requires_grad
        assert torch.equal(compact.embeddings.weight, plain_.embeddings.weight)
        assert torch.equal(compact.classifier.weight, plain_.classifier.weight)
        moved = (compact.embeddings.weight != before).any(1).nonzero().flatten().tolist()
        assert moved == [*([] if padding is not None else [0]), 3, 7, 9, 21]

    def test_unknown_ids(self) -> None:
        plain_, compact = toy(), toy()
        installed = embedding.install(compact, self.used)
        ids = torch.tensor([[7, 40, 0], [48, 49, 3]])
        for training in (False, True):
            torch.testing.assert_close(compact.train(training)(ids), plain_.train(training)(ids), rtol=0, atol=0)
        compact.train()(ids).sum().backward()
        assert installed is not None and installed.weight.grad is not None and installed.full.weight.grad is None
        assert installed.weight.grad[1].any(), "token 3 learns beside an unknown one"

    def test_padding_alone_does_not_take_the_slow_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        compact = toy()
        embedding.install(compact, self.used)

        def slow(*_: Any) -> Any:
            raise AssertionError("the slow way")

        monkeypatch.setattr(embedding.CompactEmbedding, "_mixed", slow)
        compact.train()(torch.tensor([[7, 3, 0]]))

    def test_where_it_does_not_pay_or_is_not_exact(self) -> None:
        frozen = toy()
        frozen.embeddings.requires_grad_(False)
        assert embedding.install(frozen, self.used) is None
        assert embedding.install(toy(), torch.arange(48)) is None
        tied = toy()
        tied.get_output_embeddings = lambda: SimpleNamespace(weight=tied.embeddings.weight)  # type: ignore[attr-defined]
        assert embedding.install(tied, self.used) is None
        embedding.remove(tied, None)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_fast_training_comes_and_goes(run: Any, pooling: str) -> None:
    model = run.fresh()
    if pooling == "mean":
        mean.append(model)
    batch = {k: v for k, v in tensors(run.task.collate(run.features[:5], run.processor)).items() if k != "labels"}
    names, wanted = [n for n, _ in model.named_parameters()], model.eval()(**batch).logits
    kinds = [type(module) for module in model.modules()]
    used = torch.cat([torch.from_numpy(f["input_ids"]) for f in run.features[:5]])
    with fast_training(model, used, "cpu"):
        assert {dropout.ByteDropout, embedding.CompactEmbedding} <= {type(module) for module in model.modules()}
        assert model.config._attn_implementation == attention.NAME
        torch.testing.assert_close(model(**batch).logits, wanted, atol=1e-5, rtol=1e-4)
    assert [n for n, _ in model.named_parameters()] == names and [type(m) for m in model.modules()] == kinds
    assert torch.equal(model(**batch).logits, wanted)


def test_fast_parts_go_even_when_training_dies(run: Any) -> None:
    model = run.fresh()
    kinds = [type(module) for module in model.modules()]
    with pytest.raises(KeyboardInterrupt), fast_training(model, torch.tensor([1, 2]), "cpu"):
        raise KeyboardInterrupt
    assert [type(module) for module in model.modules()] == kinds


def test_on_a_gpu_the_cpus_parts_stay_out(run: Any) -> None:
    model = run.fresh()
    with fast_training(model, torch.tensor([1, 2]), "cuda:0"):
        assert not {dropout.ByteDropout, embedding.CompactEmbedding} & {type(module) for module in model.modules()}


def test_what_is_no_transformers_model_trains_too() -> None:
    model = nn.Sequential(nn.Dropout(0.1))
    assert plain(model) is None
    with fast_training(model, torch.tensor([1]), "cpu"):
        assert type(model[0]) is dropout.ByteDropout
