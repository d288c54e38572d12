"""Every registered objective: it draws alike from the same place, learns, and its bundle answers alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith import testing
from tunesmith.bundle.layout import Lineage, Manifest, MethodRecord, TaskRecord
from tunesmith.bundle.parity import compare
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import read_bundle
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.bundle.write import write_bundle, write_model
from tunesmith.core.registry import family
from tunesmith.core.runtime import Machine, seed_everything
from tunesmith.data.batches import Drawn
from tunesmith.models.build import build
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve
from tunesmith.models.tensors import tensors
from tunesmith.objectives.measured import measured
from tunesmith.objectives.objective import PROBED, Objective
from tunesmith.objectives.shelf import in_memory
from tunesmith.training.kernels import fast_training
from tunesmith.training.loop import LoopSettings, train
from tunesmith.training.optim import OptimizerSettings

KINDS = {"encoder": "bert", "causal": "llama", "seq2seq": "t5"}
ROOM = 40
DRAWN_AT_RANDOM = ("sentence-order", "next-sentence")
"""Toy documents are sentences in no order: there is nothing to learn of it."""
TEXTS = {language: testing.toy_documents(language, 32) for language in ("en", "zh")}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("objectives")


class Life:
    def __init__(self, name: str, language: str, place: Path) -> None:
        self.objective: Objective = family("objectives").make(name)
        self.objective.restore({})
        kind = KINDS[self.objective.writes]
        folder = getattr(testing, f"tiny_{kind}")(place / kind, texts=[*TEXTS["en"], *TEXTS["zh"]])
        reference = resolve(str(folder))
        self.processor: Any = self.objective.adapt(load_processor(reference))
        seed_everything(3)
        self.model: Any = build(reference, self.objective)
        self.shelf = in_memory(TEXTS[language], self.processor)
        self.objective.prepare(self.shelf, self.processor)
        self.texts = TEXTS[language]

    def drawn(self, seed: int) -> Drawn:
        return self.objective.drawn(self.shelf, self.processor, max_length=ROOM, seed=seed)

    def predictor(self, model: Any = None) -> Predictor:
        return Predictor(self.objective, self.processor, TorchRuntime(model or self.model), max_length=ROOM)


@pytest.fixture(params=[(n, lang) for n in sorted(family("objectives")) for lang in ("en", "zh")], ids="/".join)
def life(request: pytest.FixtureRequest, place: Path) -> Life:
    return Life(*request.param, place)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(np.array_equal(one, other))


def test_a_batch_follows_from_epoch_and_places_alone(life: Life) -> None:
    first, second = life.drawn(5), life.drawn(5)
    assert len(first) > 4 and len(first.lengths) == len(first)
    _ = [second[i] for i in range(len(second))]  # what was drawn before does not matter
    batches = [life.objective.collate([d[i] for i in (1, 3, 0)], life.processor) for d in (first, second)]
    assert same(*batches)
    first.epoch = 1
    later = life.objective.collate([first[i] for i in range(len(first))], life.processor)
    first.epoch = 0
    assert (
        life.objective.noisy
        or life.objective.vectors
        or life.objective.name == "causal-lm"
        or max(first.lengths) < 10  # the tiny T5's pieces are whole Chinese sentences: there is one way to spoil a few
        or not same(later, life.objective.collate([first[i] for i in range(len(first))], life.processor))
    )


def test_it_is_learned_and_its_bundle_answers_alike(life: Life, tmp_path: Path) -> None:
    asked = life.objective.lead
    held = asked.drawn(life.shelf, life.processor, max_length=ROOM, seed=PROBED)
    before = measured(life.model, asked, held, life.processor)
    assert all(len(array) == len(held) for array in before.values()) and before["target_tokens"].sum() > 0
    settings = LoopSettings(8, 8, OptimizerSettings(3e-3), patience=None)
    with fast_training(life.model, None, "cpu"):
        train(
            life.model, life.objective, life.processor, life.drawn(1), settings, Machine("cpu", "fp32", 1),
            tmp_path / "run", encode=lambda rows: [],
        )  # fmt: skip
        after = measured(life.model, asked, held, life.processor)
    assert np.isfinite(after["log_likelihood"]).all()
    if asked.name not in DRAWN_AT_RANDOM:
        assert after["log_likelihood"].sum() > before["log_likelihood"].sum()
    life.objective.finish(life.model)
    rows = [{"text": text} for text in life.texts[:3]]
    features, wanted = life.predictor().outputs(rows)
    predictions = life.objective.decode(wanted, features)
    assert json.loads(json.dumps(predictions)) == predictions and len(predictions) == 3
    response = life.objective.response_model()
    assert all(response.model_validate(p).model_dump() == p for p in predictions)
    alone = life.predictor().predict(rows[1:2])
    assert compare("alone", [], [], predictions[1:2], alone, 1e-3).passed
    name = life.objective.name
    manifest = Manifest(
        TaskRecord(name, {}, life.objective.state), MethodRecord("full"), lineage=Lineage("tiny"), max_length=ROOM
    )
    write_bundle(tmp_path / "b", fill=lambda part: write_model(part, life.model, life.processor), manifest=manifest)
    again = read_bundle(tmp_path / "b").predict(rows)
    assert compare("reload", [], [], predictions, again, 1e-4).passed


@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta", "llama"])
def test_a_packed_row_gives_each_document_its_own_states(kind: str, place: Path) -> None:
    objective: Objective = family("objectives").make("causal-lm" if kind == "llama" else "masked-lm")
    reference = resolve(str(getattr(testing, f"tiny_{kind}")(place / kind, texts=[*TEXTS["en"], *TEXTS["zh"]])))
    model: Any = build(reference, objective).eval()
    processor = load_processor(reference)
    drawn = objective.drawn(in_memory(TEXTS["en"], processor), processor, max_length=ROOM, seed=1)
    index = next(i for i in range(len(drawn)) if len(drawn[i]["pieces"]) > 1)
    batch = tensors(objective.collate([drawn[index]], processor))
    first, second = drawn[index]["pieces"][:2]
    given = {key: value for key, value in batch.items() if key != "labels"}
    with torch.no_grad():
        packed = model(**given).logits[0]
        for part in (slice(0, first), slice(first, first + second)):
            alone = model(input_ids=batch["input_ids"][:, part]).logits[0]
            assert torch.allclose(packed[part], alone, atol=1e-5)


def test_rows_of_a_model_without_positions_hold_one_document(place: Path) -> None:
    life = Life("masked-lm", "en", place)
    assert any(len(one["pieces"]) > 1 for one in map(life.drawn(1).__getitem__, range(len(life.drawn(1)))))
    life.objective._positions = False
    drawn = life.drawn(1)
    assert all(len(drawn[i]["pieces"]) == 1 for i in range(len(drawn)))


def test_every_kind_of_model_has_an_objective() -> None:
    assert {family("objectives").make(name).writes for name in family("objectives")} == set(KINDS)
