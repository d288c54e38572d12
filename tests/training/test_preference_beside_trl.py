"""The same losses and gradients as trl's, on the same tokens. Left out where trl is not installed; nothing needs it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from preference_runs import TEXTS, Run
from test_preference import begun, made

from tunesmith.models.answer_likelihood import log_probabilities
from tunesmith.testing import tiny_llama
from tunesmith.training.strategies.answers import batch_of, prompts_of
from tunesmith.training.strategies.policy import clipped_gain, divergence_estimate, per_answer
from tunesmith.training.strategies.preferred import orpo_loss

pytestmark = pytest.mark.skipif(find_spec("trl") is None, reason="trl is not installed")
ROWS = [0, 7, 13, 20]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("trl") / "llama", texts=TEXTS)


@pytest.fixture
def run(llama: Path, tmp_path: Path) -> Run:
    return Run(llama, tmp_path)


def moved(model: Any) -> None:
    """Away from the start."""
    torch.manual_seed(4)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.05)


def same(loss: torch.Tensor, theirs: torch.Tensor, one: Any, other: Any) -> None:
    torch.testing.assert_close(loss.detach(), theirs.detach(), atol=1e-5, rtol=1e-4)
    wanted = dict(zip([n for n, _ in other.named_parameters()], grads(theirs, other), strict=True))
    for (name, _), gradient in zip(one.named_parameters(), grads(loss, one), strict=True):
        torch.testing.assert_close(gradient, wanted[name], atol=1e-5, rtol=1e-3, msg=name)


def grads(loss: torch.Tensor, model: Any) -> Any:
    return torch.autograd.grad(loss, list(model.parameters()))


def settings(kind: Any, home: Path, **more: Any) -> Any:
    return kind(
        str(home), per_device_train_batch_size=4, use_cpu=True, bf16=False, report_to="none", max_length=None,
        gradient_checkpointing=False, precompute_ref_log_probs=True, beta=0.3, **more,
    )  # fmt: skip


def theirs(trainer: type, config: Any, run: Run, rows: list[dict[str, Any]]) -> Any:
    """A trainer that takes rows as token ids, with what the start finds of them."""
    from datasets import Dataset

    class AsGiven(trainer):  # type: ignore[misc, valid-type]
        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    return AsGiven(run.fresh(), args=config, train_dataset=Dataset.from_list(rows), processing_class=run.processor)


def loss_of(made_trainer: Any) -> torch.Tensor:
    made_trainer.get_train_dataloader()  # trl computes the start's part at the latest here
    batch = made_trainer.data_collator(list(made_trainer.train_dataset))
    moved(made_trainer.model)
    made_trainer.model.train()
    loss: torch.Tensor = made_trainer.compute_loss(made_trainer.model, batch)
    return loss


def test_dpo(run: Run, tmp_path: Path) -> None:
    from trl import DPOConfig, DPOTrainer

    model, strategy = run.fresh(), made("dpo", beta=0.3)
    loss, here = begun(run, strategy, model, indices=ROWS)
    strategy.begin_once()
    moved(model)
    model.train()
    pairs = [strategy._answers["training"][row] for row in ROWS]
    rows = [
        {"prompt_ids": c.prompt.tolist(), "chosen_ids": c.written.tolist(), "rejected_ids": r.written.tolist()}
        for c, r in pairs
    ]
    trainer = theirs(DPOTrainer, settings(DPOConfig, tmp_path / "dpo"), run, rows)
    same(loss(model, {})[0], loss_of(trainer), model, trainer.model)
    assert here.indices == ROWS


def test_kto(run: Run, tmp_path: Path) -> None:
    from trl.trainer.kto_config import KTOConfig
    from trl.trainer.kto_trainer import KTOTrainer

    flagged = [
        {"text": row["text"], "target": row["target" if i % 3 else "rejected"], "desirable": bool(i % 3)}
        for i, row in enumerate(run.rows)
    ]
    run.rows = flagged
    model, strategy = run.fresh(), made("kto", beta=0.3, good=1.0, bad=0.7)
    loss, _ = begun(run, strategy, model, indices=ROWS)
    strategy.begin_once()
    moved(model)
    model.train()
    rows = [
        {
            "prompt_ids": own.prompt.tolist(), "completion_ids": own.written.tolist(),
            "KL_completion_ids": other.written.tolist(), "label": flagged[row]["desirable"],
        }
        for row in ROWS
        for own, other in [strategy._answers["training"][row]]
    ]  # fmt: skip
    config = settings(KTOConfig, tmp_path / "kto", desirable_weight=1.0, undesirable_weight=0.7)
    trainer = theirs(KTOTrainer, config, run, rows)
    same(loss(model, {})[0], loss_of(trainer), model, trainer.model)


def test_orpos_odds() -> None:
    from trl.experimental.orpo import ORPOTrainer

    better, worse = torch.tensor([-0.3, -2.0, -0.9]), torch.tensor([-1.1, -0.5, -0.9])
    place: Any = SimpleNamespace(beta=1.0, accelerator=SimpleNamespace(device="cpu"))
    found = ORPOTrainer.odds_ratio_loss(place, better, worse)[0]
    torch.testing.assert_close(orpo_loss(better, worse), -found)


@pytest.mark.parametrize("kind", ["grpo", "dr_grpo"])
def test_grpo(run: Run, tmp_path: Path, kind: str) -> None:
    """With answers that were written by other weights, so that ratios are clipped; and a divergence."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    model = run.fresh()
    strategy = made("dpo")
    begun(run, strategy, model)
    answers = [strategy._answers["training"][row][row % 2] for row in ROWS]
    batch = batch_of(answers, 3)
    with torch.no_grad():
        before, counts = log_probabilities(model, batch)
    moved(model)
    torch.manual_seed(2)
    then = log_probabilities(model, batch)[0].detach() + 0.3 * torch.randn(sum(counts))
    advantage = torch.tensor([1.0, -0.5, 0.8, -1.3])
    each = advantage.repeat_interleave(torch.tensor(counts))
    model.train()
    now = log_probabilities(model, batch)[0]
    apart = torch.exp(now - then) * divergence_estimate(now, before)
    gain = clipped_gain(now, then, each, 0.2, 0.2) - 0.1 * apart
    loss = -per_answer(gain, counts, length=None if kind == "grpo" else 10).mean()

    config = GRPOConfig(
        str(tmp_path / kind), per_device_train_batch_size=4, num_generations=4, use_cpu=True, bf16=False,
        report_to="none", gradient_checkpointing=False, beta=0.1, epsilon=0.2, loss_type=kind,
        max_completion_length=10,
    )  # fmt: skip
    data = Dataset.from_list([{"prompt": "a"}] * 4)
    trainer = GRPOTrainer(
        run.fresh(), reward_funcs=lambda completions, **_: [0.0] * len(completions), args=config, train_dataset=data,
        processing_class=run.processor,
    )  # fmt: skip
    trainer.model.load_state_dict(model.state_dict())
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    prompts, longest = prompts_of([a.prompt for a in answers], 3), max(counts)

    def filled(values: torch.Tensor, fill: float) -> torch.Tensor:
        rows = [torch.nn.functional.pad(v, (0, longest - len(v)), value=fill) for v in torch.split(values, counts)]
        return torch.stack(rows)

    written = torch.cat([torch.tensor(a.written) for a in answers]).long()
    inputs = {
        "prompt_ids": prompts["input_ids"], "prompt_mask": prompts["attention_mask"],
        "completion_ids": filled(written, 3), "completion_mask": filled(torch.ones_like(written), 0),
        "advantages": advantage, "old_per_token_logps": filled(then, 0.0), "ref_per_token_logps": filled(before, 0.0),
    }  # fmt: skip
    same(loss, trainer._compute_loss(trainer.model, inputs), model, trainer.model)
