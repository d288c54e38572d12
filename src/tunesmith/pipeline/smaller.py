"""A bundle made smaller: pruned, taught by what it was, its vocabulary trimmed; and proven against its parent."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.bundle.layout import CONFIG, WEIGHTS
from tunesmith.bundle.predictor import Predictor, batches_by_length
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.compression.prune import STEP, Cut, Pruned, count_of, named_layers, prune
from tunesmith.compression.scripts import scripts_of
from tunesmith.compression.vocabulary import Trimmed, trim
from tunesmith.core.contracts import Evidence, Row
from tunesmith.core.errors import ModelError, RecipeError
from tunesmith.data.shapes import TEXTS
from tunesmith.evaluation.words import number
from tunesmith.models.encoder_layers import refusal
from tunesmith.models.heads import mean
from tunesmith.models.tensors import tensors
from tunesmith.pipeline.inherited import refuse_reading_again
from tunesmith.pipeline.members import planned, refuse_apart, told
from tunesmith.pipeline.plan import Plan
from tunesmith.pipeline.run import Addition, Run, run
from tunesmith.pipeline.shrink_files import refuse_files
from tunesmith.training.loop import Trained

if TYPE_CHECKING:
    import torch

    from tunesmith.compression.importance import Kind
    from tunesmith.compression.prune import Count, Which

AGAIN = "Name the data file that the bundle was tuned on: data.path=FILE"
CALIBRATION = 256
"""Training rows by which parts are chosen and fitted."""
TOKENS = 16_384
"""Of these rows at most: what every layer gives for them is held in memory."""
BATCH = 16
TEACHER_WEIGHT = 0.7
"""Of the parent's answers in the recovery, against the labels."""


def smaller(
    bundle: str | Path,
    overrides: Sequence[str] = (),
    *,
    layers: Count | Sequence[int] | None = None,
    which: Which = "even",
    feed_forward: Count | None = None,
    heads: Count | None = None,
    importance: Kind = "fisher",
    refit: bool = True,
    vocabulary: Sequence[str] | None = None,
    pieces: int | None = None,
    recover: float = 1.0,
    calibration: int = CALIBRATION,
    overwrite: bool = False,
    fresh: bool = False,
) -> Bundle:
    """Prune a bundle, let it recover by its parent's answers, trim its vocabulary, and prove it like any other.

    The rows are those of the parent's recipe, divided as then. In the report "before" is the parent, on the same test
    rows; ``report["smaller"]`` says what was cut off, and the validation figure after each stage.

    Args:
        overrides: of the recipe: ``bundle=out/small``, ``training.learning_rate=1e-4``, ``data.path=FILE``.
        layers, which, feed_forward, heads, importance, refit: see ``compression.prune.Cut``.
        vocabulary: languages or scripts whose pieces stay, beside those of the training and validation rows; [] keeps
            what the rows need, single characters and the most frequent ones; None: all pieces stay.
        pieces: of the vocabulary's, beside those that the rows need, the most frequent ones. See ``trim``.
        recover: epochs of training after pruning, by ``distill`` from the parent; 0: none.
        calibration: training rows by which parts are chosen and fitted.
        overwrite: write over a bundle of the same name.
        fresh: forget what an unfinished run left.

    Raises:
        TunesmithError: something does not fit, before anything heavy; or its data cannot be read again.
    """
    parent = read_bundle(bundle)
    cut = Cut(layers, which, feed_forward, heads, importance, refit)
    wanted = Wanted(cut, list(vocabulary) if vocabulary is not None else None, pieces, recover, calibration)
    _refuse(parent, wanted)
    made = planned(
        [parent], overrides, "small", AGAIN, chosen=False, replace=overwrite, training=_recovery(parent, wanted)
    )
    made.beside = {"smaller": asdict(wanted)}
    if "protected" in parent.manifest.data:
        made.data.notes.append(
            f"{parent.path} learned on; of what it knew before there are no rows here, and what is lost of that is not "
            "measured."
        )
    reduced = _Reduced(parent, wanted)
    return run(made, replace=overwrite, fresh=fresh, addition=reduced, kind=reduced.run)


@dataclass(frozen=True)
class Wanted:
    """What is asked for; see ``smaller``."""

    cut: Cut
    vocabulary: list[str] | None
    pieces: int | None
    recover: float
    calibration: int

    @property
    def prunes(self) -> bool:
        """Whether anything but pieces is cut off."""
        return any(part is not None for part in (self.cut.layers, self.cut.feed_forward, self.cut.heads))

    @property
    def trains(self) -> bool:
        """Whether there is anything to recover from."""
        return self.prunes and self.recover > 0


def _refuse(parent: Bundle, wanted: Wanted) -> None:
    """By the bundle's configuration alone."""
    refuse_apart(parent)
    refuse_files(parent)
    refuse_reading_again(parent)
    cut = wanted.cut
    if not wanted.prunes and wanted.vocabulary is None:
        raise RecipeError("Nothing is to be cut off.", "Name layers, feed_forward, heads or vocabulary.")
    if wanted.recover < 0 or wanted.calibration < 1:
        raise RecipeError(
            f"recover must be 0 or more epochs, calibration 1 row or more. Got {wanted.recover:g} and "
            f"{wanted.calibration}.",
            "recover=1 and calibration=256 are the defaults.",
        )
    scripts_of(wanted.vocabulary or [])
    if not wanted.prunes:
        return
    config = json.loads((parent.path / CONFIG).read_text("utf-8"))
    if why := refusal(config["model_type"]):
        raise RecipeError(f"{parent.path} cannot be pruned: {why}.", "Make it smaller by int8, or distill it.")
    total = config.get("num_hidden_layers", config.get("n_layers")) - (parent.manifest.pooling == "mean")
    if isinstance(cut.layers, int | float):
        count_of(cut.layers, total, "layers")
    elif cut.layers is not None:
        named_layers(cut.layers, total)
    if cut.feed_forward is not None:
        count_of(cut.feed_forward, config.get("intermediate_size", config.get("hidden_dim")), "feed_forward", step=STEP)
    if cut.heads is not None:
        count_of(cut.heads, total * config.get("num_attention_heads", config.get("n_heads")), "heads")


def _recovery(parent: Bundle, wanted: Wanted) -> dict[str, Any] | None:
    """The training block: the parent's rates where it was tuned as a whole, else those of ``full``."""
    if not wanted.trains:
        return None
    keys = ("learning_rate", "head_learning_rate", "weight_decay", "layer_decay", "batch_size", "accumulate", "warmup")
    others = {} if parent.manifest.method.name == "full" else dict.fromkeys(keys)
    teach = {"name": "distill", "teacher": str(parent.path), "weight": TEACHER_WEIGHT}
    return {**others, "epochs": wanted.recover, "max_steps": None, "strategies": [teach]}


@dataclass
class _Reduced(Addition):
    """The run's place where it is cut, and what its report says of it."""

    parent: Bundle
    wanted: Wanted

    def run(self, plan: Plan, folder: Path, addition: Addition) -> Run:
        """The run that cuts."""
        self._run = _SmallerRun(plan, folder, addition, self.wanted)
        return self._run

    def proven(self, predictor: Predictor, report: dict[str, Any], folder: Path) -> None:
        """What was cut off, and what it cost."""
        run = self._run
        words = " ".join([*run.words, *run.worth_words()])
        report["data_notes"].append(words)
        report["smaller"] = {
            "parent": told(self.parent),
            "parameters": {"before": run.parameters, "after": report["context"]["parameters"]["all"]},
            "bytes": {"before": (self.parent.path / WEIGHTS).stat().st_size},
            "pruned": asdict(run.pruned) if run.pruned else None,
            "vocabulary": {"before": run.trimmed.before, "after": len(run.trimmed.kept), "saved": run.trimmed.saved}
            if run.trimmed
            else None,
            "recover": self.wanted.recover if self.wanted.trains else 0,
            "validation": run.worths,
            "words": words,
        }


class _SmallerRun(Run):
    """A run that prunes before it trains, and trims the vocabulary after. "Before" is the parent.

    The vocabulary goes last: until then the parent, as a teacher, reads the same pieces; and it changes no answer.
    """

    titles = {"before": "its parent"}

    def __init__(self, plan: Plan, folder: Path, addition: Addition, wanted: Wanted) -> None:
        super().__init__(plan, folder, addition)
        self.wanted = wanted
        self.pruned: Pruned | None = None
        self.trimmed: Trimmed | None = None
        self.words: list[str] = []
        self.worths: dict[str, dict[str, float]] = {}
        self.parameters = _size(self.model)

    def measured(self, precision: str) -> tuple[Evidence, dict[str, float]]:
        """In fp32 always: "before" is what the small one is held against."""
        return super().measured("fp32")

    def tuned(self) -> tuple[dict[str, int], Trained, bool]:
        """Prune, recover, trim."""
        begun = time.monotonic()
        self._note("parent")
        if self.wanted.prunes:
            self.stage("prune", self._prune)
            self._note("pruned")
        if self.wanted.trains:
            counts, trained, adapter = super().tuned()
            self._note("recovered")
        else:
            self._choose()
            counts, adapter = {"trained": 0}, False
            trained = Trained([], 0, 0, time.monotonic() - begun, 0.0)
        if self.wanted.vocabulary is not None:
            self.stage("vocabulary", self._trim)
        return {**counts, "all": _size(self.model)}, trained, adapter

    def worth_words(self) -> list[str]:
        """The validation figures in a sentence, where there are any."""
        metric = self.plan.task.choosing[0]
        told = ", ".join(f"{stage} {number(found[metric])}" for stage, found in self.worths.items())
        return [f"{metric} on the validation rows: {told}."] if told else []

    def _prune(self) -> None:
        batches = self._calibration()
        self.pruned = done = prune(self.model, self.wanted.cut, batches, self._loss)
        self.model.eval()
        self.words.append(
            f"Pruned to {len(done.layers)} layers ({', '.join(map(str, done.layers))}) of {done.neurons} neurons and "
            f"{', '.join(map(str, done.heads))} heads: {done.after:,} of {done.before:,} weights."
        )

    def _trim(self) -> None:
        rows = [*self.plan.data.train, *self.plan.data.validation]
        features = self._encoded(rows)
        texts = (str(row[role]) for row in rows for role in TEXTS if row.get(role))
        self.trimmed = done = trim(
            self.model, self.processor, texts, keep=self.wanted.vocabulary or (), limit=self.wanted.pieces,
            ids=self.plan.task.token_ids(features).tolist(),
        )  # fmt: skip
        self.processor = done.processor
        self.words.append(done.words)
        again = self._encoded(rows)
        old = np.asarray(done.kept)
        for before, after in zip(features, again, strict=True):
            if not np.array_equal(before["input_ids"], old[after["input_ids"]]):
                raise ModelError(
                    "With fewer pieces a training row would be cut otherwise.", "Leave the vocabulary as it is."
                )

    def _calibration(self) -> list[Any]:
        """Batches of rows drawn by the seed."""
        rows, count = self.plan.data.train, self.wanted.calibration
        some: list[Row] = random.Random(self.plan.recipe.training.seed).sample(rows, min(count, len(rows)))
        features = self.task.sample(self._encoded(some))
        lengths = np.asarray([len(feature["input_ids"]) for feature in features])
        enough = max(1, int((lengths.cumsum() <= TOKENS).sum()))
        groups = batches_by_length(lengths[:enough].tolist(), BATCH, TOKENS)
        device = self.plan.machine.device
        return [tensors(self.task.collate([features[i] for i in group], self.processor), device) for group in groups]

    def _loss(self, model: Any, batch: Any) -> torch.Tensor:
        return self.task.loss(self.task.forward(model, batch), batch)

    def _note(self, stage: str) -> None:
        """The primary metric on the validation rows, and the log loss, which sees smaller steps."""
        measure = self._validation(self.model)
        if measure is not None:
            with mean.shortened(self.model):
                found = measure()
            wanted = dict.fromkeys((self.plan.task.choosing[0], "log_loss"))
            self.worths[stage] = {name: float(found[name]) for name in wanted if name in found}


def _size(model: Any) -> int:
    return sum(p.numel() for p in model.parameters())
