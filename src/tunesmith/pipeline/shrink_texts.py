"""Shrinking what writes: candidates are held to their parent token by token, each after the same words.

Whole answers are no measure: one other word, as good, and all that follows is another text. So each candidate reads the
held-out answers and says how likely each of their tokens is, and which one it would have written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tunesmith.bundle.parity import largest_gap
from tunesmith.bundle.predictor import batches_by_length
from tunesmith.bundle.read import Bundle
from tunesmith.bundle.rows import inputs_only
from tunesmith.bundle.runtimes.onnx_writer import IGNORED, OnnxWriter, log_probabilities
from tunesmith.compression.builder import refuse_unknown
from tunesmith.compression.cuts import CutSpec
from tunesmith.compression.forms import Form
from tunesmith.compression.pick import Candidate, Units, within
from tunesmith.compression.writer_forms import WriterForm
from tunesmith.core.artefacts import Parity
from tunesmith.core.contracts import Evidence, Feature, Row
from tunesmith.core.errors import RecipeError
from tunesmith.evaluation.bootstrap import figures
from tunesmith.evaluation.rise import risen
from tunesmith.pipeline.plan import Plan
from tunesmith.pipeline.shrink_options import ShrinkOptions
from tunesmith.pipeline.shrink_sides import Made, Proof, Side, file_bytes, in_forms, in_torch
from tunesmith.pipeline.writing_speed import TOGETHER, seconds_a_token
from tunesmith.tasks.likelihood import likelihoods

CHOOSING, TEST = 12_000, 24_000
"""Tokens, prompts included, that the rows may have that choose and that prove."""
PASS = 512
"""Tokens that are read at once: every one has a number for each word of the vocabulary."""
EXACT = 5e-3
"""How far a log-probability may move in a form that only computes in another order."""
PROVEN = 8
"""Rows whose answers a fresh process writes again."""
METRIC = "perplexity"


@dataclass(frozen=True)
class Read:
    """How a model reads answers that are given: an array a feature, of its target's tokens.

    Args:
        scores: natural log-probabilities.
        likeliest: the tokens that it would have written.
    """

    scores: list[np.ndarray]
    likeliest: list[np.ndarray]


class OnTexts:
    """A ``Kind``.

    Args:
        parent: what is shrunk.
        plan: of the parent's own rows.
        asked: the options.
        work: a folder for what is made.
    """

    units: ClassVar[Units] = Units("text", " a token", TOGETHER, "next tokens", relative=True)
    allow_more: ClassVar[str] = "Allow more with --max-loss (a share of the perplexity), or keep the bundle."
    metric = METRIC
    metrics = (METRIC,)

    def __init__(self, parent: Bundle, plan: Plan, asked: ShrinkOptions, work: Path) -> None:
        self.parent, self.plan, self.asked, self.work = parent, plan, asked, work
        self._first = in_torch(parent).side
        seed = plan.recipe.training.seed
        choosing = plan.data.validation or plan.data.train
        self.choosing, self._chosen_by = self._some(choosing, CHOOSING, seed)
        self.test, self._proven_by = self._some(plan.data.test, TEST, seed)
        self._on_test: dict[str, Read] = {}

    @property
    def rows(self) -> dict[str, int]:
        """How many choose, and how many prove."""
        return {"choosing": len(self.choosing), "test": len(self.test)}

    def made(
        self, forms: Sequence[Form], cuts: Mapping[str, CutSpec], overrides: Sequence[str], left_out: dict[str, str]
    ) -> Made:
        """Build each form of the parent's folder."""
        self.plan.stage("export")

        def write(form: Form, folder: Path) -> Side:
            assert isinstance(form, WriterForm)
            form.write(self.parent.path, folder)
            runtime = OnnxWriter.of(folder / form.file, self.parent.path, form.precision)
            runtime.decoder(rows=1, length=16)  # which proves that it writes as it reads
            return Side(form.name, self.parent, runtime, file_bytes(folder), form, folder)

        home = self.work / "forms"
        found = in_forms(forms, home, write, lambda form: form.name, left_out, self.plan.progress)
        return Made(self._first, found, [])

    def measured(self, sides: Sequence[Side]) -> dict[str, Candidate]:
        """All on the rows that choose; the first is what the others are held against."""
        features = self._chosen_by
        read = {side.name: _read(side, features) for side in sides}
        prompts = [one["input_ids"] for one in self._first.predictor().encode(self._asked(self.choosing[:TOGETHER]))]
        one, many = (seconds_a_token({side.name: side for side in sides}, prompts, size) for size in (1, TOGETHER))
        first = read[sides[0].name]
        before = self._evidence(first, features)

        def candidate(side: Side) -> Candidate:
            own = read[side.name]
            after = self._evidence(own, features)
            return Candidate(
                side.name, _perplexity(after), risen(before, after)["value"], agreement(first, own),
                largest_gap(first.scores, own.scores), side.bytes, one[side.name], many[side.name],
            )  # fmt: skip

        return {side.name: candidate(side) for side in sides}

    def remarks(self, candidates: Sequence[Candidate], picked: Candidate) -> list[str]:
        """What would have been smaller or quicker, and why it is not the pick."""
        lost = [one for one in candidates[1:] if not within(one.loss, self.asked.max_loss)]
        said = [
            f"{one.name} raises the perplexity by {one.loss:.1%} ({one.metric:.4g}) and would have written another "
            f"token at {1 - (one.agreement or 0):.1%} of the places."
            for one in lost
        ]
        return [*said, "Measured on answers that were given, not on answers written."]

    def proven(self, side: Side) -> Proof:
        """On the test rows, which nothing was chosen on."""
        before, after = self._on(self._first), self._on(side)
        evidences = [self._evidence(read, self._proven_by) for read in (before, after)]
        rise = risen(*evidences)
        gap, same = largest_gap(before.scores, after.scores), agreement(before, after)
        # As of what answers by row: a number may move by what all of them differ by.
        exact = side.form is None or side.form.exact
        tolerance = EXACT if exact else float(np.std(np.concatenate(before.scores)))
        passed = within(rise["value"], self.asked.max_loss) and gap <= tolerance and same >= self.asked.least_agreement
        parity = Parity(
            f"shrink to {side.name}", len(self.test), gap, same, tolerance, passed,
            METRIC, rise["value"], rise["low"], rise["high"], self.asked.max_loss,
        )  # fmt: skip
        return Proof(parity, evidences[1], figures(evidences[1], [METRIC])[METRIC].to_json())

    def parents_evidence(self) -> Evidence:
        """Of the test rows."""
        return self._evidence(self._on(self._first), self._proven_by)

    def proof_rows(self) -> list[dict[str, Any]]:
        """Rows that a fresh process must answer alike: texts take their time, so they are few."""
        return self._asked(self.test[:PROVEN])

    def _asked(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return inputs_only(self.plan.task, rows)

    def _on(self, side: Side) -> Read:
        """The test rows, read once."""
        if side.name not in self._on_test:
            self._on_test[side.name] = _read(side, self._proven_by)
        return self._on_test[side.name]

    def _evidence(self, read: Read, features: Sequence[Feature]) -> Evidence:
        rows = 1 + max((feature["row"] for feature in features), default=-1)
        return likelihoods(read.scores, features, rows)

    def _some(self, rows: Sequence[Row], tokens: int, seed: int) -> tuple[list[Row], list[Feature]]:
        """Rows, drawn, that have so many tokens, and their features; those without anything to score are left out."""
        order = np.random.default_rng(seed).permutation(len(rows))
        predictor = self._first.predictor()
        kept: list[Row] = []
        features: list[Feature] = []
        for start in range(0, len(order), 64):
            part = [rows[i] for i in order[start : start + 64]]
            for feature in predictor.encode(part, targets=True):
                if tokens > 0 and (feature["target"] != IGNORED).any():
                    features.append({**feature, "row": len(kept)})
                    kept.append(part[feature["row"]])
                    tokens -= len(feature["input_ids"])
            if tokens <= 0:
                break
        return kept, features


def refuse_unable(parent: Bundle, cuts: Mapping[str, CutSpec]) -> None:
    """Before anything is made.

    Raises:
        TunesmithError: the bundle's model has no form with a cache, or is asked for what only reads.
    """
    task: Any = parent.task
    if not task.causal:
        raise RecipeError(
            f"{parent.path} writes with an encoder and a decoder; there are forms for causal models only.",
            "Keep the bundle as it is.",
        )
    if cuts:
        raise RecipeError("--cut makes encoders smaller, and not models that write.", "Leave out --cut.")
    decoding = getattr(task, "decoding", None)
    if decoding is not None and decoding.beams > 1:
        raise RecipeError(
            f"{parent.path} writes with {decoding.beams} beams; the runtime onnx has none.",
            "Tune with task.beams=1, or keep the bundle.",
        )
    refuse_unknown(parent.path)


def _read(side: Side, features: Sequence[Feature]) -> Read:
    """What a side says of answers that are given."""
    predictor = side.predictor()
    scores: list[Any] = [None] * len(features)
    likeliest: list[Any] = [None] * len(features)
    for group in batches_by_length([len(one["input_ids"]) for one in features], len(features), PASS):
        batch = predictor.collate([features[i] for i in group])
        labels = batch.pop("labels")[:, 1:]
        logits = side.runtime.forward(batch)["logits"][:, :-1]
        for i, wanted, found in zip(group, labels, logits, strict=True):
            places = np.flatnonzero(np.asarray(wanted) != IGNORED)
            scores[i] = log_probabilities(found[places], np.asarray(wanted)[places])
            likeliest[i] = found[places].argmax(-1)
    return Read(scores, likeliest)


def agreement(one: Read, other: Read) -> float:
    """Share of tokens at which both would have written the same one."""
    pairs = zip(one.likeliest, other.likeliest, strict=True)
    same = [a == b for a, b in pairs]
    return float(np.concatenate(same).mean()) if same else 1.0


def _perplexity(evidence: Evidence) -> float:
    return float(np.exp(-evidence["log_likelihood"].sum() / max(1, evidence["target_tokens"].sum())))
