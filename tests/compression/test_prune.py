"""Smaller encoders: what is chosen, what is cut, what is made up for, and that plain transformers loads the rest."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_models import answers, loss

from tunesmith.compression.importance import importance
from tunesmith.compression.layers import effects, evenly, keep_layers, most_effect
from tunesmith.compression.prune import Cut, chosen_heads, count_of, even_out, narrow, prune, top, zero_heads
from tunesmith.compression.refit import Moments, calls_of, fitted, refit, sums_at
from tunesmith.core.errors import ModelError, RecipeError
from tunesmith.models.encoder_layers import encoder_layers, head_places, width_key
from tunesmith.models.heads import mean
from tunesmith.models.zeros import leave_out_zeros

FAMILIES = ["bert", "distilbert", "roberta"]
Make = Callable[[str], Any]


def size(model: Any) -> int:
    return sum(p.numel() for p in model.parameters())


def all_answers(model: Any, batches: list[Any]) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([answers(model, batch) for batch in batches])


def states(model: Any, batches: list[Any]) -> torch.Tensor:
    """Of all tokens, from the last layer: [tokens, width]."""
    found = []
    for batch in batches:
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        with torch.no_grad():
            found.append(model.base_model(**inputs).last_hidden_state[inputs["attention_mask"].bool()])
    return torch.cat(found)


@pytest.mark.parametrize("family", FAMILIES)
def test_importance_is_the_gradient_of_a_mask(family: str, classifier: Make, batches: Make) -> None:
    """Against the plain way: one row at a time, a weight of the mask moved by a little."""
    model, rows = classifier(family).double(), batches(family)[:1]
    found = {kind: importance(model, rows, loss, kind) for kind in ("fisher", "taylor")}
    layer = encoder_layers(model)[1]
    head, neuron, step = 2, 5, 1e-4

    def slopes(linear: Any, places: torch.Tensor) -> torch.Tensor:
        got = []
        for i in range(len(rows[0]["labels"])):
            row = {name: value[i : i + 1] for name, value in rows[0].items()}
            sides = []
            for factor in (1 + step, 1 - step):
                weight = linear.weight.detach().clone()
                linear.weight.data[:, places] *= factor
                sides.append(loss(model, row).item())
                linear.weight.data.copy_(weight)
            got.append((sides[0] - sides[1]) / (2 * step))
        return torch.tensor(got, dtype=torch.float64)

    of_head, of_neuron = slopes(layer.out, head_places(layer, [head])), slopes(layer.down, torch.tensor([neuron]))
    close = {"rel": 1e-3, "abs": 1e-12}
    assert float(found["fisher"].heads[1][head]) == pytest.approx(float(of_head.square().mean()), **close)
    assert float(found["taylor"].heads[1][head]) == pytest.approx(float(of_head.abs().mean()), **close)
    assert float(found["fisher"].neurons[1][neuron]) == pytest.approx(float(of_neuron.square().mean()), **close)
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_nothing_is_widened_where_there_is_no_float64(
    classifier: Make, batches: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a Mac's GPU: what is summed there is brought to the CPU first."""
    home: list[torch.Tensor] = []
    double, cpu = torch.Tensor.double, torch.Tensor.cpu

    def brought(self: torch.Tensor) -> torch.Tensor:
        home.append(cpu(self).clone())
        return home[-1]

    def widened(self: torch.Tensor) -> torch.Tensor:
        if not any(self is one for one in home):
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return double(self)

    model, rows = classifier("bert"), batches("bert")[:1]
    monkeypatch.setattr(torch.Tensor, "cpu", brought)
    monkeypatch.setattr(torch.Tensor, "double", widened)
    Moments.none(3, 2).add(torch.ones(5, 3), torch.ones(5, 2))
    importance(model, rows, loss)


def test_fitting_by_hand() -> None:
    """What is wanted is x + 3 * 2x + 0.5; one input is there, x, whose weight was 1."""
    x = torch.tensor([[1.0], [2.0], [4.0]])
    given = Moments.none(1, 1)
    given.add(x[:2], 7 * x[:2] + 0.5)
    given.add(x[2:], 7 * x[2:] + 0.5)
    weight, bias = fitted(torch.tensor([[1.0]]), given, ridge=0.0)
    assert weight.tolist() == [[pytest.approx(7.0)]] and bias.tolist() == [pytest.approx(0.5)]
    weight, bias = fitted(torch.tensor([[1.0]]), given, ridge=1e12)
    assert weight.tolist() == [[pytest.approx(1.0)]] and bias.tolist() == [pytest.approx(0.5 + 6 * 7 / 3)]


@pytest.mark.parametrize("family", FAMILIES)
def test_sums_leave_padding_out(family: str, classifier: Make, batches: Make) -> None:
    model, some = classifier(family), batches(family)
    norms = [encoder_layers(model)[0].after_out]
    found = sums_at(model, norms, some, loss)[0]
    assert [len(states) for states in found] == [int(batch["attention_mask"].sum()) for batch in some]
    alone = {name: value[:1] for name, value in some[0].items()}
    length = int(alone["attention_mask"].sum())
    short = {name: value if name == "labels" else value[:, :length] for name, value in alone.items()}
    torch.testing.assert_close(sums_at(model, norms, [short], loss)[0][0], found[0][:length], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_fitting_a_whole_model_changes_nothing(family: str, classifier: Make, batches: Make) -> None:
    model, some = classifier(family), batches(family)
    before = all_answers(model, some)
    layer = encoder_layers(model)[1]
    sums, calls = sums_at(model, [layer.after_down], some, loss)[0], calls_of(model, layer.module, some, loss)
    refit(layer.module, layer.down, layer.after_down, sums, calls)
    torch.testing.assert_close(all_answers(model, some), before, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("part", ["feed_forward", "heads", "layers"])
def test_refitting_lowers_the_error_on_other_rows(family: str, part: str, classifier: Make, batches: Make) -> None:
    model, some = classifier(family), batches(family)
    before = states(model, some[3:])
    plain, mended = copy.deepcopy(model), copy.deepcopy(model)
    for made, again in ((plain, False), (mended, True)):
        prune(made, Cut(**{part: 0.5}, refit=again), some[:3], loss)
    assert size(plain) == size(mended)
    far, near = ((states(made, some[3:]) - before).square().mean().item() for made in (plain, mended))
    assert near < far / 2


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_left_loads_and_answers_equally(family: str, classifier: Make, batches: Make, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    model, some = classifier(family), batches(family)
    whole = size(model)
    found = prune(model, Cut(layers=3, feed_forward=0.5, heads=7), some, loss)
    assert (found.layers, found.neurons, sum(found.heads)) == ([0, 2, 3], 32, 7) and min(found.heads) >= 1
    assert found.before == whole and found.after == size(model) < whole
    assert model.config.num_hidden_layers == 3 and getattr(model.config, width_key(model.config)) == 32
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert size(loaded) == size(model)
    assert torch.equal(all_answers(loaded, some), all_answers(model, some))
    gone = leave_out_zeros(loaded)
    hidden = 32
    assert gone == (12 - 7) * 8 * (4 * hidden + 3)  # queries, keys, values with biases, and the way out
    torch.testing.assert_close(all_answers(loaded, some), all_answers(model, some))
    assert leave_out_zeros(loaded) == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_zero_heads_stay_zero_in_training(family: str, classifier: Make, batches: Make) -> None:
    model, some = classifier(family), batches(family)
    prune(model, Cut(heads=0.5), some, loss)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    model.train()
    for batch in some:
        optimizer.zero_grad()
        loss(model, batch).backward()
        optimizer.step()
    assert leave_out_zeros(model) == 8 * 8 * (4 * 32 + 3)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_mean_pooling_stays_on_top(family: str, classifier: Make, batches: Make, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    model, some = classifier(family), batches(family)
    mean.append(model)
    found = prune(model, Cut(layers=2, feed_forward=16, heads=4), some, loss)
    assert found.layers == [0, 3] and len(found.heads) == 2
    assert mean.has_mean(model) and model.config.num_hidden_layers == 3
    assert len(encoder_layers(model)) == 2 and len(encoder_layers(model, with_mean=True)) == 3
    before = all_answers(model, some)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert mean.has_mean(loaded) and torch.equal(all_answers(loaded, some), before)
    quick = copy.deepcopy(loaded)
    mean.shorten(quick)
    for made in (loaded, quick):
        assert leave_out_zeros(made) > 0
        torch.testing.assert_close(all_answers(made, some), before, rtol=1e-3, atol=1e-3)


def test_a_layer_that_does_nothing_has_no_effect(classifier: Make, batches: Make) -> None:
    model, some = classifier("bert"), batches("bert")
    idle = encoder_layers(model)[2]
    with torch.no_grad():
        for linear in (idle.out, idle.down):
            linear.weight.zero_()
            linear.bias.zero_()
    found = effects(model, some, loss)
    assert found[2] == pytest.approx(0.0, abs=1e-4) and min(found[:2] + found[3:]) > 0.01
    assert most_effect(found, 3) == [0, 1, 3]
    before = all_answers(model, some)
    pruned = prune(model, Cut(layers=3, which="effect"), some, loss)
    assert pruned.layers == [0, 1, 3] and pruned.effects == found
    torch.testing.assert_close(all_answers(model, some), before, rtol=1e-3, atol=1e-3)


def test_useless_parts_are_found(classifier: Make, batches: Make) -> None:
    """Neurons and heads whose way out is nearly nothing go first, and nothing is lost with them."""
    model, some = classifier("bert"), batches("bert")
    idle = torch.arange(1, 64, 2)
    with torch.no_grad():
        for layer in encoder_layers(model):
            layer.down.weight[:, idle] = 0
            layer.out.weight[:, head_places(layer, [1, 2])] = 0
    before = all_answers(model, some)
    pruned = prune(model, Cut(feed_forward=32, heads=8, refit=False), some, loss)
    assert pruned.heads == [2, 2, 2, 2]
    torch.testing.assert_close(all_answers(model, some), before)


def test_everything_still_learns_after_the_cut(classifier: Make, batches: Make) -> None:
    model, some = classifier("bert"), batches("bert")
    model.base_model.embeddings.requires_grad_(False)
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    prune(model, Cut(layers=3, feed_forward=0.5, heads=6), some, loss)
    assert frozen == {name for name, p in model.named_parameters() if not p.requires_grad}


def test_which_layers() -> None:
    assert evenly(12, 12) == list(range(12)) and evenly(12, 4) == [0, 4, 7, 11] and evenly(6, 2) == [0, 5]
    assert evenly(6, 1) == [0]


def test_choices_by_hand() -> None:
    assert chosen_heads([torch.tensor([0.1, 0.2]), torch.tensor([0.8, 0.9])], 2) == [[1], [1]]
    assert top(torch.tensor([3.0, 1.0, 2.0]), 2).tolist() == [0, 2]
    assert count_of(1.0, 20, "x", step=8) == 20 and count_of(0.01, 64, "x", step=8) == 8
    for wrong in (0, 13, 1.5, -0.5):
        with pytest.raises(RecipeError, match="layers must be a number from 1 to 12"):
            count_of(wrong, 12, "layers")


def test_refusals(classifier: Make, batches: Make, tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2ForSequenceClassification

    other = GPT2ForSequenceClassification(GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=9, n_positions=8))
    with pytest.raises(ModelError, match="the layers of gpt2 are not known"):
        prune(other, Cut(layers=1), [], loss)
    assert leave_out_zeros(other) == 0
    with pytest.raises(RecipeError, match="names 0, 4"):
        prune(classifier("bert"), Cut(layers=[0, 4]), [], loss)


def test_by_named_layers_in_place(classifier: Make, batches: Make) -> None:
    model, some = classifier("distilbert"), batches("distilbert")
    keep_layers(model, [1])
    assert len(encoder_layers(model)) == 1 and model.config.n_layers == 1
    narrow(encoder_layers(model)[0], torch.arange(8))
    even_out(model, 8)
    zero_heads(encoder_layers(model)[0], [0, 3])
    assert model.config.hidden_dim == 8
    assert torch.isfinite(all_answers(model, some)).all()
