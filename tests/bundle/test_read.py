"""A bundle is read whole, or refused in words that name what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.bundle import layout
from tunesmith.bundle.layout import MANIFEST, Manifest, seal_of
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.core.errors import BundleError, RecipeError
from tunesmith.core.registry import family


def test_round_trip(
    bundle: Bundle, manifest: Manifest, model: Any, processor: Any, task: Any, texts: list[str]
) -> None:
    read = bundle.manifest
    assert read.task == manifest.task
    assert read.lineage == manifest.lineage
    assert read.metrics == manifest.metrics
    assert read.created == manifest.created
    assert bundle.task.labels == ["bad", "good", "不好"]  # type: ignore[attr-defined]
    assert bundle.recipe.data.columns == {"text": "review"}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(read.files)
    assert len({path.stat().st_mode for path in bundle.path.iterdir()}) == 1

    before = Predictor(task, processor, TorchRuntime(model), max_length=manifest.max_length)
    rows = [{"text": text} for text in texts]
    _, arrays = before.outputs(rows)
    _, again = bundle.predictor().outputs(rows)
    np.testing.assert_array_equal(np.stack(arrays), np.stack(again))
    assert bundle.predict(texts) == before.predict(rows)


def test_config_holds_the_label_names(bundle: Bundle) -> None:
    config = json.loads((bundle.path / "config.json").read_text("utf-8"))
    assert config["id2label"] == {"0": "bad", "1": "good", "2": "不好"}


def test_transformers_pipeline_gives_the_same_answers(bundle: Bundle, texts: list[str]) -> None:
    from transformers import pipeline

    theirs = pipeline("text-classification", model=str(bundle.path), device="cpu")(texts)
    ours = bundle.predict(texts)
    assert [t["label"] for t in theirs] == [o["label"] for o in ours]
    np.testing.assert_allclose([t["score"] for t in theirs], [o["score"] for o in ours], atol=1e-5)


def test_a_long_text_is_read_without_a_warning(bundle: Bundle, monkeypatch: Any) -> None:
    """Windows are cut after tokenising; the tokenizer must not speak of indexing errors that do not come."""
    said: list[Any] = []
    monkeypatch.setattr("transformers.tokenization_utils_base.logger.warning", lambda *words: said.append(words))
    read = read_bundle(bundle.path)
    read.processor.model_max_length = 512
    assert len(read.processor("a good film " * 400).input_ids) > 1200 and not said


def test_what_predict_takes(bundle: Bundle) -> None:
    one = bundle.predict("a good film")
    assert len(one) == 1
    assert one == bundle.predict(["a good film"]) == bundle.predict({"text": "a good film"})
    pair = bundle.predict(("a good film", "房间很好"))
    assert pair == bundle.predict([{"text": "a good film", "text_pair": "房间很好"}])
    assert pair != one
    assert bundle.predict([]) == []


@pytest.mark.parametrize("given", [[{"body": "x"}], [3], [("a", "b", "c")]])
def test_what_predict_refuses(bundle: Bundle, given: Any) -> None:
    with pytest.raises(Exception, match="Row 1") as caught:
        bundle.predict(given)
    assert caught.type.__name__ == "DataError"


def test_one_flipped_byte_in_any_file_is_found(folder: Path) -> None:
    names = [*read_bundle(folder).manifest.files, MANIFEST]
    for name in names:
        path = folder / name
        good = path.read_bytes()
        where = len(good) // 2
        path.write_bytes(good[:where] + bytes([good[where] ^ 1]) + good[where + 1 :])
        with pytest.raises(BundleError) as caught:
            read_bundle(folder)
        assert name in caught.value.problem
        path.write_bytes(good)
    read_bundle(folder)


def test_flipped_byte_tells_both_hashes(folder: Path) -> None:
    path = folder / "model.safetensors"
    expected = read_bundle(folder).manifest.files["model.safetensors"].sha256
    data = bytearray(path.read_bytes())
    data[-1] ^= 255
    path.write_bytes(data)
    with pytest.raises(BundleError, match=f"expected sha256 {expected}, got [0-9a-f]{{64}}") as caught:
        read_bundle(folder)
    assert caught.value.hint
    assert read_bundle(folder, verify=False)


def test_cut_file(folder: Path) -> None:
    path = folder / "model.safetensors"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size - 1)
    with pytest.raises(BundleError, match=f"model.safetensors has {size - 1} bytes; it was written with {size}"):
        read_bundle(folder, verify=False)


def test_missing_file(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(BundleError, match=r"tokenizer\.json is missing"):
        read_bundle(folder)


def test_stranger(folder: Path) -> None:
    (folder / "notes.md").write_text("mine")
    read_bundle(folder)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(BundleError, match=r"adapter_config\.json is not listed"):
        read_bundle(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter/state.pt", "x.PKL"])
def test_pickles_are_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"\x80\x04.")
    with pytest.raises(BundleError, match="pickle"):
        read_bundle(folder)


def test_newer_format(folder: Path) -> None:
    _change(folder, format_version=99, tunesmith="9.9")
    with pytest.raises(BundleError, match=r"has format 99, written by tunesmith 9\.9") as caught:
        read_bundle(folder)
    assert "upgrade" in caught.value.hint


def test_older_formats_are_upgraded_step_by_step(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "FORMAT_VERSION", 3)
    monkeypatch.setitem(layout.UPGRADES, 1, lambda old: {**old, "pooling": "one"})
    monkeypatch.setitem(layout.UPGRADES, 2, lambda old: {**old, "pooling": old["pooling"] + " two"})
    manifest = read_bundle(folder).manifest
    assert (manifest.format_version, manifest.pooling) == (3, "one two")


def test_manifest_that_names_a_file_outside(folder: Path) -> None:
    values = json.loads((folder / MANIFEST).read_text("utf-8"))
    _change(folder, files={**values["files"], "../secret": {"sha256": "0", "bytes": 1}})
    with pytest.raises(BundleError, match="outside"):
        read_bundle(folder)


def test_manifest_that_lacks_a_key(folder: Path) -> None:
    values = json.loads((folder / MANIFEST).read_text("utf-8"))
    del values["task"]
    values["seal"] = seal_of(values)
    (folder / MANIFEST).write_text(json.dumps(values), "utf-8")
    with pytest.raises(BundleError, match="'task'"):
        read_bundle(folder)


def test_not_a_bundle(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(BundleError, match="no such folder"):
        read_bundle(tmp_path / "absent")
    with pytest.raises(BundleError, match="is a file"):
        read_bundle(folder / MANIFEST)
    with pytest.raises(BundleError, match=r"not a bundle: it has no tunesmith\.json") as caught:
        read_bundle(tmp_path)
    assert str(folder) in caught.value.hint
    (folder / MANIFEST).unlink()
    with pytest.raises(BundleError, match="model folder but no bundle"):
        read_bundle(folder)
    half = folder.rename(tmp_path / ".bundle.123.part")
    with pytest.raises(BundleError, match="half a bundle"):
        read_bundle(half)


def test_unknown_task_or_runtime(folder: Path, bundle: Bundle) -> None:
    _change(folder, task={"name": "text-clasification", "options": {}, "state": {}})
    with pytest.raises(RecipeError, match="Did you mean"):
        _ = read_bundle(folder).task
    with pytest.raises(RecipeError, match="runtime"):
        bundle.predictor("tocrh")
    assert "torch" in family("runtimes")


def test_reading_and_predicting_imports_no_training_code(folder: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from tunesmith.bundle.read import read_bundle;"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules;"
        f"read_bundle({str(folder)!r}).predict('good');"
        "rooms = [m for m in sys.modules if m.startswith(('tunesmith.training', 'tunesmith.evaluation', 'peft'))];"
        "assert not rooms, rooms"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def _change(folder: Path, **values: Any) -> None:
    """Rewrite the manifest as a writer of these values would have."""
    path = folder / MANIFEST
    changed = {**json.loads(path.read_text("utf-8")), **values}
    path.write_text(json.dumps({**changed, "seal": seal_of(changed)}), "utf-8")
