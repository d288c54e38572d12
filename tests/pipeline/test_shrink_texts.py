"""Shrinking what writes: the same texts from a graph, the search, what does not hold, and what is refused at once."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tunesmith import tune
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.cli import main
from tunesmith.compression.builder import BUILDER
from tunesmith.compression.writer_forms import Int8, WriterForm
from tunesmith.core.contracts import Decoding
from tunesmith.core.errors import ModelError, RecipeError, TunesmithError
from tunesmith.core.registry import family
from tunesmith.pipeline.shrink import ShrinkOptions, shrink
from tunesmith.pipeline.shrink_texts import Read, agreement, refuse_unable
from tunesmith.testing import tiny_llama, toy_talks

pytest.importorskip(BUILDER, reason="onnxruntime-genai is not installed: NOTHING of shrinking what writes is tested")
SETTINGS = (
    "training.batch_size=8", "training.threads=1", "training.trackers=[jsonl]", "evaluation.resamples=100",
    "data.split.near_duplicates=false", "data.clean.duplicates=false", "training.epochs=10", "model.max_length=128",
    "training.precision=fp32", "method=full", "training.learning_rate=5e-3",
)  # fmt: skip


@pytest.fixture(scope="module", params=["en", "zh"])
def parent(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    place, rows = tmp_path_factory.mktemp("talk"), toy_talks(request.param, 120)
    texts = [f"<|{m['role']}|>\n{m['content']}" for row in rows for m in row["messages"]]
    model = tiny_llama(place / "model", texts=texts, hidden=64, heads=4, intermediate=128)
    for name, part in (("train", rows[:90]), ("test", rows[90:])):
        (place / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), "utf-8")
    data = (str(place / "train.jsonl"), f"data.test={place / 'test.jsonl'}", "data.split.validation=0.2")
    return tune(*data, f"model={model}", f"bundle={place / 'b'}", *SETTINGS)


def asked(parent: Bundle, n: int = 16) -> list[dict[str, Any]]:
    language = str(parent.manifest.data["language"])
    return [{"messages": row["messages"][:-1]} for row in toy_talks(language, 120)[90 : 90 + n]]


def shrunk(parent: Bundle, place: Path, **options: Any) -> Bundle:
    return shrink(parent.path, [f"bundle={place / 'small'}"], ShrinkOptions(**options))


def test_a_graph_in_fp32_writes_the_same(parent: Bundle, tmp_path: Path) -> None:
    made = shrunk(parent, tmp_path, to="onnx")
    first, reload = made.manifest.parity
    assert first.handoff == "shrink to onnx" and first.passed and reload.passed
    assert first.metric == "perplexity" and first.agreement == 1.0 and first.largest_gap < 1e-3
    assert first.loss is not None and abs(first.loss) < 1e-4
    rows = asked(parent)
    wanted = parent.predict(rows)
    assert read_bundle(made.path).predict(rows) == wanted and len({one["text"] for one in wanted}) > 1
    assert not list(made.path.rglob("*.safetensors"))
    assert {path.name for path in (made.path / "onnx").iterdir()} == {"model.onnx", "model.onnx.data"}
    assert made.manifest.metrics.keys() == {"perplexity"}
    told = {name: parent.manifest.metrics["perplexity"].to_json()[name] for name in ("value",)}
    assert made.report["before"]["metrics"]["perplexity"]["value"] == pytest.approx(told["value"], rel=0.5)
    assert "rises by" in (made.path / "report.html").read_text("utf-8")


def test_it_is_asked_without_torch(parent: Bundle, tmp_path: Path) -> None:
    made = shrunk(parent, tmp_path, to="int8", max_loss=0.5, least_agreement=0.5)
    rows = asked(parent, 2)
    program = f"""
import json, sys
from tunesmith.bundle.read import read_bundle
bundle = read_bundle({str(made.path)!r})
print(json.dumps(bundle.predict({rows!r})))
print(sorted({{"torch", "transformers", "onnx", "onnxruntime_genai"}} & set(sys.modules)))
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    answers, loaded = told.stdout.strip().split("\n")
    assert json.loads(answers) == made.predict(rows) and loaded == "[]"
    decoding = Decoding(max_new_tokens=6, min_new_tokens=6, temperature=1.0, seed=3)
    predictor: Any = made.predictor()
    batch = predictor.collate(predictor.encode(rows))
    one, again = (predictor.runtime.generate(batch, decoding) for _ in range(2))
    assert all((a == b).all() and len(a) == 6 for a, b in zip(one, again, strict=True))


def test_the_search_takes_what_keeps_to_the_limit_and_says_why(parent: Bundle, tmp_path: Path) -> None:
    made = shrunk(parent, tmp_path, target="size", max_loss=0.02, least_agreement=0.8, test_all=True)
    told = made.report["shrink"]
    candidates = {one["name"]: one for one in told["candidates"]}
    assert list(candidates) == ["torch", "onnx", "int8", "int4-mixed", "int4"]
    assert candidates["onnx"]["loss"] < 1e-4 and candidates["torch"]["loss"] == 0
    assert candidates["int4"]["bytes"] < candidates["int8"]["bytes"] < candidates["onnx"]["bytes"]
    assert all(one["one"] > 0 and one["many"] > 0 for one in candidates.values())
    fit = [one for one in told["candidates"][1:] if one["loss"] <= 0.02 and one["name"] not in told["refused"]]
    assert candidates[told["picked"]]["bytes"] <= 1.03 * min(one["bytes"] for one in fit)
    for one in told["candidates"][1:]:
        assert (f"{one['name']} raises the perplexity by" in told["words"]) == (one["loss"] > 0.02)
        found = one["test"]
        assert found["loss_low"] <= found["loss"] <= found["loss_high"] and 0 <= found["agreement"] <= 1
        value = candidates["torch"]["test"]["value"]
        assert found["value"] == pytest.approx(value * (1 + found["loss"]))
    assert told["units"]["what"] == "text" and told["rows"]["test"] == 30
    assert made.manifest.runtime.form == told["picked"]


def test_damage_does_not_ship(parent: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnx
    from onnx import numpy_helper

    write = WriterForm.write

    def damaged(self: WriterForm, model: Path, folder: Path) -> None:
        write(self, model, folder)
        path = folder / self.file
        graph = onnx.load(str(path))
        tensor = next(one for one in graph.graph.initializer if "mlp.down_proj" in one.name and one.data_type == 1)
        array = numpy_helper.to_array(tensor).copy() * np.float32(-1)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        onnx.save(graph, str(path))

    monkeypatch.setattr(Int8, "write", damaged)
    with pytest.raises(TunesmithError, match="No form keeps|Nothing ships"):
        shrunk(parent, tmp_path, to="int8")
    assert not list(tmp_path.iterdir()), "nothing is left"


def test_the_verb(parent: Bundle, tmp_path: Path, capsys: Any) -> None:
    command = ["shrink", str(parent.path), "--to", "onnx", f"bundle={tmp_path / 'v'}"]
    assert main([*command]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "<- picked" in said and "next tokens are the same" in said and "8 texts, ms" in said
    question = asked(parent, 1)[0]["messages"][0]["content"]
    row = {"messages": [{"role": "user", "content": question}]}
    assert main(["predict", str(tmp_path / "v"), question, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["predictions"] == parent.predict([row])
    assert main(["shrink", str(tmp_path / "v"), f"bundle={tmp_path / 'w'}"]) == 2, "it is shrunk already"


def _like(place: Path, **given: Any) -> Any:
    (place / "config.json").write_text(json.dumps({"architectures": [given.pop("architecture")]}), "utf-8")
    return SimpleNamespace(path=place, task=SimpleNamespace(**{"causal": True, "decoding": Decoding(), **given}))


@pytest.mark.parametrize(
    ("given", "cuts", "words"),
    [
        ({"architecture": "GPT2LMHeadModel"}, [], "GPT2LMHeadModel cannot be written as a graph with a cache"),
        ({"architecture": "T5ForConditionalGeneration", "causal": False}, [], "an encoder and a decoder"),
        ({"architecture": "LlamaForCausalLM"}, ["layers=1"], "--cut makes encoders smaller"),
        ({"architecture": "LlamaForCausalLM", "decoding": Decoding(beams=4)}, [], "with 4 beams"),
    ],
)
def test_what_is_refused_at_once(given: dict[str, Any], cuts: Sequence[str], words: str, tmp_path: Path) -> None:
    with pytest.raises((ModelError, RecipeError), match=words):
        refuse_unable(_like(tmp_path, **given), dict.fromkeys(cuts))  # type: ignore[arg-type]


def test_forms_that_only_read_are_none_of_these(parent: Bundle, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no form"):
        shrunk(parent, tmp_path, to="openvino")
    assert set(family("writer_forms")) == {"onnx", "int8", "int4-mixed", "int4"}


def test_agreement_is_counted_over_tokens() -> None:
    one = Read([], [np.array([1, 2, 3]), np.array([4])])
    other = Read([], [np.array([1, 2, 0]), np.array([4])])
    assert agreement(one, other) == 0.75


def test_a_service_streams_from_a_graph_without_torch(parent: Bundle, tmp_path: Path) -> None:
    made = shrunk(parent, tmp_path, to="int8", max_loss=0.5, least_agreement=0.5)
    rows = asked(parent)
    command = [sys.executable, "-m", "tunesmith", "serve", str(made.path), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        lines: list[str] = []
        while line := process.stdout.readline():
            lines.append(line)
            if line.startswith("}"):
                break
        address = json.loads("".join(lines))["address"]
        with ThreadPoolExecutor(len(rows)) as pool:
            found = list(pool.map(lambda row: _streamed(address, row["messages"]), rows))
        if Path("/proc/self/maps").is_file():
            assert "libtorch" not in Path(f"/proc/{process.pid}/maps").read_text()
    finally:
        process.kill()
        process.wait()
    assert ["".join(pieces).strip() for pieces in found] == [one["text"] for one in made.predict(rows)]
    assert any(len(pieces) > 2 for pieces in found)


def _streamed(address: str, messages: Any) -> list[str]:
    body = json.dumps({"model": "small", "messages": messages, "stream": True}).encode()
    request = urllib.request.Request(f"{address}/v1/chat/completions", body, {"content-type": "application/json"})
    pieces = []
    with urllib.request.urlopen(request, timeout=60) as answer:
        for line in answer:
            if line.startswith(b"data: {"):
                choice = json.loads(line[6:])["choices"]
                pieces += [one["delta"].get("content") or "" for one in choice]
    return pieces
