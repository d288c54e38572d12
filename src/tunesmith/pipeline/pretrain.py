"""Learn from text alone: a corpus becomes tokens on disk, a model learns an objective, and its gain is measured."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace as with_fields
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.bundle.read import Bundle
from tunesmith.core import memory
from tunesmith.core.contracts import Evidence
from tunesmith.core.recipe import to_yaml
from tunesmith.core.runtime import random_state, restore_random_state, seed_everything
from tunesmith.data.batches import Drawn
from tunesmith.data.clean import write_broken
from tunesmith.data.han_words import found_words
from tunesmith.data.locate import locate
from tunesmith.data.read import refuse_broken
from tunesmith.data.sources.source import Reading
from tunesmith.evaluation.metrics import METRICS
from tunesmith.models.reference import ModelReference
from tunesmith.models.reference import resolve as resolve_model
from tunesmith.objectives.held_out import held_keys, write_divided
from tunesmith.objectives.measured import measured
from tunesmith.objectives.objective import PROBED, nothing_to_ask
from tunesmith.objectives.sentence_order import SentenceOrder
from tunesmith.objectives.shelf import Shelf, halved, write_shelf
from tunesmith.pipeline.downstream import gain, shared_rows
from tunesmith.pipeline.pretrain_plan import PretrainPlan
from tunesmith.pipeline.pretrain_save import pretrain_report, save_pretrained
from tunesmith.pipeline.run import Stages
from tunesmith.tasks.unknown_tokens import unknown_note
from tunesmith.training.loop import Trained, train
from tunesmith.training.optim import OptimizerSettings
from tunesmith.training.run_folder import opened, run_folder
from tunesmith.training.settings import LoopSettings

HEAD_RATE = 1e-3
"""Learning rate of a fresh head alone."""
HEAD_SHARE = 0.1
"""Steps of a fresh head alone, where the recipe does not say: a share of all."""
BEST = "perplexity"
ROOM = (
    "Halve training.batch_size and double training.accumulate (the same step in less room), "
    "or set a smaller model.max_length."
)
"""What gives room here: gradient checkpointing is not read."""
RATES = ("dropout", "attention_dropout", "activation_dropout")
"""Rates that layers of T5 and BART keep as a number of their own."""
ENOUGH = 1_000_000
"""Tokens by which it is told how much of a corpus a tokenizer knows."""
BROKEN = "broken_rows.csv"
"""What of the corpus could not be read: in the run's folder, then in the bundle."""
SAMPLE = 200
"""Documents by which it is told what new words save."""
HELD = "one half of what is held out"
UNSPACED = ("zh", "ja", "th")
"""Languages whose words are found in the corpus."""


def pretrain(plan: PretrainPlan, *, replace: bool = False, fresh: bool = False) -> Bundle:
    """Pretrain as planned; a run that died goes on where it was, and ends as if it had not died.

    Args:
        replace: write over a bundle of the same name.
        fresh: forget what an unfinished run of this plan left.

    Raises:
        TunesmithError: what failed; the run's folder stays.
    """
    with opened(run_folder(plan.bundle, plan.identity), fresh=fresh) as folder:
        (folder / "recipe.yaml").write_text(to_yaml(plan.recipe), "utf-8")
        for tracker in plan.trackers:
            tracker.start(str(folder), {"recipe": plan.recipe.model_dump(), "samples": 0})
        try:
            with memory.told(ROOM):
                return Pretraining(plan, folder).go(replace)
        finally:
            for tracker in plan.trackers:
                tracker.finish()


@contextmanager
def without_dropout(model: Any) -> Iterator[None]:
    """The model without dropout for the time of the block: a corpus seen a few times is not learned by heart."""
    import torch

    rates = [
        (module, name, rate)
        for module in model.modules()
        for name in (("p",) if isinstance(module, torch.nn.Dropout) else RATES)
        if isinstance(rate := getattr(module, name, None), float)
    ]
    for module, name, _ in rates:
        setattr(module, name, 0.0)
    try:
        yield
    finally:
        for module, name, rate in rates:
            setattr(module, name, rate)


def _size(texts: list[str], processor: Any) -> int:
    """Tokens of texts."""
    return sum(map(len, processor(texts, add_special_tokens=False)["input_ids"]))


class Pretraining:
    """One run; what its stages share."""

    def __init__(self, plan: PretrainPlan, folder: Path) -> None:
        import torch

        torch.set_num_threads(plan.machine.threads)
        self.plan, self.folder, self.objective = plan, folder, plan.objective
        self.stage = Stages(plan.trackers)
        self.notes: list[str] = []
        seed_everything(plan.recipe.training.seed)
        words = found_words(plan.learned.learned()) if plan.language in UNSPACED else frozenset()
        self.objective.restore({"words": sorted(words)} if words else {})
        self.words = words
        self.reference, self.processor = self.stage("model", self._start)
        self.max_length = min(plan.recipe.model.max_length or 256, self.reference.max_length)
        self.shelf, self.held_shelf = self.stage("read", self._read)
        parts = getattr(self.objective, "parts", {}).values() or [self.objective]
        asked = [part.name for part in parts if isinstance(part, SentenceOrder)]
        if asked:
            self.notes.append(f"The layer of {' and '.join(asked)} is new: before pretraining it answers by chance.")
        note = unknown_note([self.shelf.ids[:ENOUGH].tolist()], self.processor, "corpus")
        self.notes += [note] if note else []
        self.objective.prepare(self.shelf, self.processor)
        self.model: Any = self._built()
        self.features = self._drawn(self.shelf, plan.recipe.training.seed, "the corpus")
        if self.features.left_out:
            self.notes.append(
                f"{self.features.left_out:,} of the corpus's {len(self.shelf.ids):,} tokens are not learned: "
                f"{self.features.left_out_why}."
            )
        # The weights are chosen on one half of what is held out, and reported on the other.
        self.halves = halved(self.held_shelf)
        self.chosen_by, self.held = (self._drawn(half, PROBED, HELD) for half in self.halves)

    def go(self, replace: bool) -> Bundle:
        """All stages, from the corpus to the bundle."""
        plan, begun = self.plan, time.monotonic()
        with ExitStack() as stack:
            if plan.recipe.scratch is not None and not self.objective.noisy:
                stack.enter_context(without_dropout(self.model))
            self._make_fast(stack)
            if self._fresh_head():
                self.stage("head", self._head)
            evidences: dict[str, Evidence] = {"before": self.stage("before", lambda: self._measured(self.held))}
            trained = self.stage("train", self._train)
            evidences["after"] = self.stage("evaluate", lambda: self._measured(self.held))
        self.objective.finish(self.model)
        self.model.eval()
        if plan.downstream is not None:
            self.notes += shared_rows(self)
        report = pretrain_report(self, evidences, trained)
        if plan.downstream is not None:
            report["downstream"] = self.stage("downstream", lambda: gain(self))
        report["context"]["seconds"] = dict(self.stage.seconds) | {"all": round(time.monotonic() - begun, 3)}
        return self.stage("save", lambda: save_pretrained(self, report, replace=replace))

    def _start(self) -> tuple[ModelReference, Any]:
        """The model to start from and its tokenizer: one that there is, or one that is made of the corpus."""
        from tunesmith.models.load import load_processor

        plan, found = self.plan, self.plan.reference
        if plan.recipe.scratch is not None:
            from tunesmith.models.scratch import made_anew

            made = made_anew(
                self.folder / "scratch", plan.learned.learned(), plan.recipe.scratch.model_dump(),
                kind=self.objective.writes, max_length=max(plan.recipe.model.max_length or 0, 512),
                seed=plan.recipe.training.seed,
            )  # fmt: skip
            found = resolve_model(str(made))
        assert found is not None
        return found, self.objective.adapt(self._extended(load_processor(found)))

    def _extended(self, processor: Any) -> Any:
        """The tokenizer with the corpus's own words, where that is asked for."""
        from tunesmith.models.more_words import added_words

        wanted = self.plan.recipe.vocabulary
        self.added: dict[str, list[int]] = {}
        if wanted.add:
            some = list(islice(self.plan.learned.learned(), SAMPLE))
            before = _size(some, processor)
            self.added = added_words(
                processor, islice(self.plan.learned.learned(), 50_000), self.words, most=wanted.add, least=wanted.least
            )
            self.notes.append(
                f"{len(self.added)} words of the corpus were added to the tokenizer: its first {len(some):,} documents "
                f"were {before:,} tokens, and are {_size(some, processor):,}."
            )
        return processor

    def _read(self) -> tuple[Shelf, Shelf]:
        plan, data = self.plan, self.plan.recipe.data
        reading, told = Reading(), self.folder / "reading.json"

        def read() -> None:
            """Before the shelf is finished: what is refused is refused again by the same command."""
            found = locate(data.path)
            refuse_broken(found, reading.rows, reading)
            broken = write_broken(reading, self.folder / BROKEN)
            lines = [f"{broken:,} broken lines of the corpus were left out; they are in {BROKEN}."] if broken else []
            told.write_text(json.dumps([*found.notes, *reading.told(), *lines], ensure_ascii=False), "utf-8")

        place, beside = self.folder / "corpus", self.folder / "held"
        if not told.exists():  # a shelf that was refused by a version which finished it first
            shutil.rmtree(place, ignore_errors=True)
        if data.test:
            shelf = write_shelf(
                place, plan.learned.learned(reading), self.processor, self.words, limit=data.tokens, read=read
            )
            held = write_shelf(beside, plan.held.held(), self.processor, self.words, limit=data.held_tokens)
        else:
            shelf, held = write_divided(
                place, beside, plan.learned.divided(reading), self.processor, self.words,
                limit=data.tokens, held_limit=data.held_tokens, read=read,
            )  # fmt: skip
        self.notes += json.loads(told.read_text("utf-8"))
        return shelf, held

    def learned(self) -> Iterator[str]:
        """The documents that the shelf is of, when it has been read."""
        corpus, held = self.plan.learned, held_keys(self.folder / "held")
        corpus = corpus if held is None else with_fields(corpus, hold=0.0, apart=held)
        return islice(corpus.learned(), len(self.shelf) if self.plan.recipe.data.tokens else None)

    def _drawn(self, shelf: Shelf, seed: int, what: str) -> Drawn:
        found = self.objective.drawn(shelf, self.processor, max_length=self.max_length, seed=seed)
        if not len(found):
            raise nothing_to_ask(self.objective.name, found, what)
        return found

    def _built(self) -> Any:
        from tunesmith.models.build import build
        from tunesmith.models.more_words import with_rows

        seed_everything(self.plan.recipe.training.seed)
        built: Any = build(self.reference, self.objective, pooling=self.plan.recipe.model.pooling)
        if self.added:
            with_rows(built, self.processor, self.added)
        return built.to(self.plan.machine.device)

    def _make_fast(self, stack: ExitStack) -> None:
        """The fast parts, for the time of learning and measuring."""
        import torch

        from tunesmith.training.kernels import fast_training
        from tunesmith.training.kernels.tied import compact_table

        if self.objective.tied:
            special = [i for i in self.processor.all_special_ids if i is not None]
            used = torch.from_numpy(np.union1d(self.shelf.used, special).astype(np.int64))
            held = torch.from_numpy(self.held_shelf.used.astype(np.int64))
            if stack.enter_context(compact_table(self.model, torch.cat([used, held]).to(self.plan.machine.device))):
                self.notes.append(
                    f"Softmax runs over the {len(used):,} pieces of the corpus, not over all {len(self.processor):,}."
                )
        stack.enter_context(fast_training(self.model, None, self.plan.machine.device))

    def _fresh_head(self) -> bool:
        from tunesmith.models.load import load_config

        made = (getattr(load_config(self.reference), "architectures", None) or [""])[0]
        # ELECTRA's own layer tells replaced tokens, and writes none.
        bare = made == "ElectraForPreTraining" or not made.endswith(
            ("MaskedLM", "PreTraining", "CausalLM", "ConditionalGeneration", "LMHeadModel")
        )
        wants = self.objective.auto_model in ("AutoModelForMaskedLM",)
        return wants and bare and self.plan.recipe.scratch is None and self.plan.recipe.head_steps != 0

    def _head(self) -> Trained:
        """A fresh head alone, so that its first gradients do not run through the whole model."""
        settings = self._settings()
        steps = self.plan.recipe.head_steps or max(1, round(HEAD_SHARE * self._steps(settings)))
        epoch = self._steps(with_fields(settings, epochs=1.0, max_steps=None))
        alone = with_fields(
            settings,
            max_steps=steps,
            epochs=max(settings.epochs, float(-(-steps // epoch))),
            optimizer=OptimizerSettings(HEAD_RATE),
            schedule="constant",
            patience=None,
        )
        frozen = [p for p in self.model.base_model.parameters() if p.requires_grad]
        for parameter in frozen:
            parameter.requires_grad_(False)
        try:
            return self._looped(alone, self.folder / "head", measure=False)
        finally:
            for parameter in frozen:
                parameter.requires_grad_(True)

    def _train(self) -> Trained:
        return self._looped(self._settings(), self.folder, measure=True)

    def _settings(self) -> LoopSettings:
        return LoopSettings.of(self.plan.recipe.training, BEST, METRICS.load(BEST).higher_is_better)

    def _steps(self, settings: LoopSettings) -> int:
        batches = -(-len(self.features) // settings.batch_size)
        steps = int(settings.epochs * -(-batches // settings.accumulate))
        return min(steps, settings.max_steps or steps)

    def _looped(self, settings: LoopSettings, folder: Path, *, measure: bool) -> Trained:
        folder.mkdir(exist_ok=True)

        def evaluate() -> Mapping[str, float]:
            evidence = self._measured(self.chosen_by)
            return {name: float(METRICS.make(name)(evidence)) for name in self.objective.metrics}

        # A fresh output layer alone has nothing to learn from objectives that do not read it.
        task = self.objective if measure else self.objective.lead
        features = (
            self.features
            if task is self.objective
            else task.drawn(self.shelf, self.processor, max_length=self.max_length, seed=settings.seed)
        )
        return train(
            self.model, task, self.processor, features, settings, self.plan.machine, folder,
            evaluate=evaluate if measure else None, trackers=self.plan.trackers,
            encode=lambda rows: self.objective.encode(rows, self.processor, max_length=self.max_length, targets=True),
        )  # fmt: skip

    def _measured(self, features: Drawn) -> Evidence:
        state = random_state()
        found = measured(
            self.model, self.objective, features, self.processor, precision=self.plan.machine.precision,
            progress=None,
        )  # fmt: skip
        restore_random_state(state)
        return found

    def fingerprints(self) -> dict[str, Any]:
        """What was read, as tokens: sha256 and sizes."""
        told = {}
        for name, shelf in zip(("train", "validation", "test"), (self.shelf, *self.halves), strict=True):
            digest = hashlib.sha256()
            for start in range(0, len(shelf.ids), 1 << 20):
                digest.update(np.ascontiguousarray(shelf.ids[start : start + (1 << 20)]).tobytes())
            told[name] = {"sha256": digest.hexdigest(), "rows": len(shelf), "tokens": len(shelf.ids)}
        return told
