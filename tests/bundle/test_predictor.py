"""Order is kept, windows are merged, memory is bounded; the model is left as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.bundle.predictor import Predictor, batches_by_length
from tunesmith.bundle.read import Bundle
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.core.contracts import Decoding
from tunesmith.core.errors import BundleError


@given(st.lists(st.integers(1, 600), max_size=80), st.integers(1, 9), st.integers(1, 2000))
def test_every_index_once_and_no_batch_too_large(lengths: list[int], size: int, tokens: int) -> None:
    batches = list(batches_by_length(lengths, size, tokens))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[i] for i in batch)
        assert len(batch) == 1 or (len(batch) <= size and padded <= tokens)


def test_order_is_that_of_the_rows(bundle: Bundle, texts: list[str]) -> None:
    one_by_one = [bundle.predict(text)[0] for text in texts * 3]
    small = bundle.predictor(batch_size=2).predict([{"text": text} for text in texts * 3])
    assert [p["label"] for p in small] == [p["label"] for p in one_by_one]
    np.testing.assert_allclose([p["score"] for p in small], [p["score"] for p in one_by_one], atol=1e-5)
    assert len({p["score"] for p in one_by_one}) > 3


@pytest.mark.parametrize("text", ["good film was bad " * 20, "房间很好服务太差了" * 9])
def test_windows_of_a_long_text_are_merged(bundle: Bundle, text: str) -> None:
    predictor = bundle.predictor(batch_size=3)
    rows = [{"text": "good"}, {"text": text}, {"text": "差"}]
    features, arrays = predictor.outputs(rows)
    windows = [i for i, feature in enumerate(features) if feature["row"] == 1]
    assert len(windows) > 2
    assert all(len(feature["input_ids"]) <= predictor.max_length for feature in features)
    predictions = predictor.predict(rows)
    assert len(predictions) == 3
    weights = [len(features[i]["input_ids"]) for i in windows]
    merged = np.average([arrays[i] for i in windows], axis=0, weights=weights)
    assert predictions[1]["label"] == bundle.task.labels[int(merged.argmax())]  # type: ignore[attr-defined]


def test_stream_takes_no_more_than_it_gives(bundle: Bundle) -> None:
    taken = 0

    def endless() -> Iterator[dict[str, str]]:
        nonlocal taken
        while True:
            taken += 1
            yield {"text": "好" if taken % 2 else "bad"}

    answers = bundle.predictor().predict_iter(endless(), chunk=4)
    first = [next(answers) for _ in range(9)]
    assert taken == 12
    assert first[0]["label"] == first[8]["label"] == bundle.predict("好")[0]["label"]


def test_progress_counts_features(bundle: Bundle) -> None:
    seen: list[tuple[int, int]] = []
    bundle.predictor(batch_size=2).predict([{"text": "a"}] * 5, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_a_model_in_training_goes_on_training(model: Any, processor: Any, task: Any) -> None:
    import torch

    model.train()
    model.bert.embeddings.eval()
    try:
        modes = [module.training for module in model.modules()]
        predictor = Predictor(task, processor, TorchRuntime(model), max_length=16)
        assert predictor.predict([{"text": "good"}]) == predictor.predict([{"text": "good"}])
        assert [module.training for module in model.modules()] == modes
        loss = model(input_ids=torch.tensor([[1, 2]]), labels=torch.tensor([0])).loss
        loss.backward()
    finally:
        model.zero_grad()
        model.eval()


def test_torch_keeps_to_a_containers_limit(bundle: Bundle, monkeypatch: Any) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        for cores in (4, 2):
            monkeypatch.setattr("tunesmith.core.runtime.cores", lambda found=cores: found)
            TorchRuntime.open(bundle)
            assert torch.get_num_threads() == min(3, cores)
    finally:
        torch.set_num_threads(before)


def test_runtime_gives_float32_also_from_bf16(model: Any) -> None:
    import torch

    batch = {"input_ids": torch.tensor([[1, 2, 3]]), "attention_mask": torch.ones(1, 3, dtype=torch.long)}
    exact = TorchRuntime(model).forward(batch)["logits"]
    rough = TorchRuntime(model, precision="bf16").forward(batch)["logits"]
    assert exact.dtype == rough.dtype == np.float32
    assert exact.shape == (1, 3)
    assert not np.array_equal(exact, rough)
    np.testing.assert_allclose(exact, rough, atol=0.5)


def test_runtime_generates() -> None:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    shape = {"vocab_size": 20, "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 16}
    model = GPT2LMHeadModel(GPT2Config(**shape, bos_token_id=1, eos_token_id=2)).eval()
    ids = torch.tensor([[3, 4], [5, 6]])
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    runtime = TorchRuntime(model)
    made = runtime.generate(batch, Decoding(max_new_tokens=3))
    wanted = model.generate(**batch, max_new_tokens=3, do_sample=False, pad_token_id=0)
    assert [list(one) for one in made] == [list(one[2:]) for one in wanted]
    drawn = [list(runtime.generate(batch, Decoding(temperature=1.0, max_new_tokens=8, seed=s))[0]) for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_same_prompts_have_other_texts_in_every_batch(tmp_path: Any) -> None:
    from tunesmith import testing
    from tunesmith.models.build import build
    from tunesmith.models.load import load_processor
    from tunesmith.models.reference import resolve
    from tunesmith.tasks.dialogue import Dialogue

    task = Dialogue(temperature=1.5, max_new_tokens=8)
    reference = resolve(str(testing.tiny_llama(tmp_path / "m", texts=["How is it? 怎么样？"])))
    task.restore(task.learn(testing.toy_talks("zh", 4)))
    processor = task.adapt(load_processor(reference))
    predictor = Predictor(task, processor, TorchRuntime(build(reference, task).eval()), max_length=64, batch_size=1)
    rows = [{"messages": [{"role": "user", "content": "怎么样？"}]}] * 8
    texts = [one["text"] for one in predictor.predict(rows)]
    assert len(set(texts)) > 6 and texts == [one["text"] for one in predictor.predict(rows)]
    assert [one["text"] for one in predictor.predict_iter(rows, chunk=3)] == texts, "also where a file is read in parts"


def test_runtime_scores_labels() -> None:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    shape = {"vocab_size": 20, "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 16}
    model = GPT2LMHeadModel(GPT2Config(**shape, bos_token_id=1, eos_token_id=2)).eval()
    ids, labels = torch.tensor([[3, 4, 7], [5, 6, 8]]), torch.tensor([[-100, 4, 7], [-100, -100, 8]])
    scores = TorchRuntime(model).score({"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels})
    with torch.no_grad():
        loss = float(model(input_ids=ids, labels=labels).loss)
    assert [len(one) for one in scores] == [2, 1]
    assert np.isclose(-np.concatenate(scores).mean(), loss, atol=1e-5)


def test_weights_that_lack_the_head_are_refused(bundle: Bundle, tmp_path: Any, manifest: Any, processor: Any) -> None:
    from transformers import BertModel

    from tunesmith.bundle.read import read_bundle
    from tunesmith.bundle.write import write_bundle, write_model

    headless = BertModel(bundle.predictor().runtime.model.config)  # type: ignore[attr-defined]
    write_bundle(tmp_path / "b", fill=lambda folder: write_model(folder, headless, processor), manifest=manifest)
    with pytest.raises(BundleError, match="lack classifier"):
        read_bundle(tmp_path / "b").predict("good")


def test_mean_pooling_is_read_back(model: Any, processor: Any, task: Any, manifest: Any, tmp_path: Any) -> None:
    """The bundle of a shortened model is plain: transformers gives its answers, and so does the reloaded one."""
    from copy import deepcopy

    from transformers import pipeline

    from tunesmith.bundle.read import read_bundle
    from tunesmith.bundle.write import write_bundle, write_model
    from tunesmith.models.heads import mean

    pooled = deepcopy(model)
    mean.append(pooled)
    mean.shorten(pooled)
    text = "the film was good and bad"
    before = Predictor(task, processor, TorchRuntime(pooled), max_length=16).predict([{"text": text}])[0]
    write_bundle(tmp_path / "b", fill=lambda folder: write_model(folder, pooled, processor), manifest=manifest)
    after = read_bundle(tmp_path / "b").predict(text)[0]
    theirs = pipeline("text-classification", model=str(tmp_path / "b"), device="cpu")(text)[0]
    assert before["score"] == pytest.approx(after["score"], abs=1e-5)
    assert theirs["score"] == pytest.approx(after["score"], abs=1e-4)
