"""The runtime vllm, over an engine that keeps vLLM's protocol (``vllm_protocol.py``), beside torch on one bundle."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import vllm_protocol

from tunesmith.bundle.layout import Lineage, Manifest, MethodRecord, RuntimeRecord, TaskRecord
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.runtimes import vllm as room
from tunesmith.bundle.runtimes.vllm_options import sampling_options
from tunesmith.bundle.write import write_bundle, write_model
from tunesmith.cli import main
from tunesmith.core.contracts import Decoding
from tunesmith.core.errors import BundleError, ExtraMissing, ModelError, RecipeError
from tunesmith.models.decoder.continuous import Continuous
from tunesmith.testing import tiny_llama, toy_talks

ROWS = {language: toy_talks(language, 24) for language in ("en", "zh")}
TALKS = [row for rows in ROWS.values() for row in rows]
LENGTH = 192


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that talks, its weights large enough for every token and its place to matter."""
    import torch
    from transformers import AutoModelForCausalLM

    from tunesmith.models.load import load_processor
    from tunesmith.models.reference import resolve
    from tunesmith.tasks.dialogue import Dialogue

    place = tmp_path_factory.mktemp("vllm")
    said = [f"<|{m['role']}|>\n{m['content']}" for row in TALKS for m in row["messages"]]
    folder = tiny_llama(place / "llama", texts=said, max_length=LENGTH)
    task = Dialogue(max_new_tokens=24)
    state = task.learn(TALKS)
    processor = task.adapt(load_processor(resolve(str(folder))))
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        for parameter in model.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
    manifest = Manifest(
        task=TaskRecord("dialogue", {"max_new_tokens": 24}, {**state, **task.state}),
        method=MethodRecord("full"),
        recipe={},
        lineage=Lineage(base_model="tiny"),
        max_length=128,
    )
    write_bundle(place / "chat", fill=lambda inside: write_model(inside, model, processor), manifest=manifest)
    return place / "chat"


@pytest.fixture(scope="module")
def bundle(chat: Path) -> Bundle:
    return read_bundle(chat)


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    vllm_protocol.install(monkeypatch)
    vllm_protocol.OPENED.clear()
    yield vllm_protocol


@pytest.fixture(scope="module")
def both(bundle: Bundle) -> Iterator[tuple[Predictor, Predictor]]:
    """The bundle in vllm, and in torch."""
    with pytest.MonkeyPatch.context() as patch:
        vllm_protocol.install(patch)
        yield bundle.predictor("vllm"), bundle.predictor("torch", "cpu")


def asked(language: str, n: int = 6) -> list[dict[str, Any]]:
    return [{"messages": row["messages"][:1]} for row in ROWS[language][:n]]


def as_asked(predictor: Predictor, **options: Any) -> Predictor:
    """The same engine, asked to write otherwise."""
    task = Bundle(Path(), Manifest(TaskRecord("dialogue", options, predictor.task.state), MethodRecord("full"))).task
    return Predictor(task, predictor.processor, predictor.runtime, max_length=predictor.max_length)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_new_tokens": 5},
        {"min_new_tokens": 30, "max_new_tokens": 36},
        {"repetition_penalty": 1.4},
        {"temperature": 0.7, "top_k": 1},
    ],
)
def test_it_writes_what_torch_writes(both: tuple[Predictor, Predictor], language: str, options: Any) -> None:
    ours, torch = (as_asked(one, **{"max_new_tokens": 24, **options}) for one in both)
    features, written = ours.outputs(asked(language))
    assert [ids.tolist() for ids in written] == [ids.tolist() for ids in torch.outputs(asked(language))[1]]
    assert ours.decode(written, features) == torch.predict(asked(language))
    assert len({ids.tobytes() for ids in written}) > 1, "each its own"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_stop_string_ends_a_text(both: tuple[Predictor, Predictor], language: str) -> None:
    rows = asked(language)
    texts = [one["text"] for one in both[1].predict(rows)]
    stop = max(texts, key=len)[3:6]
    ours, torch = (as_asked(one, max_new_tokens=24, stop=(stop, "<|never|>")) for one in both)
    found, wanted = ours.predict(rows), torch.predict(rows)
    assert [(one["text"], one["finish"]) for one in found] == [(one["text"], one["finish"]) for one in wanted]
    assert any(one["finish"] == "stop" and one["text"] == text[:3] for one, text in zip(found, texts, strict=True))
    assert sum(one["tokens"] for one in found) < sum(one["tokens"] for one in wanted), "and no more is written"
    assert sum(one["tokens"] for one in as_asked(both[0], max_new_tokens=24, min_new_tokens=24, stop=(stop,)).predict(
        rows)) == 24 * len(rows)  # fmt: skip


@pytest.mark.parametrize("language", ["en", "zh"])
def test_it_scores_as_torch_does(both: tuple[Predictor, Predictor], language: str) -> None:
    features = both[1].encode(ROWS[language], targets=True)
    found, wanted = (one.score(features) for one in both)
    assert [len(one) for one in found] == [int((feature["target"] != -100).sum()) for feature in features]
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_rows_with_nothing_to_score_and_too_much(both: tuple[Predictor, Predictor]) -> None:
    ids = np.full((3, LENGTH), 7)
    labels = np.full_like(ids, -100)
    labels[0, :4] = labels[2, -1] = 7  # the first token has nothing before it
    batch = {"input_ids": ids, "attention_mask": np.ones_like(ids), "labels": labels}
    few = {name: value[:2] for name, value in batch.items()}
    found, wanted = (one.runtime.score(few) for one in both)
    assert [len(one) for one in found] == [len(one) for one in wanted] == [3, 0]
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-4)
    with pytest.raises(ModelError, match=f"{LENGTH} tokens; vLLM reads 1 to {LENGTH - 1}"):
        both[0].runtime.score(batch)
    with pytest.raises(RecipeError, match="mask of their own"):
        both[0].runtime.score({**batch, "position_ids": ids})
    with pytest.raises(RecipeError, match="gives no logits"):
        both[0].runtime.forward(batch)


def test_a_text_fills_the_model_and_no_more(both: tuple[Predictor, Predictor]) -> None:
    def written(read: int) -> list[list[int]]:
        batch = {"input_ids": np.full((1, read), 7), "attention_mask": np.ones((1, read), np.int64)}
        how = Decoding(max_new_tokens=24, min_new_tokens=24)
        return [one.runtime.generate(batch, how)[0].tolist() for one in both]

    found, wanted = written(LENGTH - 5)
    assert found == wanted and len(found) == 5
    for read in (LENGTH, 0):
        with pytest.raises(ModelError, match=f"prompt has {read} tokens"):
            written(read)


def test_a_seed_gives_the_same_text_again(both: tuple[Predictor, Predictor]) -> None:
    def written(seed: int | None) -> list[str]:
        drawn = {"temperature": 2.0, "top_p": 0.9, "top_k": 40, "max_new_tokens": 8, "seed": seed}
        return [one["text"] for one in as_asked(both[0], **drawn).predict([*asked("en", 2), *asked("zh", 2)])]

    assert written(7) == written(7) != written(8)
    assert written(-1) == written(-1) and written(None) != written(None)
    drawing = as_asked(both[0], temperature=2.0, top_p=0.9, top_k=40, max_new_tokens=8, seed=7)
    alone, many = ([one["text"] for one in drawing.predict(asked("zh", 1) * times)] for times in (1, 6))
    assert many[0] == alone[0], "whatever stands beside it"
    assert len(set(many)) > 4, "the same prompt has other texts in other places"


@pytest.mark.parametrize("every", [1, 3])
def test_token_by_token_it_writes_the_same(
    both: tuple[Predictor, Predictor], monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    monkeypatch.setattr(vllm_protocol, "EVERY", every)
    ours: Any = both[0].runtime
    features, wanted = both[0].outputs([*asked("en", 4), *asked("zh", 4)])
    decoder = ours.decoder(rows=5, length=150)
    assert (decoder.rows, decoder.length, len(decoder), decoder.step()) == (5, 150, 0, [])
    how = Decoding(max_new_tokens=24)
    texts = [decoder.add(feature["input_ids"], how) for feature in features[:5]]
    told: dict[Any, list[int]] = {}
    ends: list[Any] = []
    dropped = None
    while len(decoder):
        for writing, token, finish in decoder.step():
            told.setdefault(writing, []).append(token)
            ends += [(writing, finish)] if finish else []
        if dropped is None and len(texts[1].ids) > 2:  # others come while these are written, and one is given up
            dropped = texts[1]
            decoder.drop(dropped)
            texts += [decoder.add(feature["input_ids"], how) for feature in features[5:]]
    decoder.drop(texts[0])  # has ended: nothing happens
    assert dropped is not None and dropped.finish == "dropped" and dropped not in dict(ends)
    for writing, ids in zip(texts, wanted, strict=True):
        assert told[writing] == writing.ids
        assert writing is dropped or writing.ids == ids.tolist()
        assert writing is dropped or writing.finish == dict(ends)[writing] == (
            "length" if len(ids) == 24 else "stop")  # fmt: skip
    surface = {name for name in vars(Continuous) if not name.startswith("_")} | {"length"}
    assert all(hasattr(decoder, name) for name in surface), "it can stand where Continuous stands"


def test_a_text_that_vllm_gives_up(both: tuple[Predictor, Predictor], monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = both[0].runtime.decoder(rows=1)  # type: ignore[attr-defined]
    made = decoder.add([5, 6], Decoding(max_new_tokens=3))
    monkeypatch.setattr(vllm_protocol.LLMEngine, "_stop", lambda _, request, token: setattr(request, "reason", "error"))
    with pytest.raises(ModelError, match="vLLM ended a text: error"):
        decoder.step()
    assert (len(decoder), made.finish) == (0, "error")
    for prompt in ([], [5] * LENGTH):
        with pytest.raises(ModelError, match=f"prompt has {len(prompt)} tokens"):
            decoder.add(prompt, Decoding())
    with pytest.raises(RecipeError, match="without beams"):
        decoder.add([5], Decoding(beams=2))


def test_how_a_text_is_written_in_vllms_words() -> None:
    how = Decoding(
        max_new_tokens=9, min_new_tokens=20, repetition_penalty=1.1, stop=("。", "\n"), ends=(9,), seed=-3,
        presence_penalty=0.5, frequency_penalty=0.25,
    )  # fmt: skip
    greedy = sampling_options(how, {2}, room=50)
    assert greedy == {
        "max_tokens": 9, "min_tokens": 9, "temperature": 0.0, "repetition_penalty": 1.1, "presence_penalty": 0.5,
        "frequency_penalty": 0.25, "stop": ["。", "\n"], "detokenize": True, "stop_token_ids": [2, 9],
        "ignore_eos": True,
    }  # fmt: skip
    drawn = sampling_options(Decoding(temperature=0.5, top_p=0.8, top_k=-1, seed=-1), (), room=4)
    assert (drawn["max_tokens"], drawn["top_p"], drawn["top_k"], drawn["seed"]) == (4, 0.8, 0, 2**63 - 1)
    assert not drawn["detokenize"]
    for wrong, why in (
        (Decoding(beams=4), "without beams; task.beams is 4"),
        (Decoding(no_repeat_ngram=3), "task.no_repeat_ngram is 3"),
        (Decoding(temperature=2.5), "task.temperature is 2.5"),
    ):
        with pytest.raises(RecipeError, match=why):
            sampling_options(wrong, (), room=50)


def test_how_the_engine_is_opened(vllm: Any, chat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(chat.parent)
    monkeypatch.setattr(vllm, "ROOM", 100)
    runtime: Any = read_bundle("chat").predictor("vllm", precision="bf16").runtime
    assert runtime.length == 100, "as long as the GPU has room for"
    (options,) = vllm.OPENED
    assert options.pop("seed") >= 0
    assert options == {
        "model": str(chat), "dtype": "bfloat16", "max_model_len": -1, "trust_remote_code": False,
        "load_format": "safetensors", "generation_config": "vllm", "logprobs_mode": "raw_logprobs",
    }  # fmt: skip
    with pytest.raises(RecipeError, match="not in int8"):
        read_bundle("chat").predictor("vllm", precision="int8")


def test_it_is_never_taken_unasked(vllm: Any, bundle: Bundle) -> None:
    assert bundle.predictor(device="cpu").runtime.name == "torch"
    assert not vllm.OPENED


def test_without_the_package(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ExtraMissing) as told:
        bundle.predictor("vllm")
    assert str(told.value) == (
        "vllm is not installed; it is needed for the runtime vllm, which computes on a GPU.\nRun: pip install vllm"
    )


def test_without_a_gpu(vllm: Any, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "has_gpu", lambda: False)
    for device, why in (("auto", "torch finds none here"), ("cpu", "not on cpu"), ("cuda:1", "not on cuda:1")):
        with pytest.raises(RecipeError, match=why):
            bundle.predictor("vllm", device)
    assert not vllm.OPENED


def drop_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (drop_weights, "no weights, but a graph for onnx"),
        (lambda folder: (folder / "base").mkdir(), "keeps its method's parts beside the model"),
        (lambda folder: (folder / "members").mkdir(), "is an ensemble"),
        (lambda folder: (folder / "routes").mkdir(), "learned apart"),
    ],
)
def test_what_is_no_plain_model(
    vllm: Any, chat: Path, tmp_path: Path, change: Callable[[Path], None], why: str
) -> None:
    folder = Path(shutil.copytree(chat, tmp_path / "other"))
    manifest = read_bundle(folder).manifest
    change(folder)
    shrunk = Manifest(manifest.task, manifest.method, runtime=RuntimeRecord("onnx"), max_length=128)
    with pytest.raises(BundleError, match=why):
        Bundle(folder, shrunk).predictor("vllm")
    assert not vllm.OPENED


def test_what_does_not_write_as_vllm_can(vllm: Any, bundle: Bundle, classifier: Bundle) -> None:
    with pytest.raises(RecipeError, match="of the task text-classification"):
        classifier.predictor("vllm")
    with pytest.raises(RecipeError, match="without beams; task.beams is 3"):
        bundle.asked({"beams": 3}).predictor("vllm")
    assert not vllm.OPENED


@pytest.fixture
def classifier(request: pytest.FixtureRequest) -> Bundle:
    """The folder's own ``bundle``, whose name this module gives to another."""
    return read_bundle(request.getfixturevalue("folder"))


def test_a_model_that_vllm_does_not_know(vllm: Any, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("Model architectures\n['TinyForCausalLM'] are not supported")

    monkeypatch.setattr(sys.modules["vllm"], "LLM", refuse)
    with pytest.raises(BundleError, match=r"vLLM 0.33.0 cannot open .*chat: Model architectures \['Tiny.* supported"):
        bundle.predictor("vllm")


def test_predict_by_it_on_the_command_line(
    vllm: Any, chat: Path, bundle: Bundle, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    question = asked("zh", 1)[0]["messages"][0]["content"]
    wanted = bundle.predictor("torch", "cpu").predict([{"messages": [{"role": "user", "content": question}]}])
    assert main(["predict", str(chat), question, "--runtime", "vllm", "--json"]) == 0
    (found,) = json.loads(capfd.readouterr().out)["predictions"]
    assert found == wanted[0]
    monkeypatch.setitem(sys.modules, "vllm", None)
    assert main(["predict", str(chat), question, "--runtime", "vllm"]) == 2
    assert "Run: pip install vllm" in capfd.readouterr().err
