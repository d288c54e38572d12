"""One life for every task: learn, encode, collate, loss, decode, evidence, metrics, training, a bundle and back.

Two tasks that are not registered live it, too: one with a label a token, one whose answer is generated. Nothing
in the contract, the loop, the predictor or the bundle may say "one label a row".
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sketches import KINDS, OPTIONS, ROWS, WRITERS, EchoTask, SpanTask, SummaryTask, tiny_encoders

from tunesmith import testing
from tunesmith.bundle.layout import Lineage, Manifest, MethodRecord, TaskRecord
from tunesmith.bundle.parity import compare
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import read_bundle
from tunesmith.bundle.rows import as_rows, inputs_only
from tunesmith.bundle.runtimes.onnx import OnnxRuntime
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.bundle.write import write_bundle, write_model
from tunesmith.compression.export import to_onnx
from tunesmith.compression.forms import Int8
from tunesmith.compression.record import asked_of
from tunesmith.core.contracts import Task
from tunesmith.core.registry import family
from tunesmith.core.runtime import Machine, seed_everything
from tunesmith.models.build import build
from tunesmith.models.load import load_processor
from tunesmith.models.no_texts import NoTexts
from tunesmith.models.reference import resolve
from tunesmith.models.tensors import tensors
from tunesmith.training.kernels import fast_training
from tunesmith.training.loop import LoopSettings, train
from tunesmith.training.optim import OptimizerSettings

SKETCHES = {"token-spans": SpanTask, "summary": SummaryTask, "echo": EchoTask}
CASES = [(name, language) for name in [*sorted(family("tasks")), *SKETCHES] for language in ("en", "zh")]
MAX_LENGTH = 40
HEAVY = {"torch", "transformers", "huggingface_hub", "sklearn", "scipy", "accelerate", "peft"}
READ = """
import json, sys
from tunesmith.bundle.read import read_bundle
predictions = read_bundle(sys.argv[1]).predict(json.load(sys.stdin))
print(json.dumps({"predictions": predictions, "loaded": sorted({name.partition(".")[0] for name in sys.modules})}))
"""
NEARBY = ("relation-extraction",)
"""Tasks that read only what is near the places that they are asked about."""
ASK = """
import sys
from tunesmith.cli import main
main(["predict", *sys.argv[1:]])
print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sketches under names, as an outside package's entry points would put them."""
    tasks = family("tasks")
    table = {**tasks._own, **{name: f"sketches:{made.__name__}" for name, made in SKETCHES.items()}}
    monkeypatch.setattr(tasks, "_own", table)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    place = tmp_path_factory.mktemp("models")
    tiny_encoders()
    rows = [row for made in ROWS.values() for language in made.values() for row in language]
    texts = [str(row.get("text", row.get("context", ""))) for row in rows]
    texts += [f"<|{m['role']}|>\n{m['content']}" for row in rows for m in row.get("messages", ())]

    def made(kind: str) -> Path:
        path: Path = getattr(testing, f"tiny_{kind}")(place / kind, texts=texts)
        return path

    return made


class Life:
    """A task in a language, with its model."""

    def __init__(self, name: str, language: str, folder: Callable[[str], Path]) -> None:
        self.rows = ROWS[name][language]
        self.task: Task = family("tasks").make(name, OPTIONS.get(name))
        self.state = copy.deepcopy(self.task.learn(self.rows))
        self.reference = resolve(str(folder(KINDS.get(name, "bert"))))
        self.processor: Any = load_processor(self.reference) if self.task.tokenizes else NoTexts()
        seed_everything(2)
        self.model = build(self.reference, self.task)

    def predictor(self, model: Any = None) -> Predictor:
        return Predictor(self.task, self.processor, TorchRuntime(model or self.model), max_length=MAX_LENGTH)

    def manifest(self) -> Manifest:
        return Manifest(
            task=TaskRecord(self.task.name, OPTIONS.get(self.task.name, {}), self.task.state),  # type: ignore[attr-defined]
            method=MethodRecord("full"),
            recipe={},
            lineage=Lineage("tiny"),
            max_length=MAX_LENGTH,
        )

    def features(self, targets: bool = True) -> list[dict[str, Any]]:
        return self.task.encode(self.rows, self.processor, max_length=MAX_LENGTH, targets=targets)


@pytest.fixture(params=CASES, ids="/".join)
def life(request: pytest.FixtureRequest, folder: Callable[[str], Path]) -> Life:
    return Life(*request.param, folder)


def test_what_is_learned_is_json_and_is_taken_back(life: Life) -> None:
    again = family("tasks").make(life.task.name, OPTIONS.get(life.task.name))
    again.restore(json.loads(json.dumps(life.state)))
    one, other = (t.encode(life.rows, life.processor, max_length=MAX_LENGTH, targets=True) for t in (life.task, again))
    assert all(np.array_equal(a.get("target", 0), b.get("target", 0)) for a, b in zip(one, other, strict=True))


def test_features_stand_in_the_rows_order_and_fit(life: Life) -> None:
    for targets in (True, False):
        features = life.features(targets)
        rows = [f["row"] for f in features]
        assert rows == sorted(rows) and set(rows) == set(range(len(life.rows)))
        assert all(f["input_ids"].dtype == np.int32 and 0 < len(f["input_ids"]) <= MAX_LENGTH for f in features)
    plain = life.task.encode(inputs_only(life.task, life.rows), life.processor, max_length=MAX_LENGTH, targets=False)
    assert [f["input_ids"].tolist() for f in plain] == [f["input_ids"].tolist() for f in features], "no target needed"


def test_the_loss_is_a_scalar_with_a_gradient(life: Life) -> None:
    arrays = life.task.collate(life.features()[:4], life.processor)
    labels = arrays.get("labels")
    parts = labels if isinstance(labels, dict) else {"": labels}  # a mixture has each part's own
    inputs = [value for key, value in arrays.items() if key != "labels"]
    assert parts and all(isinstance(value, np.ndarray) for value in [*inputs, *parts.values()])
    batch = tensors(arrays)
    outputs = life.model(**{key: value for key, value in batch.items() if key != "labels"})
    loss = life.task.loss(outputs, batch)
    assert loss.ndim == 0 and torch.isfinite(loss) and loss.dtype == torch.float32
    loss.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in life.model.parameters())


def test_predictions_are_json_in_order_and_become_figures(life: Life) -> None:
    predictor = life.predictor()
    rows = inputs_only(life.task, life.rows)
    predictions = predictor.predict(rows)
    assert len(predictions) == len(rows) and json.loads(json.dumps(predictions)) == predictions
    response = life.task.response_model()
    assert all(response.model_validate(p).model_dump() == p for p in predictions)
    assert life.task.request_model().model_validate(rows[0])
    backwards = predictor.predict(rows[::-1])[::-1]
    assert compare("order", [], [], predictions, backwards, 1e-4).passed
    alone = predictor.predict(rows[:1])
    assert compare("alone", [], [], predictions[:1], alone, 1e-4).passed
    evidence = life.task.evidence(life.rows, json.loads(json.dumps(predictions)))
    assert evidence and all(len(array) == len(life.rows) for array in evidence.values())
    metrics = {name: family("metrics").make(name) for name in life.task.metrics if name in family("metrics")}
    own = getattr(life.task, "own_metrics", {})
    assert set(metrics) | set(own) == set(life.task.metrics)
    assert all(isinstance(float(metric(evidence)), float) for metric in [*metrics.values(), *own.values()])
    for name in ("calibration", "context"):  # what is let through before training must be possible after it
        check = family("checks").make(name, {"resamples": 100})
        if check.fits(life.task) is None:
            assert 0 <= check.check(predictor, life.rows[:6]).figure <= 1
    half = {key: array[: len(life.rows) // 2] for key, array in evidence.items()}
    assert all(isinstance(float(metric(half)), float) for metric in [*metrics.values(), *own.values()])


def test_it_is_trained_by_the_loop_and_lives_in_a_bundle(life: Life, tmp_path: Path) -> None:
    features = life.features()
    batch = tensors(life.task.collate(features, life.processor))
    rest = {key: value for key, value in batch.items() if key != "labels"}
    with torch.no_grad():
        before = float(life.task.loss(life.model.eval()(**rest), batch))
    settings = LoopSettings(6, 8, OptimizerSettings(3e-3), patience=None, best="loss", higher_is_better=False)
    used = torch.from_numpy(np.unique(np.concatenate([f["input_ids"] for f in features])).astype(np.int64))

    asked: list[int] = []

    def evaluate() -> dict[str, float]:
        predictor = life.predictor()
        evidence = life.task.evidence(life.rows, life.task.decode(predictor.infer(features), features))
        assert evidence
        asked.append(len(evidence))
        return {"loss": -len(asked)}  # each better than the one before: the last weights are kept

    with fast_training(life.model, used, "cpu"):
        train(
            life.model, life.task, life.processor, features, settings, Machine("cpu", "fp32", 1), tmp_path / "run",
            evaluate=evaluate,
        )  # fmt: skip
        with torch.no_grad():
            after = float(life.task.loss(life.model.eval()(**rest), batch))
    life.task.finish(life.model)
    rows = inputs_only(life.task, life.rows)
    wanted_features, wanted = life.predictor().outputs(rows)
    predictions = life.task.decode(wanted, wanted_features)
    write_bundle(
        tmp_path / "b", fill=lambda part: write_model(part, life.model, life.processor), manifest=life.manifest()
    )
    bundle = read_bundle(tmp_path / "b")
    features_again, again = bundle.predictor(device="cpu").outputs(as_rows(bundle.task, rows))
    parity = compare("reload", wanted, again, predictions, bundle.task.decode(again, features_again))
    assert parity.passed, parity
    assert after < before


def test_long_texts_lose_nothing(life: Life) -> None:
    """A row that is too long for one feature is still one prediction."""
    if life.task.auto_model in WRITERS:
        pytest.skip("an answer is written from one feature: longer texts are cut, and counted")
    if not life.task.tokenizes:
        pytest.skip("it reads no texts")
    long = {**inputs_only(life.task, life.rows)[1]}
    long.pop("words", None)  # they are those of the short text
    role = next((role for role in ("text", "context") if role in long), None)
    if role is None:
        pytest.skip("its rows hold no text")
    long[role] = (long[role] + " ") * 30
    features = life.task.encode([long, long], life.processor, max_length=MAX_LENGTH, targets=False)
    assert len(features) > 4 or life.task.name in NEARBY
    first, second = life.predictor().predict([long, long])
    assert compare("twice", [], [], [first], [second], 1e-5).passed


def test_tokens_become_spans_of_the_original_text(folder: Callable[[str], Path]) -> None:
    life = Life("token-spans", "zh", folder)
    assert isinstance(life.task, SpanTask)
    row = {"text": "我住在北京，" * 12}
    features = life.task.encode([row], life.processor, max_length=24, targets=False)
    assert len(features) > 2
    perfect = []
    for feature in features:
        logits = np.zeros((len(feature["input_ids"]), 3), dtype=np.float32)
        for k, (start, end) in enumerate(feature["spans"]):
            word = row["text"][start:end]
            logits[k, {"北": 1, "京": 2}.get(word, 0)] = 9
        perfect.append(logits)
    (prediction,) = life.task.decode(perfect, features)
    assert [s["text"] for s in prediction["spans"]] == ["北京"] * 12
    assert [s["start"] for s in prediction["spans"]] == [3 + 6 * i for i in range(12)]


def test_a_generated_answer_is_learned(folder: Callable[[str], Path], tmp_path: Path) -> None:
    life = Life("echo", "en", folder)
    settings = LoopSettings(40, 8, OptimizerSettings(5e-3), patience=None)
    train(life.model, life.task, life.processor, life.features(), settings, Machine("cpu", "fp32", 1), tmp_path)
    predictions = life.predictor().predict(inputs_only(life.task, life.rows))
    evidence = life.task.evidence(life.rows, predictions)
    assert float(life.task.own_metrics["exact"](evidence)) > 0.9  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [n for n in sorted(family("tasks")) if KINDS.get(n, "bert") == "bert"])
def test_a_graph_answers_as_its_model(name: str, folder: Callable[[str], Path], tmp_path: Path) -> None:
    """In batches of other shapes than it was made with."""
    life = Life(name, "en", folder)
    life.model.eval()
    rows = inputs_only(life.task, life.rows)
    recorder = asked_of(TorchRuntime(life.model), life.task, life.processor, rows[:8], MAX_LENGTH, batch_size=4)
    to_onnx(life.model, recorder.asked, recorder.outputs, tmp_path / "model.onnx")
    features, wanted = life.predictor().outputs(rows)
    runtime = OnnxRuntime(tmp_path / "model.onnx")
    graph = Predictor(life.task, life.processor, runtime, max_length=MAX_LENGTH, batch_size=5)
    found = graph.infer(features)
    decoded = [life.task.decode(arrays, features) for arrays in (wanted, found)]
    parity = compare("onnx", wanted, found, *decoded, tolerance=1e-3)
    assert parity.passed, parity
    rows = [*rows, *inputs_only(life.task, ROWS[name]["zh"])]
    _a_shrunk_bundle_needs_no_torch(life, rows, tmp_path / "model.onnx", tmp_path / "small", recorder.asked)


def _a_shrunk_bundle_needs_no_torch(life: Life, rows: list[Any], graph: Path, place: Path, asked: list[Any]) -> None:
    """In int8, read by a fresh process: the same answers, and neither torch nor transformers is loaded."""
    form, manifest = Int8(), life.manifest()

    def fill(part: Path) -> None:
        life.processor.save_pretrained(part)
        form.write(graph, part, asked)

    write_bundle(place, fill=fill, manifest=replace(manifest, runtime=form.record()))
    runtime = OnnxRuntime(place / form.file)
    wanted = Predictor(life.task, life.processor, runtime, max_length=MAX_LENGTH).predict(rows)
    run = subprocess.run(
        [sys.executable, "-c", READ, str(place)], input=json.dumps(rows), capture_output=True, text=True, check=True
    )
    told = json.loads(run.stdout)
    assert not HEAVY & set(told["loaded"])
    assert compare("int8", [], [], wanted, told["predictions"], 1e-4).passed


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_verb_predict_needs_no_torch_for_a_graph(
    language: str, folder: Callable[[str], Path], tmp_path: Path
) -> None:
    life = Life("text-classification", language, folder)
    life.model.eval()
    rows = inputs_only(life.task, life.rows)
    recorder = asked_of(TorchRuntime(life.model), life.task, life.processor, rows[:8], MAX_LENGTH, batch_size=4)
    to_onnx(life.model, recorder.asked, recorder.outputs, tmp_path / "model.onnx")
    _a_shrunk_bundle_needs_no_torch(life, rows[:1], tmp_path / "model.onnx", tmp_path / "small", recorder.asked)
    text = str(rows[0]["text"])
    run = subprocess.run(
        [sys.executable, "-c", ASK, str(tmp_path / "small"), text, "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout)["predictions"] == read_bundle(tmp_path / "small").predict([text])
    assert not HEAVY & set(run.stderr.split())
