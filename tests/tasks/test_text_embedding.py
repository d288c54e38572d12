"""Losses, batches, windows, prefixes, ranks, and that SentenceTransformer gives the same vectors."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from tunesmith import testing
from tunesmith.bundle.answers import headline
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.bundle.write import write_model
from tunesmith.core.errors import DataError, ModelError, RecipeError
from tunesmith.models.build import build
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve
from tunesmith.models.tensors import tensors
from tunesmith.tasks.embedding_losses import cosent, cosine_error, info_nce
from tunesmith.tasks.retrieval import retrieved
from tunesmith.tasks.sentence_transformer import prompts_of
from tunesmith.tasks.text_embedding import TextEmbedding
from tunesmith.tasks.vectors import by_length, groups, pooled
from tunesmith.tasks.vectors import unit as of_length_one

PAIRS = [
    {"text": "where is my parcel 😀", "text_pair": "it left the store today"},
    {"text": "how do I pay", "text_pair": "by card or by bank"},
    {"text": "包裹在哪里", "text_pair": "今天已经发货", "negatives": ["支持退款", "请联系客服"]},
    {"text": "怎么付款", "text_pair": "可以刷卡或者转账"},
]
SCORED = [{"text": "a b c", "text_pair": f"a b {'d ' * i}", "score": float(5 - i)} for i in range(4)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [text for row in PAIRS for text in (row["text"], row["text_pair"])]
    return testing.tiny_bert(tmp_path_factory.mktemp("bert") / "model", texts=[str(text) for text in texts])


def built(folder: Path, task: TextEmbedding) -> tuple[Any, Any]:
    reference = resolve(str(folder))
    torch.manual_seed(1)
    return build(reference, task), load_processor(reference)


def learned(rows: list[dict[str, Any]] = PAIRS, **options: Any) -> TextEmbedding:
    task = TextEmbedding(**options)
    task.learn(rows)
    return task


def unit(seed: int, texts: int, width: int = 5) -> torch.Tensor:
    return normalize(
        torch.randn(texts, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=1
    )


class TestLosses:
    def test_info_nce_is_the_cross_entropy_of_the_own_partner(self) -> None:
        v = unit(0, 6)
        first, second = torch.arange(3), torch.arange(3, 6)
        loss = info_nce(v, first, second, torch.empty((3, 0)).long(), 20.0)
        logits = 20 * v[:3] @ v[3:].T
        by_hand = -torch.log_softmax(logits, dim=1).diagonal().mean()
        assert torch.allclose(loss, by_hand)

    def test_hard_negatives_stand_among_the_candidates(self) -> None:
        v = unit(1, 7)
        first, second = torch.arange(3), torch.arange(3, 6)
        negatives = torch.tensor([[6], [-1], [-1]])
        logits = 20 * v[:3] @ v[3:].T
        assert torch.allclose(
            info_nce(v, first, second, negatives, 20.0), -torch.log_softmax(logits, 1)[:, :3].diagonal().mean()
        )

    def test_a_text_that_is_right_twice_is_no_wrong_answer(self) -> None:
        v = unit(2, 5)
        # The same first text twice, with two partners; and the same partner twice, with two first texts.
        twice = info_nce(v, torch.tensor([0, 0, 1]), torch.tensor([2, 3, 4]), torch.full((3, 1), -1), 20.0)
        logits = 20 * v[[0, 0, 1]] @ v[2:].T
        logits[0, 1] = logits[1, 0] = float("-inf")
        assert torch.allclose(twice, -torch.log_softmax(logits, 1)[range(3), range(3)].mean())
        shared = info_nce(v, torch.tensor([0, 1]), torch.tensor([2, 2]), torch.full((2, 1), -1), 20.0)
        assert float(shared) == 0.0, "one candidate only, and it is right for both"

    def test_a_pair_of_equal_texts_is_finite(self) -> None:
        v = unit(3, 3)
        assert torch.isfinite(info_nce(v, torch.tensor([0, 1]), torch.tensor([0, 2]), torch.full((2, 1), -1), 20.0))

    def test_cosent_knows_only_the_order(self) -> None:
        v = unit(4, 8)
        first, second = torch.arange(4), torch.arange(4, 8)
        cosines = (v[:4] * v[4:]).sum(1)
        right = cosent(v, first, second, cosines, 20.0)
        assert torch.allclose(right, cosent(v, first, second, 100 + 7 * cosines, 20.0))
        assert right < cosent(v, first, second, -cosines, 20.0)
        pairs = [(i, j) for i in range(4) for j in range(4) if cosines[i] < cosines[j]]
        by_hand = torch.log1p(sum(torch.exp(20 * (cosines[i] - cosines[j])) for i, j in pairs))
        assert torch.allclose(right, by_hand)
        assert float(cosent(v, first, second, torch.ones(4), 20.0)) == 0.0

    def test_cosine_error(self) -> None:
        v = unit(5, 4)
        cosines = (v[:2] * v[2:]).sum(1)
        assert float(cosine_error(v, torch.arange(2), torch.arange(2, 4), cosines)) == 0.0


class TestBatches:
    def test_each_text_stands_once_and_rows_point_to_it(self, folder: Path) -> None:
        task = learned()
        model, processor = built(folder, task)
        features = task.encode([*PAIRS, PAIRS[0]], processor, max_length=32, targets=True)
        batch = task.collate(features, processor)
        assert next(iter(batch)) == "labels", "the loop counts rows by the first array"
        assert batch["labels"].shape == (5, 5) and len(batch["input_ids"]) == 10
        assert batch["labels"][0].tolist() == batch["labels"][4].tolist()
        assert (batch["labels"][[0, 1, 3], 3:] == -1).all() and (batch["labels"][2] >= 0).all()
        known = set(task.token_ids(features).tolist())
        assert known >= set(batch["input_ids"][batch["attention_mask"] == 1].tolist())

    def test_parts_of_like_lengths_give_the_loss_of_the_whole(self, folder: Path, monkeypatch: Any) -> None:
        task = learned(both_directions=True)
        model, processor = built(folder, task)
        long = {"text": "how do I pay", "text_pair": "by card or by bank " * 20}
        features = task.encode([*PAIRS, long], processor, max_length=64, targets=True)
        batch = tensors(task.collate(features, processor))
        plain = model.eval()(**{key: value for key, value in batch.items() if key != "labels"})
        assert len(list(by_length(batch))) == 1
        whole = task.loss(plain, batch)
        monkeypatch.setattr(groups, "__defaults__", (1,))
        assert len(list(by_length(batch))) > 2
        assert torch.allclose(task.loss(task.forward(model, batch), batch), whole, atol=1e-5)

    def test_pooling_leaves_padding_out(self) -> None:
        states, mask = torch.arange(12.0).reshape(1, 4, 3), torch.tensor([[1, 1, 0, 0]])
        assert pooled(states, mask, "mean").tolist() == [[1.5, 2.5, 3.5]]
        assert pooled(states, mask, "cls").tolist() == [[0.0, 1.0, 2.0]]
        assert pooled(states.numpy(), mask.numpy(), "mean").tolist() == [[1.5, 2.5, 3.5]]
        assert pooled(states.numpy(), mask.numpy(), "cls").dtype == np.float32

    def test_vectors_are_made_of_length_one_as_torch_does(self) -> None:
        vectors = torch.cat([torch.randn(3, 5, generator=torch.Generator().manual_seed(1)), torch.zeros(1, 5)])
        np.testing.assert_allclose(
            of_length_one(vectors.numpy()), torch.nn.functional.normalize(vectors).numpy(), atol=1e-7
        )


class TestAnswers:
    def test_one_text_has_a_vector_and_two_a_score(self, folder: Path) -> None:
        task = learned()
        model, processor = built(folder, task)
        predictor = Predictor(task, processor, TorchRuntime(model), max_length=32)
        single, other, pair = predictor.predict(
            [{"text": "how do I pay"}, {"text": "怎么付款"}, {"text": "how do I pay", "text_pair": "怎么付款"}]
        )
        assert set(single) == {"vector"} and set(pair) == {"score", "vector", "vector_pair"}
        assert np.linalg.norm(single["vector"]) == pytest.approx(1, abs=1e-6)
        assert pair["score"] == pytest.approx(np.dot(single["vector"], other["vector"]), abs=1e-5)
        scored = learned(SCORED)
        answer = Predictor(scored, processor, TorchRuntime(model), max_length=32).predict([SCORED[0]])[0]
        assert set(answer) == {"score"}

    @pytest.mark.parametrize("decay", [1.0, 0.5])
    def test_a_long_text_is_the_mean_of_its_windows_and_the_first_weighs_most(self, folder: Path, decay: float) -> None:
        task = learned(window_decay=decay)
        model, processor = built(folder, task)
        predictor = Predictor(task, processor, TorchRuntime(model), max_length=16)
        features, arrays = predictor.outputs([{"text": "where is my parcel " * 12}])
        assert len(features) > 2
        weights = [len(feature["input_ids"]) * decay**k for k, feature in enumerate(features)]
        mean = np.average(arrays, axis=0, weights=weights)
        found = task.decode(arrays, features)[0]["vector"]
        assert np.allclose(found, mean / np.linalg.norm(mean), atol=1e-6)

    def test_without_further_windows_a_long_text_is_its_beginning(self, folder: Path) -> None:
        task = learned(window_decay=0)
        model, processor = built(folder, task)
        predictor = Predictor(task, processor, TorchRuntime(model), max_length=16)
        rows = [{"text": "where is my parcel " * 12}, {"text": "where is my parcel " * 4}]
        long, shorter = predictor.predict(rows)
        assert len(predictor.outputs(rows)[0]) == 2 and np.allclose(long["vector"], shorter["vector"], atol=1e-5)

    @pytest.mark.parametrize("text", ["price " * 17_000, "价格" * 50_000])
    def test_a_hundred_thousand_characters_are_answered(self, folder: Path, text: str) -> None:
        task = learned()
        model, processor = built(folder, task)
        predictor = Predictor(task, processor, TorchRuntime(model), max_length=512)
        row = {"text": text, "text_pair": "价格"}
        assert len(task.encode([row], processor, max_length=512, targets=False)) < 12, "later windows weigh nothing"
        answer = predictor.predict([row])[0]
        assert -1 <= answer["score"] <= 1
        features = task.encode([{"text": text, "text_pair": "a"}], processor, max_length=512, targets=True)
        assert len(features) == 1 and len(features[0]["input_ids"]) == 512

    def test_training_rows_are_answered_for_validation(self, folder: Path) -> None:
        task = learned()
        model, processor = built(folder, task)
        predictor = Predictor(task, processor, TorchRuntime(model), max_length=32)
        features = task.encode(PAIRS, processor, max_length=32, targets=True)
        answers = task.decode(predictor.infer(features), features)
        plain = predictor.predict([{k: row[k] for k in ("text", "text_pair")} for row in PAIRS])
        assert np.allclose([a["score"] for a in answers], [p["score"] for p in plain], atol=1e-5)


class TestRanks:
    def vectors(self, cosines: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
        """First and second vectors with these cosines."""
        return np.array(cosines), np.eye(len(cosines[0]))

    def test_place_and_best(self) -> None:
        found = retrieved(list("abc"), list("xyz"), *self.vectors([[0.9, 0.1, 0.2], [0.8, 0.5, 0.6], [0, 0, 1]]), 20)
        assert found.rank.tolist() == [1, 3, 1] and found.best.tolist() == [0, 0, 2]

    def test_the_same_answer_counts_once(self) -> None:
        found = retrieved(list("abc"), ["x", "x", "z"], *self.vectors([[0.1, 0.1, 0.2]] * 3), 20)
        assert found.rank.tolist() == [2, 2, 1]

    def test_another_right_answer_of_the_question_is_not_wrong(self) -> None:
        found = retrieved(list("aac"), list("xyz"), *self.vectors([[0.5, 0.9, 0.1], [0.5, 0.9, 0.1], [0, 0, 1]]), 20)
        assert found.rank.tolist() == [1, 1, 1]

    def test_ties_share_the_middle_place(self) -> None:
        found = retrieved(list("abcde"), list("vwxyz"), np.ones((5, 2)), np.ones((5, 2)), 20)
        assert found.rank.tolist() == [3.0] * 5

    def test_sparse_vectors_give_the_same(self) -> None:
        from scipy.sparse import csr_matrix

        first, second = np.random.default_rng(0).random((2, 6, 4))
        dense = retrieved(list("abcdef"), list("uvwxyz"), first, second, 20)
        sparse = retrieved(list("abcdef"), list("uvwxyz"), csr_matrix(first), csr_matrix(second), 20)
        assert dense.rank.tolist() == sparse.rank.tolist() and dense.best.tolist() == sparse.best.tolist()


class TestLearning:
    def test_the_rows_decide_the_metrics(self) -> None:
        assert learned().metrics[0] == "mrr" and learned(SCORED).metrics == ("spearman", "pearson")
        again = TextEmbedding()
        again.restore(json.loads(json.dumps(learned(SCORED).state)))
        assert again.metrics == ("spearman", "pearson")

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ([{**row, "score": 3} for row in SCORED], "All 4 scores are 3"),
            ([*SCORED, {"text": "a", "text_pair": "b"}], "4 of 5 rows have a score; row 5 has none"),
            ([{"text": f"q{i}", "text_pair": "same"} for i in range(5)], "the same second text"),
            ([], "no rows"),
            ([{"text": "a", "text_pair": ""}], "Row 1: the second text"),
            ([{"text": "a", "text_pair": "b", "score": "x"}], "Row 1: the score is no number"),
            ([{"text": "a"}], "Row 1: there is no second text"),
        ],
    )
    def test_what_cannot_be_learned_is_said(self, rows: list[dict[str, Any]], said: str) -> None:
        with pytest.raises(DataError, match=said):
            TextEmbedding().learn(rows)

    def test_a_loss_that_does_not_fit_the_rows_is_refused(self) -> None:
        with pytest.raises(RecipeError, match="cosent"):
            learned(PAIRS, loss="cosent")
        with pytest.raises(RecipeError, match="info-nce"):
            learned(SCORED, loss="info-nce")

    def test_a_pooling_that_is_not_known_is_refused(self) -> None:
        reference = SimpleNamespace(name="m", hub_id=None, path=".", prefix="", pooling="max")
        with pytest.raises(ModelError, match="max"):
            learned().start_from(reference, "auto")


class TestPrefixes:
    def reference(self, folder: Path, name: str = "m", prefix: str = "") -> Any:
        return SimpleNamespace(name=name, hub_id=None, path=str(folder), prefix=prefix, pooling="mean")

    def test_they_come_from_the_folder_or_the_name(self, tmp_path: Path) -> None:
        both = {"query": "query: ", "passage": "passage: "}
        assert prompts_of("intfloat/multilingual-e5-small", tmp_path) == both
        assert prompts_of("minilm", tmp_path) == {"query": "", "passage": ""}
        settings = {"prompts": {"query": "问：", "document": "答："}}
        (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(settings), "utf-8")
        assert prompts_of("any", tmp_path) == {"query": "问：", "passage": "答："}

    def test_they_stand_before_the_texts_and_in_the_state(self, tmp_path: Path) -> None:
        task = learned()
        task.start_from(self.reference(tmp_path, "e5-small"), "auto")
        assert task._texts(PAIRS[1]) == ["query: how do I pay", "passage: by card or by bank"]
        assert task._texts({"text": "x", "prompt": "passage"}) == ["passage: x"]
        assert json.loads(json.dumps(task.state))["prompts"]["passage"] == "passage: "
        alike = learned(SCORED)
        alike.start_from(self.reference(tmp_path, "e5-small"), "auto")
        assert alike._texts({"text": "x", "text_pair": "y"}) == ["query: x", "query: y"]

    def test_the_recipe_wins(self, tmp_path: Path) -> None:
        for prefixes, wanted in (("none", ""), ({"query": "q: "}, "q: ")):
            task = learned(prefixes=prefixes)
            task.start_from(self.reference(tmp_path, "e5-small"), "auto")
            assert task._texts({"text": "x"}) == [f"{wanted}x"]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("prefixes", ["none", {"query": "ask ", "passage": "say "}])
def test_sentence_transformers_gives_the_same_vectors(
    folder: Path, tmp_path: Path, pooling: Any, prefixes: Any
) -> None:
    library = pytest.importorskip("sentence_transformers")
    task = learned(prefixes=prefixes)
    model = build(resolve(str(folder)), task, pooling=pooling)
    processor = load_processor(resolve(str(folder)))
    write_model(tmp_path, model, processor)
    task.accompany(str(tmp_path), model.config, 32)
    texts = ["where is my parcel 😀", "包裹在哪里", "by card"]
    predictor = Predictor(task, processor, TorchRuntime(model), max_length=32)
    ours = {
        p: [a["vector"] for a in predictor.predict([{"text": t, "prompt": p} for t in texts])]
        for p in ("query", "passage")
    }
    theirs = library.SentenceTransformer(str(tmp_path), device="cpu")
    assert np.allclose(theirs.encode(texts), ours["query"], atol=1e-5)
    assert np.allclose(theirs.encode(texts, prompt_name="passage"), ours["passage"], atol=1e-5)
    assert np.allclose(theirs.encode_document(texts), ours["passage"], atol=1e-5)
    assert theirs.max_seq_length == 32


def test_a_vector_is_shown_by_its_beginning() -> None:
    assert headline({"vector": [0.12345, -1.0, 0.5, 0.25]}) == "0.123, -1.000, 0.500 ... (4 numbers)"
    assert headline({"score": 0.5, "vector": [0.1]}) == "0.5"
