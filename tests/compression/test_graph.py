"""A model as a graph: free axes, tables in int8, and every form beside the model that it came from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from tunesmith.bundle.runtimes.onnx import OnnxRuntime
from tunesmith.bundle.runtimes.openvino import OpenVinoRuntime
from tunesmith.compression import FORMS
from tunesmith.compression.export import free_axes, to_onnx
from tunesmith.compression.onnx_files import data_of
from tunesmith.compression.onnx_rows import LEAST, int8_rows, shrink_tables
from tunesmith.core.errors import BundleError, TunesmithError

WIDTH = 64


class Small(torch.nn.Module):
    """Embeds, mixes, sums over what the mask keeps; wide enough for its table to be worth turning."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.table = torch.nn.Embedding(LEAST // WIDTH + 1, WIDTH)
        self.wide = torch.nn.Linear(WIDTH, 2 * WIDTH)
        self.out = torch.nn.Linear(2 * WIDTH, 3)

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        states = torch.nn.functional.gelu(self.wide(self.table(input_ids))) * attention_mask.unsqueeze(-1)
        return {"logits": self.out(states.sum(1)), "unused": states}


def batch(rows: int, length: int, seed: int = 0) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, LEAST // WIDTH, (rows, length), generator=draw)
    mask = torch.ones_like(ids)
    mask[0, length // 2 :] = 0
    return {"input_ids": ids, "attention_mask": mask}


@pytest.fixture(scope="module")
def model() -> Small:
    return Small().eval()


@pytest.fixture(scope="module")
def graph(model: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    to_onnx(model, [batch(3, 5), batch(4, 9)], ["logits"], path)
    return path


def test_axes_that_differ_and_all_of_tokens_are_free() -> None:
    one, other = batch(2, 5), batch(2, 5)
    kinds = torch.zeros(2, 3)
    assert free_axes([{**one, "kinds": kinds}, {**other, "kinds": torch.zeros(4, 3)}]) == {
        "input_ids": [0, 1],
        "attention_mask": [0, 1],
        "kinds": [0],
    }
    with pytest.raises(TunesmithError, match="more than one way"):
        free_axes([one, {"input_ids": one["input_ids"]}])


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (7, 4)])
@pytest.mark.parametrize("name", list(FORMS))
def test_every_form_answers_as_the_model(
    model: Small, graph: Path, name: str, shape: tuple[int, int], tmp_path: Path
) -> None:
    form, asked = FORMS.make(name), batch(*shape, seed=1)
    form.write(graph, tmp_path, [batch(8, 12, seed) for seed in range(8)])
    opened = {"onnx": OnnxRuntime, "openvino": OpenVinoRuntime}[form.runtime](
        tmp_path / form.file, precision=form.precision
    )
    with torch.no_grad():
        wanted = model(**asked)["logits"].numpy()
    found = opened.forward({**asked, "labels": torch.zeros(1)})
    assert list(found) == ["logits"] and found["logits"].dtype == np.float32
    spread = float(np.abs(wanted).max())
    near = 0.3 if name == "openvino-int8" else 0.1  # its fixed scales suit no random weights
    np.testing.assert_allclose(found["logits"], wanted, atol=1e-4 if form.exact else near * spread)
    if not form.exact:
        size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
        assert size < (0.75 if form.precision == "bf16" else 0.6) * graph.stat().st_size


@pytest.mark.parametrize("name", list(FORMS))
def test_weights_of_a_large_model_go_along(
    model: Small, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A protobuf holds 2 GiB: more stands in a file beside the graph, in whatever is made of it."""
    asked, rows = batch(3, 7, seed=1), [batch(8, 12, seed) for seed in range(8)]
    form = FORMS.make(name)

    def answers(folder: Path) -> np.ndarray:
        kind = {"onnx": OnnxRuntime, "openvino": OpenVinoRuntime}[form.runtime]
        return kind(folder / form.file, precision=form.precision).forward(asked)["logits"]

    whole = tmp_path / "whole" / "model.onnx"
    to_onnx(model, [batch(3, 5), batch(4, 9)], ["logits"], whole)
    form.write(whole, tmp_path / "usual", rows)
    monkeypatch.setattr("tunesmith.compression.onnx_files.LARGE", 1000)
    graph = tmp_path / "graph" / "model.onnx"
    to_onnx(model, [batch(3, 5), batch(4, 9)], ["logits"], graph)
    assert data_of(graph).stat().st_size > 10 * graph.stat().st_size
    folder = tmp_path / "form"
    form.write(graph, folder, rows)
    assert (folder / "onnx" / "model.onnx.data").is_file() is form.file.endswith(".onnx")
    assert not list(folder.rglob("*.bare.*"))
    shutil.rmtree(graph.parent)
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    shutil.rmtree(folder)
    np.testing.assert_allclose(answers(moved), answers(tmp_path / "usual"), atol=1e-4)


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), MemoryError()])
def test_a_full_disk_is_not_told_as_the_models_fault(
    model: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    def full(*given: Any, **named: Any) -> None:
        raise fault

    monkeypatch.setattr(torch.onnx, "export", full)
    with pytest.raises(type(fault)):
        to_onnx(model, [batch(3, 5), batch(4, 9)], ["logits"], tmp_path / "model.onnx")


def test_rows_of_a_table_have_scales_of_their_own() -> None:
    table = np.array([[1e-3, -2e-3], [100.0, 50.0]], dtype=np.float32)
    values, scales = int8_rows(table)
    np.testing.assert_allclose(values * scales, table, rtol=0.01)
    assert values.dtype == np.int8


def test_only_what_is_looked_up_by_rows_is_turned(tmp_path: Path) -> None:
    """A table that is multiplied, too, stays; so does a small one."""
    large = np.random.default_rng(0).normal(size=(LEAST // 8, 8)).astype(np.float32)
    tied, small = large + 1, large[:4]
    nodes = [
        helper.make_node("Gather", ["large", "ids"], ["a"]),
        helper.make_node("Gather", ["tied", "ids"], ["b"]),
        helper.make_node("Gather", ["small", "ids"], ["c"]),
        helper.make_node("MatMul", ["x", "tied"], ["d"]),
    ]
    info = helper.make_tensor_value_info
    inputs = [info("ids", TensorProto.INT64, ["n"]), info("x", TensorProto.FLOAT, [1, LEAST // 8])]
    outputs = [info(name, TensorProto.FLOAT, None) for name in "abcd"]
    tables = [numpy_helper.from_array(t, n) for n, t in {"large": large, "tied": tied, "small": small}.items()]
    opset = [helper.make_opsetid("", 20)]
    path = tmp_path / "m.onnx"
    made = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, tables), opset_imports=opset, ir_version=10)
    onnx.save(made, str(path))
    assert shrink_tables(path, path) == 1
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    ids = np.array([3, 0, 3])
    a, b, c, _ = session.run(None, {"ids": ids, "x": np.zeros((1, LEAST // 8), dtype=np.float32)})
    np.testing.assert_allclose(a, large[ids], atol=np.abs(large[ids]).max() / 100)
    np.testing.assert_array_equal(b, tied[ids])
    np.testing.assert_array_equal(c, small[ids])


def test_a_file_that_is_no_graph(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not a graph")
    for runtime in (OnnxRuntime, OpenVinoRuntime):
        with pytest.raises(BundleError, match="cannot read"):
            runtime(path)  # type: ignore[abstract]
