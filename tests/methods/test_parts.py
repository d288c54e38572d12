"""Each method's own parts: schedules, places, codes, prompts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from tunesmith.core.errors import BundleError, RecipeError
from tunesmith.core.registry import family
from tunesmith.methods import apart
from tunesmith.methods.gradual import GradualUnfreezing
from tunesmith.methods.prompt_tokens import prompt_ids, with_prompt
from tunesmith.methods.rank_schedule import RankSchedule, orthogonality
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve
from tunesmith.training.optim import OptimizerSettings, parameter_groups

IDS = torch.tensor([[2, 9, 30, 41, 3], [2, 14, 7, 3, 3]])


def logits(module: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = module.eval()(input_ids=IDS).logits
    return found


def shaken(module: Any) -> Any:
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return module


def ranks(module: Any) -> list[int]:
    return [int((p != 0).sum()) for name, p in module.named_parameters() if "lora_E" in name]


def stepped(module: Any, schedule: RankSchedule, total: int, first: int = 0, last: int | None = None) -> list[int]:
    """Steps of plain descent with the schedule; the sum of ranks after each."""
    run = SimpleNamespace(model=module, step=first, total_steps=total)
    schedule.start(run)
    weights = [p for p in module.parameters() if p.requires_grad]
    sums = []
    for run.step in range(first, total if last is None else last):
        module(input_ids=IDS).logits.square().sum().backward()
        schedule.after_backward(run, {}, lambda *_: (None, None))
        with torch.no_grad():
            for weight in weights:
                weight -= 0.01 * (weight.grad + 0.1)
                weight.grad = None
        schedule.on_step(run)
        sums.append(sum(ranks(module)))
    return sums


def test_adalora_takes_ranks_away_until_the_budget_is_kept(model: Callable[..., Any], task: Any) -> None:
    made = family("methods").make("adalora", {"rank": 2, "first_rank": 4})
    adapted = shaken(made.apply(model(), task))
    (schedule,) = made.strategies()
    layers = len(ranks(adapted))
    sums = stepped(adapted, schedule, 20)
    assert sums[0] == 4 * layers and sums[-1] == sums[14] <= 2 * layers
    assert sums == sorted(sums, reverse=True)
    assert len(set(ranks(adapted))) > 1, "ranks are divided by importance"


def test_adalora_resumes_with_its_ranks(model: Callable[..., Any], task: Any) -> None:
    made = family("methods").make("adalora", {"rank": 2, "first_rank": 4, "dropout": 0})
    whole, half, rest = (shaken(made.apply(model(), task)) for _ in range(3))
    rest.load_state_dict(whole.state_dict())
    half.load_state_dict(whole.state_dict())
    (one,), (two,), (three,) = (made.strategies() for _ in range(3))
    stepped(whole, one, 20)
    stepped(half, two, 20, last=12)
    kept = {name: tensor.clone() for name, tensor in two.state().items()}
    assert kept and all(isinstance(tensor, torch.Tensor) for tensor in kept.values())
    rest.load_state_dict(half.state_dict())
    three.start(SimpleNamespace(model=rest, step=12, total_steps=20))
    three.load_state(kept)
    stepped(rest, three, 20, first=12)
    torch.testing.assert_close(logits(rest), logits(whole))


def test_adalora_resumes_on_the_models_device(model: Callable[..., Any], task: Any) -> None:
    made = family("methods").make("adalora", {"rank": 2, "first_rank": 4, "dropout": 0})
    first, second = shaken(made.apply(model(), task)), made.apply(model(), task).to("meta")
    (one,), (two,) = made.strategies(), made.strategies()
    stepped(first, one, 20, last=12)
    two.start(SimpleNamespace(model=second, step=12, total_steps=20))
    two.load_state(one.state())
    allocator = two._tuner.rankallocator  # type: ignore[attr-defined]
    kept = [*allocator.exp_avg_ipt.values(), *allocator.exp_avg_unc.values()]
    assert kept and {tensor.device.type for tensor in kept} == {"meta"}


def test_orthogonality_is_zero_for_orthogonal_triplets() -> None:
    module = torch.nn.Module()
    module.add_module("lora_A", torch.nn.ParameterDict({"x": torch.eye(3, 5)}))
    module.add_module("lora_B", torch.nn.ParameterDict({"x": torch.eye(5, 3)}))
    assert float(orthogonality(module)) == 0
    module.lora_A["x"].data.mul_(2)  # type: ignore[index, union-attr]
    assert float(orthogonality(module)) == pytest.approx(3 * 3**0.5 / 2)


@pytest.mark.parametrize("options", [{"rank": 8, "first_rank": 8}, {"first": 0.6, "last": 0.4}])
def test_adalora_says_what_makes_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="method"):
        family("methods").make("adalora", options)


@pytest.mark.parametrize(
    "options", [{"rslora": True}, {"dora": True}, {"start": "pissa"}, {"start": "olora"}, {"start": "gaussian"}]
)
def test_lora_variants_begin_where_the_model_was_and_merge(
    model: Callable[..., Any], task: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    built = model()
    before = logits(built)
    made = family("methods").make("lora", options)
    adapted = made.apply(built, task)
    torch.testing.assert_close(logits(adapted), before, atol=1e-4, rtol=0)
    after = logits(shaken(adapted))
    # A start that changes the base leaves an adapter that means nothing without it.
    assert made.save_adapter(adapted, str(tmp_path / "a"), "base") is (options.get("start") not in ("pissa", "olora"))
    torch.testing.assert_close(logits(made.merge(adapted)), after, atol=1e-4, rtol=1e-4)


def test_lora_plus_gives_b_a_rate_of_its_own(model: Callable[..., Any], task: Any) -> None:
    made = family("methods").make("lora", {"b_rate": 16})
    adapted = made.apply(model(), task)
    groups = parameter_groups(adapted, OptimizerSettings(1e-3, factors=made.rates()))
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}  # type: ignore[attr-defined]
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            assert rate[id(parameter)] == pytest.approx(4e-3 if "lora_B" in name else 0.25e-3)


def test_gradual_unfreezing_thaws_from_the_top(model: Callable[..., Any], task: Any) -> None:
    made = family("methods").make("freeze", {"layers": 2, "gradual": True})
    adapted = made.apply(model(), task)
    (schedule,) = made.strategies()
    assert isinstance(schedule, GradualUnfreezing) and not family("methods").make("freeze").strategies()
    run = SimpleNamespace(model=adapted, step=0, total_steps=8)
    schedule.start(run)
    learning = []
    for run.step in range(8):
        adapted(input_ids=IDS).logits.sum().backward()
        schedule.after_backward(run, {}, lambda *_: (None, None))
        learning.append(
            {i for i in (0, 1) for n, p in adapted.named_parameters() if f".{i}." in n and p.grad is not None}
        )
        assert adapted.classifier.weight.grad is not None
        adapted.zero_grad()
    assert learning[:2] == [{1}, {1}] and learning[4:] == [{0, 1}] * 4


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("kind", ["bert", "t5", "llama"])
def test_qlora_keeps_few_bits_and_merges_exactly(model: Callable[..., Any], task: Any, kind: str, bits: int) -> None:
    pytest.importorskip("bitsandbytes")
    made, built = family("methods").make("qlora", {"bits": bits}), model(kind)
    adapted = shaken(made.apply(built, task))
    ids = torch.tensor([[9, 30, 41, 1], [14, 7, 6, 1]])
    with torch.no_grad():
        after = adapted.eval()(input_ids=ids).logits
    kept = [m for m in adapted.modules() if type(m).__name__ == "FewBits"]
    assert kept and all(m.weight.numel() * 8 == bits * m.in_features * m.out_features for m in kept)
    adapted(input_ids=ids).logits.sum().backward()
    assert all(p.grad is not None for n, p in adapted.named_parameters() if "lora_B" in n)
    merged = made.merge(adapted)
    assert all(p.is_floating_point() for p in merged.parameters())
    with torch.no_grad():
        torch.testing.assert_close(merged.eval()(input_ids=ids).logits, after, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("bits", [4, 8])
def test_qlora_moves_its_scales(model: Callable[..., Any], task: Any, bits: int) -> None:
    pytest.importorskip("bitsandbytes")
    adapted = family("methods").make("qlora", {"bits": bits}).apply(model(), task).to("meta")
    for layer in (m for m in adapted.modules() if type(m).__name__ == "FewBits"):
        scales = layer.scales if bits == 8 else layer.scales.absmax
        assert layer.weight.device.type == scales.device.type == "meta"


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "llama", "gpt2", "t5"])
def test_the_tokenizer_puts_the_prompt_in(folder: Callable[[str], Path], kind: str, tmp_path: Path) -> None:
    plain = load_processor(resolve(str(folder(kind))))
    made = with_prompt(plain, 3)
    ids = prompt_ids(made)
    assert len(ids) == 3 and set(ids).isdisjoint(range(len(plain)))
    for texts in (("The room",), ("房间很好", "food")):
        before, after = plain(*texts), made(*texts)
        at = 0 if kind in ("llama", "gpt2", "t5") else 1
        assert after["input_ids"] == before["input_ids"][:at] + ids + before["input_ids"][at:]
        if "token_type_ids" in before:
            assert after["token_type_ids"] == before["token_type_ids"][:at] + [0] * 3 + before["token_type_ids"][at:]
        whole = made(*texts, return_offsets_mapping=True)["offset_mapping"]
        assert [place for place in whole if place != (0, 0)] == [
            place for place in plain(*texts, return_offsets_mapping=True)["offset_mapping"] if place != (0, 0)
        ]
    assert made.num_special_tokens_to_add() == plain.num_special_tokens_to_add() + 3
    made.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again("The room", "food")["input_ids"] == made("The room", "food")["input_ids"]
    assert set(ids) <= set(again.all_special_ids)


@pytest.mark.parametrize("options", [{"length": 4}, {"length": 4, "network": "lstm"}, {"length": 4, "network": "mlp"}])
def test_prompts_are_read_and_written_down(
    model: Callable[..., Any], folder: Callable[[str], Path], task: Any, options: dict[str, Any]
) -> None:
    made = family("methods").make("p_tuning" if "network" in options else "prompt", options)
    processor = made.adapt(load_processor(resolve(str(folder("bert")))))
    adapted = made.apply(model(), task)
    batch = dict(processor(["The room was great"], return_tensors="pt"))
    with torch.no_grad():
        one = adapted.eval()(**batch).logits
        two = shaken(adapted)(**batch).logits
        three = made.merge(adapted).eval()(**batch).logits
    assert (one - two).abs().max() > 1e-4
    torch.testing.assert_close(two, three, atol=1e-6, rtol=0)
    assert adapted.config.vocab_size == adapted.get_input_embeddings().num_embeddings == len(processor)


def test_a_parallel_adapter_makes_the_model_wider(model: Callable[..., Any], task: Any) -> None:
    made = family("methods").make("adapter", {"size": 5})
    built = model("bert", "mean")
    merged = made.merge(shaken(made.apply(built, task)))
    assert merged.config.intermediate_size == 128 + 5
    fresh = type(merged)(merged.config)
    fresh.load_state_dict(merged.state_dict())
    torch.testing.assert_close(logits(fresh), logits(merged))


def test_what_is_kept_apart_must_fit(model: Callable[..., Any], task: Any, tmp_path: Path) -> None:
    made = family("methods").make("prefix", {"length": 4})
    adapted = shaken(made.apply(model(), task))
    wanted = logits(adapted)
    assert made.save_adapter(adapted, str(tmp_path / "a"), "base")
    assert json.loads((tmp_path / "a" / apart.ABOUT).read_text("utf-8"))["method"] == "prefix"
    base = apart.of_base(adapted)
    assert base.keys() == model().state_dict().keys()
    plain = model()
    plain.load_state_dict(base)
    torch.testing.assert_close(logits(made.restore(plain, task, str(tmp_path / "a"))), wanted)
    with pytest.raises(BundleError, match="does not fit"):
        family("methods").make("prefix", {"length": 3}).restore(model(), task, str(tmp_path / "a"))


@pytest.mark.parametrize("kind", ["bert", "llama", "gpt2", "t5"])
def test_a_prefix_is_never_masked_and_padding_changes_nothing(model: Callable[..., Any], task: Any, kind: str) -> None:
    adapted = family("methods").make("prefix", {}).apply(model(kind), task).eval()
    ids = torch.tensor([[9, 30, 41, 1]])
    pad = adapted.config.pad_token_id
    padded = torch.cat([ids, torch.tensor([[pad, pad]])], dim=1)
    with torch.no_grad():
        one = adapted(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        two = adapted(input_ids=padded, attention_mask=(padded != pad).long()).logits
    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)
