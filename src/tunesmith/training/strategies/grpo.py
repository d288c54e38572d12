"""Learn from what the model writes itself: group-relative policy optimisation (Shao et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from tunesmith.core.contracts import (
    Batch,
    Decoding,
    Evidence,
    Feature,
    LossFn,
    Method,
    Prediction,
    PredictorLike,
    Row,
    Task,
)
from tunesmith.core.errors import DataError
from tunesmith.training.rewards.together import Together
from tunesmith.training.strategies import draws
from tunesmith.training.strategies.answers import answers_of, without_dropout
from tunesmith.training.strategies.drift import written_to
from tunesmith.training.strategies.near_start import NearStart
from tunesmith.training.strategies.policy import advantages, clipped_gain, divergence_estimate, per_answer
from tunesmith.training.strategies.rollout import Rollout, instructive
from tunesmith.training.strategies.shared_prompt import can_share, found_of
from tunesmith.training.strategies.teachers import Earlier

if TYPE_CHECKING:
    import torch


class Grpo(NearStart):
    """To each prompt of a batch the model writes a group of answers; those that get more reward become likelier.

    The rows' own answers are not learned from. Answers are drawn from all of the model's tokens, as it is.

    Args:
        rewards: names, or mappings of a name, a ``weight`` and the reward's options; their weighted sum counts.
        group: answers to each prompt.
        max_new_tokens: of an answer.
        kind: "grpo": an answer counts by its group's standard deviation, and each answer alike; "dr": neither
            (Liu et al. 2025, "Understanding R1-Zero-Like Training").
        clip: how far a token's probability may move before it brings no more; only of answers that are learned from
            again.
        again: later steps in which the answers are learned from once more.
        beta: weight of the divergence from the start, of each token (eq. 3; weighed by the ratio, without which its
            gradient is not the divergence's: DeepSeek-AI 2025, V3.2); above 0 the weights that are trained are
            kept twice, and each answer costs a pass more.
        max_kl: nats a token that the model may be away from its start; beyond it the run ends.
        validated: validation rows that answers are written to, to choose the best weights.
    """

    name: ClassVar[str] = "grpo"
    summary: ClassVar[str] = "learn from what the model writes itself, by rewards (Shao et al. 2024)"
    choosing: ClassVar[tuple[str, ...]] = ("mean_reward",)
    imitates: ClassVar[bool] = False
    metrics: ClassVar[tuple[str, ...]] = ("mean_reward",)
    training: ClassVar[Mapping[str, Any]] = {
        "epochs": 1,
        "batch_size": 4,
        "learning_rate": 2e-6,
        "lora": {"learning_rate": 2e-4},
        "qlora": {"learning_rate": 2e-4},
    }

    def __init__(
        self,
        rewards: list[str | dict[str, Any]],
        group: Annotated[int, Field(ge=2)] = 8,
        max_new_tokens: Annotated[int, Field(ge=1)] = 64,
        kind: Literal["grpo", "dr"] = "grpo",
        clip: Annotated[float, Field(gt=0, lt=1)] = 0.2,
        again: Annotated[int, Field(ge=0)] = 0,
        beta: Annotated[float, Field(ge=0)] = 0.0,
        max_kl: Annotated[float, Field(gt=0)] = 2.0,
        validated: Annotated[int, Field(ge=1)] = 64,
    ) -> None:
        super().__init__(max_kl)
        self.reward = Together(rewards)
        self.reads = self.reward.reads
        self.group, self.max_new_tokens, self.kind = group, max_new_tokens, kind
        self.clip, self.again, self.beta, self.validated = clip, again, beta, validated
        self._prompts: dict[int, np.ndarray] = {}
        self._features: list[Feature] = []
        self._earlier: Earlier | None = None
        self._buffer: list[Rollout] = []
        self._share: bool | None = None

    def fits(self, task: Task, method: Method) -> str | None:
        """A causal model that writes, and rewards that can be computed."""
        return super().fits(task, method) or self.reward.problem()

    def adapt(self, task: Any) -> None:
        """Let the task write answers at least as long as those that are learned from, unless the recipe says how long.

        Else the checkpoint would be chosen, and the bundle answer, by texts that are cut where the rows' answers end.
        """
        if getattr(task, "max_new_tokens", 0) is None:
            task.state["max_new_tokens"] = max(int(task.state.get("max_new_tokens", 0)), self.max_new_tokens)

    def data(self, features: list[Feature]) -> list[Feature]:
        """Read the prompts; rows without one that leaves room for an answer are left out."""
        run = self._run
        found = answers_of(run.task, run.processor, features, "the training rows")
        self._prompts = {row: answer.prompt for row, answer in found.items() if len(answer.prompt)}
        self._features = [feature for feature in features if feature["row"] in self._prompts]
        if not self._features:
            raise DataError("grpo: no training row has a prompt to answer.", "Give rows with a question.")
        for rows in (run.rows, run.validation):  # a row that no reward can read must come to light now
            self.reward(rows, [""] * len(rows))
        return self._features

    def prompts(self) -> Sequence[np.ndarray]:
        """Of the training rows."""
        return list(self._prompts.values())

    def start(self, run: Any) -> None:
        """Keep the weights where their divergence is a part of the loss; a resumed run begins here, too."""
        self._earlier = Earlier(run) if self.beta else None

    def loss(self, compute: LossFn) -> LossFn:
        """The negative gain of a batch's answers, in the place of the task's loss."""

        def gained(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            if not model.training:
                return compute(model, batch)
            self.begin_once()
            self._buffer = [*self._buffer[-self.again :], self._written()] if self.again else [self._written()]
            found = [self._loss(model, rollout) for rollout in self._buffer]
            self._buffer[-1] = replace(self._buffer[-1], then=found[-1][1])
            losses = [loss for loss, _ in found]
            return sum(losses[1:], losses[0]) / len(losses), None

        return gained

    def _written(self) -> Rollout:
        """New answers to the batch's prompts."""
        import torch

        run = self._run
        asked = [self._prompts[self._features[i]["row"]] for i in run.indices]
        seed = int(draws.of_batch(run).integers(2**31))
        decoding = Decoding(max_new_tokens=self.max_new_tokens, temperature=1.0, seed=seed)
        written = written_to(run, asked, decoding, self.group)
        features = [self._features[i] for i in run.indices for _ in range(self.group)]
        prompts = [self._prompts[feature["row"]] for feature in features]
        texts = [str(prediction["text"]) for prediction in run.task.decode(written, features)]
        rewards, each = self.reward([run.rows[feature["row"]] for feature in features], texts)
        groups = torch.tensor(rewards).view(-1, self.group)
        apart = advantages(groups, scaled=self.kind == "grpo")
        self.saw(
            reward=float(groups.mean()), tokens=float(np.mean([len(ids) for ids in written])),
            alike=float((groups.std(1) == 0).float().mean()),
            **({name: float(np.mean(values)) for name, values in each.items()} if len(each) > 1 else {}),
        )  # fmt: skip
        answers, kept = instructive(prompts, written, apart, all_of_them=bool(self.beta))
        return Rollout(answers, kept, torch.zeros(0), len(written))

    def _loss(self, model: Any, rollout: Rollout) -> tuple[torch.Tensor, torch.Tensor]:
        """``-mean over answers of (gain - beta * divergence)``, each the mean of its tokens (eq. 3): a scalar.

        And the tokens' log-probabilities as they are now.
        """
        import torch

        run = self._run
        if not rollout.answers:
            weight: torch.Tensor = next(iter(run.trained().values()))
            return weight.sum() * 0.0, torch.zeros(0)  # all groups are alike
        if self._share is None:
            self._share = can_share(run, rollout.answers)
        before, counts = None, rollout.counts
        if self._earlier is not None:
            with self._earlier.in_place(run), torch.no_grad(), run.autocast():
                before = found_of(run, model, rollout.answers, share=self._share)
        without_dropout(model)
        now = found_of(run, model, rollout.answers, share=self._share)
        then = rollout.then.to(now.device) if len(rollout.then) else now.detach()
        each = torch.repeat_interleave(rollout.advantages, torch.tensor(counts)).to(now.device)
        gain = clipped_gain(now, then, each, self.clip, self.clip)
        if before is not None:
            gain = gain - self.beta * torch.exp(now - then) * divergence_estimate(now, before)
        values = per_answer(gain, counts, length=self.max_new_tokens if self.kind == "dr" else None)
        return -values.sum() / rollout.written, now.detach().cpu()

    def validate(self, predictor: PredictorLike, rows: Sequence[Row], features: Sequence[Feature]) -> Evidence:
        """``reward`` of what is written to some rows, as the task writes."""
        able = [feature for feature in features if (np.asarray(feature["target"]) != -100).any()][: self.validated]
        predictions = predictor.task.decode(predictor.infer(able), able)
        return self.judge([rows[feature["row"]] for feature in able], predictions)

    def judge(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """``reward`` of each answer."""
        return {"reward": np.array(self.reward(rows, [str(p["text"]) for p in predictions])[0])}

    def facts(self) -> dict[str, Any]:
        """And, in words, where answers were learned from at another length than they are measured at."""
        found, how = super().facts(), getattr(self._run.task, "decoding", None)
        if how is not None and how.max_new_tokens != self.max_new_tokens:
            found["words"] += (
                f" It learned from answers of at most {self.max_new_tokens} tokens; mean_reward is of "
                f"answers of at most {how.max_new_tokens}. Alike: task.max_new_tokens={self.max_new_tokens}."
            )
        return found

    def state(self) -> dict[str, Any]:
        """And the answers that will be learned from again."""
        found = {**super().state(), "share": self._share}
        for i, rollout in enumerate(self._buffer[-self.again :] if self.again else []):
            found |= rollout.state(f"rollout{i}")
        return found

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what ``state`` returned."""
        super().load_state(state)
        self._share = state.get("share")
        count = sum(key.endswith(".written") for key in state)
        self._buffer = [Rollout.of_state(state, f"rollout{i}") for i in range(count)]
