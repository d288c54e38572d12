"""What every method promises, checked over every registered name."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from tunesmith.core.contracts import Method
from tunesmith.core.registry import family
from tunesmith.core.runtime import Machine
from tunesmith.models.heads import head_parameters, mean, output_layer
from tunesmith.models.load import load_processor, quiet
from tunesmith.models.reference import resolve
from tunesmith.models.tensors import tensors
from tunesmith.testing import toy_rows
from tunesmith.training.kernels import fast_training
from tunesmith.training.loop import LoopSettings, train
from tunesmith.training.optim import OptimizerSettings

METHODS = sorted(family("methods"))
KINDS = [
    ("bert", "mean"),
    ("bert", "cls"),
    ("roberta", "mean"),
    ("distilbert", "cls"),
    ("llama", "auto"),
    ("gpt2", "auto"),
    ("t5", "auto"),
]
RATES = {"full": 3e-3, "head": 0.1, "bitfit": 1e-2, "adalora": 2e-2, "oft": 1e-2}
RATES |= dict.fromkeys(("ia3", "prompt", "prefix", "p_tuning"), 2e-2)
"""For a tiny model whose weights are random; others: 4e-3."""
FEW = ("adalora", "bitfit", "ia3", "oft", "prompt", "prefix", "p_tuning")
"""Methods that bend a pretrained model: of random weights they learn some rows, and no more."""
STARTS_ELSEWHERE = {"prefix": "is attended to from the start", "qlora": "rounds the base"}
"""Methods whose model does not begin with the plain one's answers."""
BY_PEFT = ("adalora", "ia3", "lora", "oft")
IDS = torch.tensor([[2, 9, 30, 41, 3], [2, 14, 7, 3, 3]])
T5_IDS = torch.tensor([[9, 30, 41, 8, 1], [9, 14, 7, 6, 1]])
"""Its head reads the one end of a text."""


def method(name: str, **options: Any) -> Method:
    made: Method = family("methods").make(name, options)
    return made


def trained(module: Any) -> set[str]:
    return {name for name, p in module.named_parameters() if p.requires_grad}


def logits(module: Any) -> torch.Tensor:
    ids = T5_IDS if module.config.model_type == "t5" else IDS
    with torch.no_grad():
        found: torch.Tensor = module.eval()(input_ids=ids).logits
    return found


def fitting(name: str, model: Any, task: Any, **options: Any) -> Method:
    made = method(name, **options)
    if why := made.fits(task, model.config):
        pytest.skip(why)
    return made


def shake(module: Any) -> None:
    """Move every weight that training would move."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("kind", "pooling"), KINDS)
def test_the_head_learns_and_merging_changes_no_answer(
    model: Callable[..., Any], task: Any, name: str, kind: str, pooling: str
) -> None:
    built = model(kind, pooling)
    before = logits(built)
    adapted = fitting(name, built, task).apply(built, task)
    if name not in STARTS_ELSEWHERE:
        torch.testing.assert_close(logits(adapted), before, atol=1e-6, rtol=0)
    free = [p for p in adapted.parameters() if p.requires_grad]
    assert free and output_layer(adapted).weight.requires_grad
    shake(adapted)
    after = logits(adapted)
    assert (after - before).abs().max() > 1e-3
    merged = method(name).merge(adapted)
    assert isinstance(merged, PreTrainedModel) and type(merged).__name__.endswith("ForSequenceClassification")
    torch.testing.assert_close(logits(merged), after, atol=1e-4, rtol=1e-4)
    if pooling == "mean":
        assert mean.has_mean(merged), "the mean layer has nothing to learn"


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_full_trains_all_but_the_mean_layer(model: Callable[..., Any], task: Any, pooling: str) -> None:
    adapted = method("full").apply(model("bert", pooling), task)
    every = {name for name, _ in adapted.named_parameters()}
    left = {name for name in every if pooling == "mean" and ".layer.2." in name}
    assert trained(adapted) == every - left and bool(left) is (pooling == "mean")


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert"])
def test_head_trains_the_output_layer_only(model: Callable[..., Any], task: Any, kind: str) -> None:
    adapted = method("head").apply(model(kind), task)
    inner = "classifier.out_proj" if kind == "roberta" else "classifier"
    assert trained(adapted) == {f"{inner}.weight", f"{inner}.bias"}
    assert method("head").frozen_backbone


@pytest.mark.parametrize(
    ("layers", "chosen"), [(1, {1}), (2, {0, 1}), (9, {0, 1}), (0, set()), ([0], {0}), ([0, 1], {0, 1}), ([], set())]
)
def test_freeze_trains_the_chosen_layers_and_the_head(
    model: Callable[..., Any], task: Any, layers: Any, chosen: set[int]
) -> None:
    built = model("bert", "mean")
    head = {name for name, p in built.named_parameters() if any(p is h for h in head_parameters(built))}
    wanted = {n for n, _ in built.named_parameters() if any(f".layer.{i}." in n for i in chosen)}
    assert trained(method("freeze", layers=layers).apply(built, task)) == wanted | head


def test_freeze_says_which_layers_there_are(model: Callable[..., Any], task: Any) -> None:
    from tunesmith.core.errors import RecipeError

    with pytest.raises(RecipeError, match="layer 2; the model has 2") as caught:
        method("freeze", layers=[0, 2]).apply(model("bert", "mean"), task)
    assert "0 to 1" in caught.value.hint


@pytest.mark.parametrize("targets", ["all", "queries-values"])
@pytest.mark.parametrize(
    ("kind", "pooling"), [("bert", "mean"), ("roberta", "cls"), ("distilbert", "cls"), ("llama", "auto")]
)
def test_lora_trains_updates_and_the_head(
    model: Callable[..., Any], task: Any, kind: str, pooling: str, targets: Any
) -> None:
    built = model(kind, pooling)
    heads = sum(p.numel() for p in head_parameters(built))
    adapted = method("lora", rank=3, targets=targets).apply(built, task)
    updates = {name for name in trained(adapted) if "lora_" in name}
    per_layer = {"all": {"bert": 6, "roberta": 6, "distilbert": 6, "llama": 7}[kind], "queries-values": 2}[targets]
    assert len(updates) == 2 * 2 * per_layer
    assert all(p.shape[0] == 3 for name, p in adapted.named_parameters() if "lora_A" in name)
    rest = sum(p.numel() for n, p in adapted.named_parameters() if p.requires_grad and "lora_" not in n)
    assert rest == heads
    assert not any("layer.2" in name for name in trained(adapted)), "not the mean layer"


@pytest.mark.parametrize("name", BY_PEFT)
@pytest.mark.parametrize(
    ("kind", "pooling"), [("bert", "mean"), ("bert", "cls"), ("roberta", "mean"), ("distilbert", "cls")]
)
def test_peft_reads_the_adapter(
    model: Callable[..., Any],
    folder: Callable[[str], Path],
    task: Any,
    name: str,
    kind: str,
    pooling: str,
    tmp_path: Path,
) -> None:
    peft = pytest.importorskip("peft")
    lora = method(name)
    adapted = lora.apply(model(kind, pooling), task)
    shake(adapted)
    wanted = logits(adapted)
    assert lora.save_adapter(adapted, str(tmp_path / "adapter"), str(folder(kind)))
    assert not [p for p in (tmp_path / "adapter").iterdir() if p.suffix in (".bin", ".pt", ".pkl")]
    # As the card says: the appended layer is not in the base's own config.
    layers = {"num_hidden_layers": 3} if pooling == "mean" else {}
    with quiet():
        base = AutoModelForSequenceClassification.from_pretrained(folder(kind), num_labels=2, **layers)
        again = peft.PeftModel.from_pretrained(base, str(tmp_path / "adapter"))
    torch.testing.assert_close(logits(again), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_who_has_an_adapter(model: Callable[..., Any], task: Any, name: str, tmp_path: Path) -> None:
    adapted = method(name).apply(model(), task)
    has = name in BY_PEFT or not method(name).plain
    assert method(name).save_adapter(adapted, str(tmp_path / "a"), "base") is has
    assert (tmp_path / "a").exists() is has


def snapshot(module: Any) -> Mapping[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in module.named_parameters() if not p.requires_grad}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns_and_leaves_the_rest_alone(
    model: Callable[..., Any], folder: Callable[[str], Path], task: Any, name: str, language: str, tmp_path: Path
) -> None:
    rows = toy_rows(language, 64)
    task = copy.copy(task)
    task.learn(rows)
    built = model("bert", "mean")
    processor = load_processor(resolve(str(folder("bert"))))
    made = method(name)
    processor = made.adapt(processor)
    adapted = made.apply(built, task)
    frozen = snapshot(adapted)
    features = task.encode(rows, processor, max_length=48, targets=True)
    epochs = 80 if made.frozen_backbone else 40 if name in FEW else 25
    settings = LoopSettings(epochs, 16, OptimizerSettings(RATES.get(name, 4e-3)), patience=None)
    used = torch.cat([torch.from_numpy(f["input_ids"]) for f in features]).long()
    with fast_training(adapted, used, "cpu"):
        machine, own = Machine("cpu", "fp32", 1), made.strategies()
        train(adapted, task, processor, features, settings, machine, tmp_path, strategies=own)
    after = dict(adapted.named_parameters())
    assert frozen.keys() <= after.keys()
    assert all(torch.equal(after[key], value) for key, value in frozen.items())
    merged = made.merge(adapted).eval()
    with torch.no_grad():
        found = merged(**{k: v for k, v in tensors(task.collate(features, processor)).items() if k != "labels"}).logits
    right = [int(row.argmax()) == feature["target"] for row, feature in zip(found, features, strict=True)]
    # A frozen backbone with random weights does not part all rows.
    assert sum(right) / len(right) >= (0.7 if made.frozen_backbone or name in FEW else 0.9)
