"""Shrinking: forms that answer alike, the search under a limit, what fails and does not ship, and bad input."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from toy_files import LEARNS

from tunesmith.bundle.parity import compare, tokens_of
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.runtimes.onnx import OnnxRuntime
from tunesmith.cli import main
from tunesmith.compression import FORMS
from tunesmith.compression.forms import Int8, Int8Block, Onnx
from tunesmith.core.errors import BundleError, RecipeError, TunesmithError
from tunesmith.core.recipe import PluginBlock, read_yaml
from tunesmith.core.registry import Registry
from tunesmith.core.runtime import Machine
from tunesmith.models.folder import pooling_of
from tunesmith.pipeline import shrink_write
from tunesmith.pipeline.learn import LearnOptions, learn
from tunesmith.pipeline.shrink import ShrinkOptions, shrink
from tunesmith.pipeline.shrink_rows import OnRows
from tunesmith.pipeline.shrink_sides import Answers, Side
from tunesmith.pipeline.smaller import smaller
from tunesmith.pipeline.soup import soup
from tunesmith.tasks import sentence_transformer
from tunesmith.training.strategies.teachers import unusable

Damage = Callable[[Path], None]
TEXTS = ["房间很干净", "服务太差了，再也不来", "What a lovely film 🙂", "dull and slow", "很" * 90]


@pytest.fixture(autouse=True)
def nearby(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reload in this process, as strictly as in a fresh one."""

    def prove(part: Path, rows: Any, arrays: Any, predictions: Any, tokens: Any) -> Any:
        bundle = read_bundle(part)
        features, again = bundle.predictor().outputs(rows)
        if not np.array_equal(tokens, tokens_of(features)):
            raise BundleError("The saved tokenizer does not answer as it did before.")
        found = compare("save and reload", arrays, again, predictions, bundle.task.decode(again, features))
        if not found.passed:
            raise BundleError("The saved model does not answer as it did before.")
        return found

    monkeypatch.setattr("tunesmith.pipeline.shrink_write.prove_reload", prove)


@pytest.fixture(scope="module")
def parents(
    models: dict[str, str], files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    from tunesmith import tune

    place = tmp_path_factory.mktemp("parents")
    found = {}
    for language, file in files.items():
        given = (f"model={models['bert']}", f"bundle={place / language}", "training.epochs=8", *LEARNS[:3], *LEARNS[4:])
        found[language] = tune(str(file), *given).path
    return found


def shrunk(parent: Path, place: Path, *overrides: str, **options: Any) -> Bundle:
    return shrink(parent, [f"bundle={place / 'small'}", *overrides], ShrinkOptions(**options))


@pytest.mark.parametrize("weights", [True, False])
def test_what_weights_are_read_with_goes_along_whole_or_not_at_all(tmp_path: Path, weights: bool) -> None:
    parent, child = tmp_path / "parent", tmp_path / "child"
    parent.mkdir()
    child.mkdir()
    sentence_transformer.write(parent, pooling="mean", prompts={"query": "", "passage": ""}, width=8, max_length=16)
    (parent / "model.safetensors").write_bytes(b"w")
    (parent / "encoder").mkdir()  # a recommender's
    (parent / "encoder" / "config.json").write_text("{}", "utf-8")
    shrink_write.brought(parent, child, weights=weights)
    folders = {"1_Pooling", "2_Normalize", "encoder"} if weights else set()
    assert {path.name for path in child.iterdir() if path.is_dir()} == folders
    assert (child / "modules.json").exists() is weights is (child / "model.safetensors").exists()
    if weights:
        assert pooling_of(child) == "mean"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("form", ["onnx", "int8", "openvino-bf16"])
def test_a_form_answers_as_its_parent(parents: dict[str, Path], language: str, form: str, tmp_path: Path) -> None:
    made = shrunk(parents[language], tmp_path, to=form)
    first, reload = made.manifest.parity
    assert first.handoff == f"shrink to {form}" and first.passed and reload.passed
    assert first.metric == "macro_f1" and first.loss is not None and first.loss <= 0.01
    again, parent = read_bundle(made.path), read_bundle(parents[language])
    assert again.manifest.lineage.parent == parent.manifest.to_json()["seal"]
    assert [a["label"] for a in again.predict(TEXTS)] == [a["label"] for a in parent.predict(TEXTS)]
    assert not list(made.path.rglob("*.safetensors")), "the graph is what ships"
    assert "as a graph for the runtime" in (made.path / "README.md").read_text("utf-8")
    assert read_yaml(made.path / "recipe.yaml")["bundle"] == str(made.path)
    if form == "onnx":
        scores = [[a["score"] for a in bundle.predict(TEXTS)] for bundle in (again, parent)]
        np.testing.assert_allclose(*scores, atol=1e-4)


def test_the_search_takes_the_best_that_keeps_to_the_limit(parents: dict[str, Path], tmp_path: Path) -> None:
    made = shrunk(parents["en"], tmp_path, target="size", max_loss=0.02)
    told = made.report["shrink"]
    names = [one["name"] for one in told["candidates"]]
    assert names[0] == "torch" and {"onnx", "int8", "int8-block"} <= set(names) <= {"torch", *FORMS}
    fit = [one for one in told["candidates"][1:] if one["loss"] <= 0.02]
    picked = next(one for one in fit if one["name"] == told["picked"])
    assert picked["bytes"] <= 1.03 * min(one["bytes"] for one in fit)
    assert all(one["one"] > 0 and one["many"] > 0 for one in told["candidates"])
    assert made.report["names"]["before"] == "the parent" and told["words"] in " ".join(made.report["data_notes"])
    assert "smallest" in (made.path / "report.html").read_text("utf-8")


def test_a_cut_model_is_shrunk_too(parents: dict[str, Path], tmp_path: Path) -> None:
    cut = "feed_forward=0.5,vocabulary=en,recover=2"
    made = shrunk(parents["en"], tmp_path, to="int8", cuts=[cut], max_loss=0.2, least_agreement=0.5)
    told = made.report["shrink"]
    assert told["picked"] == f"{cut}: int8"
    size = {one["name"]: one["bytes"] for one in told["candidates"]}
    assert size[f"{cut}: torch"] < 0.9 * size["torch"]
    assert len(made.predict(TEXTS)) == len(TEXTS)
    assert not list(tmp_path.glob(".*")), "nothing is left beside it"


def test_a_cut_alone_is_held_to_its_parent_too(parents: dict[str, Path], tmp_path: Path) -> None:
    from transformers import pipeline

    with pytest.raises(TunesmithError, match="No form keeps|Nothing ships"):
        shrunk(parents["en"], tmp_path, to="torch", cuts=["layers=1,feed_forward=0.1,recover=0"], least_agreement=1.0)
    assert not (tmp_path / "small").exists()
    cuts = ["vocabulary=en", "vocabulary=en,feed_forward=0.5,recover=2"]
    made = shrunk(parents["en"], tmp_path, to="torch", cuts=cuts, target="size", max_loss=0.2, least_agreement=0.5)
    told = made.report["shrink"]
    assert told["picked"] == f"{cuts[1]}: torch" and {one["name"] for one in told["candidates"]} == {
        "torch", *(f"{cut}: torch" for cut in cuts)
    }  # fmt: skip
    assert made.report["smaller"]["vocabulary"]["after"] < made.report["smaller"]["vocabulary"]["before"]
    assert made.manifest.runtime.name == "torch" and made.manifest.parity[0].loss is not None
    theirs = pipeline("text-classification", model=str(made.path))(TEXTS[2])
    assert theirs[0]["label"] == made.predict(TEXTS[2])[0]["label"]
    assert not list(tmp_path.glob(".*")), "nothing is left beside it"


def test_answers_one_by_one_must_hold_too(
    parents: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form whose rows share a scale may answer otherwise in other company."""
    answers = Side.answers

    def alone(self: Side, rows: Any, progress: Any = None, size: int = 32) -> Answers:
        found = answers(self, rows, progress, size)
        if size == 1 and self.form is not None:
            other = {"negative": "positive", "positive": "negative"}
            found.predictions = [{**p, "label": other[p["label"]]} for p in found.predictions]
        return found

    assert shrunk(parents["en"], tmp_path / "a", to="onnx").manifest.parity[0].alone == 1.0
    monkeypatch.setattr(Side, "answers", alone)
    with pytest.raises(TunesmithError, match=r"0\.0% asked one by one"):
        shrunk(parents["en"], tmp_path / "b", to="onnx")


def test_a_form_that_cannot_be_opened_does_not_end_the_search(
    parents: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Int8Block, "products", lambda self, graph, target: target.write_bytes(graph.read_bytes()))
    monkeypatch.setattr("tunesmith.compression.onnx_rows.shrink_tables", lambda one, other: other.write_bytes(b"cut"))
    made = shrunk(parents["en"], tmp_path, max_loss=0.05, target="size")
    assert {"int8", "int8-block"} <= set(made.report["shrink"]["left_out"])
    with pytest.raises(BundleError, match="cannot read"):
        shrunk(parents["en"], tmp_path / "again", to="int8-block")
    assert not list((tmp_path / "again").glob(".*")), "graphs of a failure are not kept"


def test_the_weights_go_along_if_asked(parents: dict[str, Path], tmp_path: Path) -> None:
    from transformers import pipeline

    made = shrunk(parents["en"], tmp_path, to="onnx", keep_weights=True)
    theirs = pipeline("text-classification", model=str(made.path))(TEXTS[2])
    assert theirs[0]["label"] == made.predict(TEXTS[2])[0]["label"]
    torch = made.predictor("torch").predict([{"text": TEXTS[2]}])
    assert torch[0]["score"] == pytest.approx(made.predict(TEXTS[2])[0]["score"], abs=1e-4)


def _swapped_labels(path: Path) -> None:
    """The head's columns the other way round."""
    model = onnx.load(str(path))
    gemm = next(node for node in reversed(model.graph.node) if node.op_type in ("Gemm", "MatMul"))
    for name in gemm.input[1:]:
        tensor = next(one for one in model.graph.initializer if one.name == name)
        array = numpy_helper.to_array(tensor)
        axis = next(i for i, size in enumerate(array.shape) if size == 2)
        tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(np.flip(array, axis)), name))
    onnx.save(model, str(path))


def _one_weight(path: Path) -> None:
    model = onnx.load(str(path))
    tensor = next(one for one in model.graph.initializer if len(one.dims) == 2 and 2 in one.dims and one.data_type == 1)
    array = numpy_helper.to_array(tensor).copy()
    array[0, 0] = 1e4  # of the head
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    onnx.save(model, str(path))


@pytest.mark.parametrize("damage", [_swapped_labels, _one_weight])
@pytest.mark.parametrize("form", [Onnx, Int8])
def test_a_damaged_graph_is_refused(
    parents: dict[str, Path],
    damage: Callable[[Path], None],
    form: type,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write = form.write

    def damaged(self: Any, graph: Path, folder: Path, batches: Any) -> None:
        copy = folder / "damaged.onnx"
        folder.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(graph.read_bytes())
        damage(copy)
        write(self, copy, folder, batches)

    monkeypatch.setattr(form, "write", damaged)
    with pytest.raises(TunesmithError, match="Nothing ships|No form keeps"):
        shrunk(parents["zh"], tmp_path, to=form.name)
    assert not (tmp_path / "small").exists()


def _flipped_tokenizer(part: Path) -> None:
    path = part / "tokenizer.json"
    told = json.loads(path.read_text("utf-8"))
    told["normalizer"] = {"type": "Prepend", "prepend": "x"}
    path.write_text(json.dumps(told), "utf-8")


def _one_weight_of_the_copy(part: Path) -> None:
    path = part / "onnx" / "model.onnx"
    path_bytes = onnx.load(str(path))
    tensor = next(one for one in path_bytes.graph.initializer if len(one.dims) == 2 and one.data_type == 1)
    array = numpy_helper.to_array(tensor).copy()
    array[:, 0] += 3.0
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    onnx.save(path_bytes, str(path))


@pytest.mark.parametrize("damage", [_flipped_tokenizer, _one_weight_of_the_copy])
def test_damage_on_the_way_to_the_folder_is_refused(
    parents: dict[str, Path], damage: Damage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report = shrink_write.write_report

    def damaged(part: Path, report: Any) -> None:
        """The last that is written before the folder is sealed and read again."""
        write_report(part, report)
        if "parity" not in report or not report["parity"]:
            damage(part)

    monkeypatch.setattr(shrink_write, "write_report", damaged)
    with pytest.raises(BundleError, match="does not answer as it did"):
        shrunk(parents["en"], tmp_path, to="onnx")
    assert not (tmp_path / "small").exists()


def test_what_is_asked_is_checked_before_anything_heavy(parents: dict[str, Path], tmp_path: Path) -> None:
    for options, why in (
        ({"to": "int9"}, 'Did you mean "int8"|int8'),
        ({"target": "speed"}, "latency, throughput, size"),
        ({"to": "torch"}, "Name one"),
        ({"cuts": ["layer=3"]}, "layers"),
        ({"cuts": ["recover=2"]}, "cuts nothing off"),
        ({"cuts": ["layers=many"]}, "count"),
    ):
        with pytest.raises(RecipeError) as error:
            shrunk(parents["en"], tmp_path, **options)
        assert re.search(why, f"{error.value.problem} {error.value.hint}"), error.value
    made = shrunk(parents["en"], tmp_path, to="onnx")
    with pytest.raises(RecipeError, match="shrunk already"):
        shrink(made.path, [f"bundle={tmp_path / 'again'}"])
    with pytest.raises(BundleError, match="no graph for the runtime openvino|has no graph"):
        read_bundle(parents["en"]).predictor("openvino")


def test_rows_that_a_bundle_guards_are_not_read_again(
    parents: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = read_bundle(parents["en"])
    training = parent.recipe.training.model_copy(update={"strategies": [PluginBlock(name="dp_sgd")]})
    vars(parent)["recipe"] = parent.recipe.model_copy(update={"training": training})
    for place in ("shrink", "smaller"):
        monkeypatch.setattr(f"tunesmith.pipeline.{place}.read_bundle", lambda path: parent)
    monkeypatch.setattr("tunesmith.pipeline.smaller.planned", lambda *given, **named: pytest.fail("planned"))
    with monkeypatch.context() as early:
        early.setattr("tunesmith.pipeline.shrink.planned", lambda *given, **named: pytest.fail("planned"))
        for refused in (
            lambda: shrunk(parent.path, tmp_path, cuts=["layers=1"]),
            lambda: shrunk(parent.path, tmp_path, to="torch", cuts=["vocabulary=en"]),
            lambda: smaller(parent.path, layers=1),
        ):
            with pytest.raises(RecipeError, match=r"was tuned with dp_sgd, and a cut"):
                refused()
        with pytest.raises(RecipeError, match=r"openvino-int8: training rows set its scales.*dp_sgd"):
            shrunk(parent.path, tmp_path, to="openvino-int8")
    some = Registry("form", {name: FORMS[name] for name in ("onnx", "openvino-int8")})
    monkeypatch.setattr("tunesmith.pipeline.shrink.FORMS", some)
    made = shrunk(parent.path, tmp_path)
    assert "dp_sgd" in made.report["shrink"]["left_out"]["openvino-int8"]
    assert any("openvino-int8 was left out" in note for note in made.report["data_notes"])


def gated(parent: Path, monkeypatch: pytest.MonkeyPatch, **gate: str) -> Path:
    """The bundle, as if it had been tuned with a gate."""
    bundle = read_bundle(parent)
    evaluation = bundle.recipe.evaluation.model_copy(update={"gate": gate})
    vars(bundle)["recipe"] = bundle.recipe.model_copy(update={"evaluation": evaluation})
    for place in ("shrink", "smaller"):
        read = getattr(import_module(f"tunesmith.pipeline.{place}"), "read_bundle")  # noqa: B009 - of another module
        monkeypatch.setattr(
            f"tunesmith.pipeline.{place}.read_bundle", lambda path, r=read: bundle if path == parent else r(path)
        )
    return parent


@pytest.mark.parametrize("to", ["onnx", "torch"])
def test_its_own_gate_holds_for_a_form_and_a_cut(
    parents: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    cuts = ["vocabulary=en"] if to == "torch" else []
    gate = {"accuracy": ">= tfidf - 1", "macro_f1": ">= baseline + 0.02", "epsilon": "<= 3"}
    with monkeypatch.context() as patch:
        made = shrunk(gated(parents["en"], patch, **gate), tmp_path / "held", to=to, cuts=cuts)
    assert [line["name"] for line in made.report["gate"]["lines"]] == ["accuracy"] and made.report["gate"]["passed"]
    assert any("macro_f1 >= baseline + 0.02, epsilon <= 3" in note for note in made.report["data_notes"])
    assert made.recipe.evaluation.gate == {"accuracy": ">= tfidf - 1"}
    monkeypatch.setattr("tunesmith.pipeline.run.Run._hold", lambda self, report: None)
    with pytest.raises(TunesmithError, match=r"Nothing ships.*the bundle's own gate: accuracy is"):
        shrunk(gated(parents["en"], monkeypatch, accuracy="> 1"), tmp_path / "fails", to=to, cuts=cuts)


def test_rows_of_a_sorted_file_are_drawn(
    parents: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first rows of a file that is sorted by its labels are of one class."""
    seen: list[list[str]] = []

    class Sorted(OnRows):
        def __init__(self, parent: Bundle, plan: Any, *given: Any) -> None:
            for part in (plan.data.validation, plan.data.test):
                part.sort(key=lambda row: row["label"])
            super().__init__(parent, plan, *given)
            seen.append([row["label"] for row in self.choosing])

    answers = Side.answers

    def alone(self: Side, rows: Any, progress: Any = None, size: int = 32) -> Answers:
        if size == 1:
            seen.append([row["label"] for row in rows])
        return answers(self, rows, progress, size)

    monkeypatch.setattr("tunesmith.pipeline.shrink.OnRows", Sorted)
    monkeypatch.setattr("tunesmith.pipeline.shrink_rows.CHOOSING", 6)
    monkeypatch.setattr("tunesmith.pipeline.shrink_rows.ALONE", 6)
    monkeypatch.setattr(Side, "answers", alone)
    shrunk(parents["en"], tmp_path, to="onnx")
    assert len(seen) == 2
    for labels in seen:
        assert len(labels) == 6 and len(set(labels)) == 2, labels


def test_what_has_a_graph_alone_says_so(parents: dict[str, Path], files: dict[str, Path], tmp_path: Path) -> None:
    made = shrunk(parents["en"], tmp_path, to="onnx")
    rows = str(files["en"])
    for asked in (
        lambda: made.predictor("torch"),
        lambda: smaller(made.path, layers=1),
        lambda: soup([made.path, parents["en"]]),
        lambda: learn(made.path, rows, [], LearnOptions(rows)),
        lambda: learn(made.path, rows, [], LearnOptions(rows, apart=True)),
    ):
        with pytest.raises(BundleError, match="was shrunk to onnx") as error:
            asked()
        assert error.value.hint == "Take its parent, or shrink with --keep-weights."
    assert "was shrunk to onnx" in str(unusable(str(made.path), made.task))
    kept = shrunk(parents["en"], tmp_path / "kept", to="onnx", keep_weights=True)
    assert unusable(str(kept.path), kept.task) is None


def test_on_a_machine_with_a_gpu_all_is_of_the_cpu_and_says_so(
    parents: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = []
    make = OnnxRuntime.__init__

    def made(self: Any, graph: Path, precision: str = "fp32", device: str = "auto") -> None:
        devices.append(device)
        make(self, graph, precision, device)

    monkeypatch.setattr("tunesmith.pipeline.shrink.resolve", lambda: Machine("cuda", "bf16", 1))
    monkeypatch.setattr(OnnxRuntime, "__init__", made)
    words = shrunk(parents["en"], tmp_path, to="onnx").report["shrink"]["words"]
    assert devices[0] == "cpu" and "on the CPU, the parent too; this machine has a GPU (cuda)" in words


def test_the_verb(parents: dict[str, Path], tmp_path: Path, capsys: Any) -> None:
    command = ["shrink", str(parents["en"]), "--to", "int8", f"bundle={tmp_path / 'v'}", "--max-loss", "0.05"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["shrink"]["picked"] == "int8" and found["parity"][0]["allowed_loss"] == 0.05
    assert main([*command, "--replace"]) == 0
    assert "<- picked" in capsys.readouterr().out
    assert main(["predict", str(tmp_path / "v"), TEXTS[0], "--json"]) == 0
    assert main(["predict", str(tmp_path / "v"), TEXTS[0], "--runtime", "torch"]) == 2, "its weights stayed behind"


def test_all_candidates_on_the_test_rows_if_asked(parents: dict[str, Path], tmp_path: Path) -> None:
    told = shrunk(parents["en"], tmp_path, max_loss=1.0, test_all=True).report["shrink"]
    first, *others = told["candidates"]
    assert first["test"]["loss"] == 0 and first["test"]["agreement"] == 1
    assert len(others) > 1 and told["refused"].keys() <= {one["name"] for one in others}
    for one in told["candidates"]:
        found = one["test"]
        assert found["low"] <= found["value"] <= found["high"] and found["rows"] == told["rows"]["test"]
        assert found["loss"] == pytest.approx(first["test"]["value"] - found["value"])
    picked = next(one for one in others if one["name"] == told["picked"])
    assert {key: picked["test"][key] for key in told["parity"]} == told["parity"]
