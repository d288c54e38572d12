"""Causal models as graphs with a cache: every form beside the model, written step by step, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from toy_models import TEXTS

from tunesmith import testing
from tunesmith.bundle.runtimes.onnx_writer import OnnxWriter
from tunesmith.compression import WRITER_FORMS
from tunesmith.compression.builder import BUILDER, refuse_unknown
from tunesmith.core.contracts import Decoding
from tunesmith.core.errors import BundleError, ModelError, RecipeError, TunesmithError
from tunesmith.models.decoder.continuous import CHUNK, written
from tunesmith.models.decoding import written as whole

pytest.importorskip(BUILDER, reason="onnxruntime-genai is not installed: NOTHING of shrinking causal models is tested")

Written = tuple[OnnxWriter, Path]
PROMPTS = [[5, 9, 200, 31, 77, 8, 64, 120, 33], [42], list(range(60, 81)), [300, 301, 302, 303], [7, 7, 8]]
HOW = [
    Decoding(max_new_tokens=12, min_new_tokens=12),
    Decoding(max_new_tokens=12, repetition_penalty=1.3),
    Decoding(max_new_tokens=16, no_repeat_ngram=2, min_new_tokens=9),
]


@pytest.fixture(scope="module")
def llamas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model whose head is its table of embeddings, one with both, and one that has both and says that it has not.

    Their weights are large enough for every token and its place to matter.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    place = tmp_path_factory.mktemp("llamas")
    texts = [*TEXTS["en"], *TEXTS["zh"]]
    shape: Any = {"hidden": 64, "heads": 4, "intermediate": 128, "max_length": CHUNK * 2}
    found = {}
    for name in ("tied", "apart", "untold"):
        folder = testing.tiny_llama(place / name, texts=texts, **shape)
        config = AutoConfig.from_pretrained(folder, tie_word_embeddings=name == "tied", num_key_value_heads=2)
        torch.manual_seed(3)
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
        model.save_pretrained(folder)
        found[name] = folder
    told = json.loads((found["untold"] / "config.json").read_text("utf-8"))
    (found["untold"] / "config.json").write_text(json.dumps({**told, "tie_word_embeddings": True}), "utf-8")
    return found


@pytest.fixture(scope="module")
def made(llamas: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Written]:
    """(which, form) -> its runtime and its folder; each is built once."""
    place, found = tmp_path_factory.mktemp("forms"), {}

    def make(which: str, name: str) -> Written:
        if (which, name) not in found:
            form, folder = WRITER_FORMS.make(name), place / which / name
            form.write(llamas[which], folder)
            found[which, name] = (OnnxWriter.of(folder / form.file, llamas[which], form.precision), folder)
        return found[which, name]

    return make


@pytest.fixture(scope="module")
def model(llamas: dict[str, Path]) -> Callable[[str], Any]:
    from transformers import AutoModelForCausalLM

    return lambda which: AutoModelForCausalLM.from_pretrained(llamas[which]).eval()


def asked(prompts: list[list[int]]) -> dict[str, np.ndarray]:
    """Padded on the left."""
    longest = max(map(len, prompts))
    rows = [[0] * (longest - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return {"input_ids": np.array(rows), "attention_mask": np.array(mask)}


def alone(model: Any, prompt: list[int], decoding: Decoding) -> list[int]:
    batch = {name: torch.as_tensor(value) for name, value in asked([prompt]).items()}
    with torch.inference_mode():
        return [int(token) for token in whole(model, batch, decoding)[0]]


@pytest.mark.parametrize(
    ("which", "name"),
    [
        ("tied", "onnx"),
        ("apart", "onnx"),
        ("untold", "onnx"),
        ("tied", "int8"),
        ("tied", "int4-mixed"),
        ("apart", "int4"),
    ],
)
def test_every_form_gives_the_models_logits(
    made: Callable[[str, str], Written], model: Callable[[str], Any], which: str, name: str
) -> None:
    runtime, folder = made(which, name)
    ids = np.random.default_rng(0).integers(4, 300, (3, 20))
    mask = np.ones_like(ids)
    mask[1, 12:] = 0
    with torch.inference_mode():
        wanted = model(which)(torch.as_tensor(ids)).logits.numpy()
    found = runtime.forward({"input_ids": ids, "attention_mask": mask})["logits"]
    there = mask.astype(bool)
    spread = wanted[there].std()
    near = {"onnx": 1e-4, "int8": 0.2, "int4": 1.5, "int4-mixed": 1.2}[name]
    assert np.abs(found - wanted)[there].max() / spread < near * (1 if name == "onnx" else 3)
    assert np.sqrt(np.square(found - wanted)[there].mean()) / spread < near
    assert not found[~there].any()
    assert {path.name for path in (folder / "onnx").iterdir()} == {"model.onnx", "model.onnx.data"}


def test_a_table_that_is_the_head_too_is_kept_once(
    made: Callable[[str, str], Written], llamas: dict[str, Path]
) -> None:
    weights = (llamas["tied"] / "model.safetensors").stat().st_size
    size = {name: (made("tied", name)[1] / "onnx" / "model.onnx.data").stat().st_size for name in ("onnx", "int8")}
    assert size["onnx"] < 1.3 * weights and size["int8"] < 0.35 * weights
    for name in ("onnx", "int8"):
        graph = onnx.load(str(made("tied", name)[1] / "onnx" / "model.onnx"), load_external_data=False).graph
        words = json.loads((llamas["tied"] / "config.json").read_text("utf-8"))["vocab_size"]
        tables = [one.name for one in graph.initializer if words in one.dims and np.prod(one.dims) >= words * 64]
        assert len(tables) == 1, tables


@pytest.mark.parametrize("decoding", HOW)
def test_written_together_as_transformers_alone(
    made: Callable[[str, str], Written], model: Callable[[str], Any], decoding: Decoding
) -> None:
    found = made("tied", "onnx")[0].generate(asked(PROMPTS), decoding)
    reference = model("tied")
    assert [ids.tolist() for ids in found] == [alone(reference, prompt, decoding) for prompt in PROMPTS]
    assert len({tuple(ids.tolist()) for ids in found}) == len(PROMPTS)


@pytest.mark.parametrize("name", ["onnx", "int8"])
def test_texts_join_and_leave_and_long_prompts_come_in_parts(made: Callable[[str, str], Written], name: str) -> None:
    runtime = made("tied", name)[0]
    draw = np.random.default_rng(1)
    long = draw.integers(4, 300, CHUNK + 40).tolist()
    decoding = Decoding(max_new_tokens=10, min_new_tokens=10)
    single = [written(runtime.decoder(rows=1), [prompt], decoding)[0].ids for prompt in (*PROMPTS[:3], long)]
    decoder = runtime.decoder(rows=3)
    first, gone = decoder.add(PROMPTS[0], decoding), decoder.add(PROMPTS[1], decoding)
    decoder.step()
    late, last = decoder.add(long, decoding), decoder.add(PROMPTS[2], decoding)
    decoder.step()
    decoder.drop(gone)
    while len(decoder):
        decoder.step()
    assert [first.ids, last.ids, late.ids] == [single[0], single[2], single[3]]
    again = decoder.add([*PROMPTS[2], *last.ids, 5], decoding)
    while len(decoder):
        decoder.step()
    assert again.reused == len(PROMPTS[2]) + 9
    if name == "onnx":
        assert again.ids == written(runtime.decoder(rows=1), [again.prompt], decoding)[0].ids


def test_log_probabilities_are_those_of_torch(made: Callable[[str, str], Written], model: Callable[[str], Any]) -> None:
    from tunesmith.bundle.runtimes.torch import TorchRuntime

    ids = np.random.default_rng(2).integers(4, 300, (3, 14))
    mask, labels = np.ones_like(ids), np.full_like(ids, -100)
    mask[0, 9:] = 0
    labels[0, 4:9], labels[1, 0:2], labels[1, 11:] = ids[0, 4:9], ids[1, 0:2], ids[1, 11:]  # row 2: nothing
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    wanted = TorchRuntime(model("apart")).score(batch)
    found = made("apart", "onnx")[0].score(batch)
    assert [one.shape for one in found] == [one.shape for one in wanted] == [(5,), (4,), (0,)]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_writing_from_a_graph_needs_no_torch(made: Callable[[str, str], Written], llamas: dict[str, Path]) -> None:
    folder = made("tied", "int8")[1]
    program = f"""
import sys
from pathlib import Path
from tunesmith.bundle.runtimes.onnx_writer import OnnxWriter
from tunesmith.core.contracts import Decoding
runtime = OnnxWriter.of(Path({str(folder / "onnx" / "model.onnx")!r}), Path({str(llamas["tied"])!r}), "int8")
batch = {{"input_ids": [[5, 6, 7]], "attention_mask": [[1, 1, 1]]}}
print(len(runtime.generate(batch, Decoding(max_new_tokens=5, min_new_tokens=5, temperature=1.0, seed=1))[0]))
print(sorted({{"torch", "transformers", "onnx", "onnxruntime_genai"}} & set(sys.modules)))
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.split("\n")[:2] == ["5", "[]"]


def test_beams_are_refused(made: Callable[[str, str], Written]) -> None:
    with pytest.raises(RecipeError, match="without beams; 4"):
        made("tied", "onnx")[0].generate(asked(PROMPTS), Decoding(beams=4))


def test_a_graph_that_is_not_ours_is_refused(made: Callable[[str, str], Written], tmp_path: Path) -> None:
    shutil.copytree(made("tied", "onnx")[1], tmp_path / "m")
    path = tmp_path / "m" / "onnx" / "model.onnx"
    model = onnx.load(str(path), load_external_data=False)
    for one in (*model.graph.input, *model.graph.output):
        if one.name.startswith(("past", "present")):
            one.type.tensor_type.shape.dim[3].dim_param = "open"
    onnx.save(model, str(path))
    with pytest.raises(BundleError, match="not made by tunesmith"):
        OnnxWriter.of(path, tmp_path)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, "GPT2LMHeadModel cannot be written as a graph"),
        ({"architectures": ["T5ForConditionalGeneration"]}, "T5ForConditionalGeneration cannot"),
        ({}, "unknown cannot"),
        ({"architectures": ["LlamaForCausalLM"], "auto_map": {"AutoModel": "own.Model"}}, "brings its own code"),
        ({"architectures": ["Qwen3ForCausalLM"], "layer_types": ["linear_attention"]}, "keep a state"),
    ],
)
def test_what_has_no_such_graph(config: dict[str, Any], words: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(ModelError, match=words):
        refuse_unknown(tmp_path)


def test_a_builder_that_fails_says_why(llamas: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(llamas["tied"], tmp_path / "broken")
    config = json.loads((tmp_path / "broken" / "config.json").read_text("utf-8"))
    (tmp_path / "broken" / "config.json").write_text(json.dumps({**config, "hidden_act": "none"}), "utf-8")
    with pytest.raises(TunesmithError, match="cannot bring the model to int8: .*none") as caught:
        WRITER_FORMS.make("int8").write(tmp_path / "broken", tmp_path / "out")
    assert "Traceback" not in str(caught.value)
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot be read"):
        WRITER_FORMS.make("int8").write(tmp_path / "broken", tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*")), "nothing is left"
