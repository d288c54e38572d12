"""Mean pooling inside a plain model: the same vectors as an explicit mean, whoever reads the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import layer_norm
from transformers import AutoModelForSequenceClassification

from tunesmith import testing
from tunesmith.models.heads import head_names, head_parameters, mean, output_layer
from tunesmith.models.heads.vectors import head_on_vectors
from tunesmith.models.load import load_processor, quiet

TEXTS = ["The room was great.", "很好", "The staff was awful, and we talked about it for 90 minutes: 房间很差。"]
FAMILIES = ["bert", "roberta", "distilbert"]


def made(kind: str, folder: Path, texts: list[str], attention: str = "sdpa", labels: int = 3) -> Any:
    path = getattr(testing, f"tiny_{kind}")(folder / kind, texts=[*texts, *TEXTS])
    torch.manual_seed(1)
    with quiet():
        model = AutoModelForSequenceClassification.from_pretrained(
            path, num_labels=labels, attn_implementation=attention
        )
    with torch.no_grad():  # a fresh head is nearly zero: equal logits would prove little
        for parameter in head_parameters(model):
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def batch(texts: list[str], shared: Path) -> Any:
    from tunesmith.models.reference import resolve

    path = testing.tiny_bert(shared / "bert", texts=[*texts, *TEXTS])
    return load_processor(resolve(str(path)))(TEXTS, padding=True, return_tensors="pt")


def explicit(model: Any, batch: Any) -> torch.Tensor:
    """Logits from the mean of the tokens' states, computed the plain way."""
    bert = model.bert
    states = bert.encoder.layer[-1]
    kept = bert.encoder.layer
    bert.encoder.layer = kept[:-1]
    with torch.no_grad():
        hidden = bert(**batch).last_hidden_state
        bert.encoder.layer = kept
        mask = batch["attention_mask"].unsqueeze(-1).float()
        vector = layer_norm((hidden * mask).sum(1) / mask.sum(1), hidden.shape[-1:], eps=model.config.layer_norm_eps)
        assert states is kept[-1]
        logits: torch.Tensor = model.classifier(bert.pooler(vector.unsqueeze(1)))
    return logits


def logits(model: Any, batch: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(**batch).logits
    return found


def spoil_pooler(model: Any) -> None:
    """Give the pooler other than its first weights."""
    with torch.no_grad():
        model.bert.pooler.dense.weight.add_(torch.randn_like(model.bert.pooler.dense.weight) * 0.1)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_appended_layer_is_the_mean(shared: Path, texts: list[str], batch: Any, attention: str) -> None:
    model = made("bert", shared, texts, attention)
    before = logits(model, batch)
    mean.append(model)
    spoil_pooler(model)
    assert mean.has_mean(model) and model.config.num_hidden_layers == 3
    assert not any(p.requires_grad for p in model.bert.encoder.layer[-1].parameters())
    # The first token is 1 part in GAIN of what the norm sees.
    torch.testing.assert_close(logits(model, batch), explicit(model, batch), atol=3e-3, rtol=0)
    assert (logits(model, batch) - before).abs().max() > 0.05


def test_padding_does_not_count(shared: Path, texts: list[str], batch: Any) -> None:
    model = made("bert", shared, texts)
    mean.append(model)
    length = int(batch["attention_mask"][1].sum())
    alone = {key: value[1:2, :length] for key, value in batch.items()}
    assert length < batch["input_ids"].shape[1]
    torch.testing.assert_close(logits(model, alone)[0], logits(model, batch)[1], atol=1e-5, rtol=0)


def test_plain_transformers_reads_it_again(shared: Path, texts: list[str], batch: Any) -> None:
    model = made("bert", shared, texts)
    mean.append(model)
    model.save_pretrained(shared / "saved")
    again = AutoModelForSequenceClassification.from_pretrained(shared / "saved").eval()
    torch.testing.assert_close(logits(again, batch), logits(model, batch), atol=1e-5, rtol=0)
    assert mean.has_mean(again)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("autocast", [False, True])
def test_the_short_form_is_the_long_form(
    shared: Path, texts: list[str], batch: Any, attention: str, autocast: bool
) -> None:
    model = made("bert", shared, texts, attention)
    mean.append(model)
    spoil_pooler(model)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        long = logits(model, batch)
        whole = logits(model, {key: value[2:] for key, value in batch.items()})
        with mean.shortened(model):
            assert isinstance(model.bert.encoder.layer[-1], mean.MeanLayer)
            short = logits(model, batch)
            short_whole = logits(model, {key: value[2:] for key, value in batch.items()})
    assert not isinstance(model.bert.encoder.layer[-1], mean.MeanLayer) and mean.has_mean(model)
    atol = 5e-2 if autocast else 1e-5
    torch.testing.assert_close(short, long, atol=atol, rtol=0)
    torch.testing.assert_close(short_whole, whole, atol=atol, rtol=0)


def test_masks_of_every_kind() -> None:
    layer = mean.MeanLayer(torch.nn.Identity(), 1e-12)
    states = torch.randn(2, 4, 8)
    kept = torch.tensor([[True, True, False, False], [True] * 4])
    boolean = kept[:, None, None, :]
    additive = torch.zeros(2, 1, 4, 4).masked_fill(~boolean, torch.finfo(torch.float32).min)
    torch.testing.assert_close(layer(states, boolean), layer(states, additive))
    torch.testing.assert_close(layer(states[1:], None), layer(states, boolean)[1:])
    assert layer(states, boolean).shape == (2, 1, 8)


def test_gradients_go_through_the_short_form_alike(shared: Path, texts: list[str], batch: Any) -> None:
    model = made("bert", shared, texts)
    mean.append(model)
    model(**batch).logits.square().sum().backward()
    weight = model.bert.encoder.layer[0].attention.self.value.weight
    long, weight.grad = weight.grad.clone(), None
    with mean.shortened(model):
        model(**batch).logits.square().sum().backward()
    torch.testing.assert_close(weight.grad, long, atol=1e-5, rtol=1e-3)


def test_who_can_hold_it(shared: Path, texts: list[str]) -> None:
    assert mean.can_hold(made("bert", shared, texts)) and mean.can_hold(made("roberta", shared, texts))
    assert not mean.can_hold(made("distilbert", shared, texts))


def test_a_trained_layer_is_not_taken_for_a_mean(shared: Path, texts: list[str]) -> None:
    model = made("bert", shared, texts)
    assert not mean.has_mean(model)
    with mean.shortened(model):
        assert not isinstance(model.bert.encoder.layer[-1], mean.MeanLayer)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("bert", ["classifier", "pooler"]),
        ("roberta", ["classifier"]),
        ("distilbert", ["pre_classifier", "classifier"]),
        ("gpt2", ["score"]),
        ("llama", ["score"]),
    ],
)
def test_what_is_the_head(shared: Path, texts: list[str], kind: str, names: list[str]) -> None:
    path = getattr(testing, f"tiny_{kind}")(shared / kind, texts=[*texts, *TEXTS])
    with quiet():
        model = AutoModelForSequenceClassification.from_pretrained(path, num_labels=5)
    assert head_names(model) == names
    assert output_layer(model).out_features == 5
    inside = {name.split(".")[0] for name, p in model.named_parameters() if any(p is h for h in head_parameters(model))}
    assert inside == set(names) - {"pooler"} | ({"bert"} if "pooler" in names else set())


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("pooled", [True, False])
def test_the_head_alone_gives_the_whole_models_logits(shared: Path, texts: list[str], kind: str, pooled: bool) -> None:
    from tunesmith.models.reference import resolve

    model = made(kind, shared, texts)
    if pooled and mean.can_hold(model):
        mean.append(model)
    batch = load_processor(resolve(str(shared / kind)))(TEXTS, padding=True, return_tensors="pt")
    head = head_on_vectors(model)
    assert head is not None
    with torch.no_grad():
        vectors = model.base_model(**batch).last_hidden_state[:, 0]
    torch.testing.assert_close(logits(head.eval(), {"vectors": vectors}), logits(model, batch), atol=1e-5, rtol=0)


def test_a_family_that_reads_more_than_the_first_token_has_no_head_alone(shared: Path, texts: list[str]) -> None:
    path = testing.tiny_gpt2(shared / "gpt2", texts=[*texts, *TEXTS])
    with quiet():
        assert head_on_vectors(AutoModelForSequenceClassification.from_pretrained(path)) is None
