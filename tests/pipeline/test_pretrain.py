from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith import testing
from tunesmith.bundle.parity import compare
from tunesmith.bundle.read import read_bundle
from tunesmith.core.errors import DataError, RecipeError, TrainingError, TunesmithError
from tunesmith.pipeline.plan import as_recipe, plan
from tunesmith.pipeline.pretrain import pretrain
from tunesmith.pipeline.pretrain_plan import as_pretrain_recipe, plan_pretraining
from tunesmith.pipeline.run import run
from tunesmith.training.resume import Resumable

QUICK = ["training.precision=fp32", "training.threads=1", "training.trackers=[]", "training.learning_rate=3e-3"]
QUICK += ["model.max_length=32", "evaluation.resamples=100"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrain")
    texts = []
    for language in ("en", "zh"):
        own = testing.toy_documents(language, 60)
        texts += own
        with gzip.open(folder / f"{language}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(
                json.dumps({"id": i, "text": text}, ensure_ascii=False) + "\n" for i, text in enumerate(own)
            )
        with (folder / f"{language}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["text", "label"])
            writer.writeheader()
            writer.writerows(testing.toy_rows(language, 40))
    (folder / "lines.txt").write_text("\n".join(texts[:60]), "utf-8")
    testing.tiny_bert(folder / "bert", texts=texts)
    return folder


@pytest.fixture(autouse=True)
def proof(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh process takes seconds: one test waits for it, and for all others it would say the same."""
    if "tuned_from[en]" not in request.node.name:
        for module in ("pretrain_save", "save"):
            monkeypatch.setattr(
                f"tunesmith.pipeline.{module}.prove_reload", lambda *_, **__: compare("reload", [], [], [], [])
            )


def made(place: Path, corpus: str, name: str, *settings: str, fresh: bool = False) -> Any:
    recipe = as_pretrain_recipe(str(place / corpus), [f"bundle={place / 'out' / name}", *settings, *QUICK])
    return pretrain(plan_pretraining(recipe), fresh=fresh)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_corpus_becomes_a_model_that_is_tuned_from(language: str, place: Path) -> None:
    from transformers import AutoModel, AutoModelForMaskedLM

    bundle = made(place, f"{language}.jsonl.gz", language, f"model={place / 'bert'}", "training.epochs=4",
                  "vocabulary.add=5", "vocabulary.least=5")  # fmt: skip
    report = bundle.report
    after, before = (side["perplexity"]["value"] for side in (report["metrics"], report["before"]["metrics"]))
    assert after < 0.9 * before
    assert report["parity"][0]["passed"] and report["context"]["tokens"]["train"] > 1000
    data, best = bundle.manifest.data, report["context"]["training"]["best_step"]
    assert data["validation"]["sha256"] != data["test"]["sha256"]
    chosen = next(one["validation"] for one in report["history"] if one["step"] == best and "validation" in one)
    assert chosen["perplexity"] != after, "what the weights are chosen by is not what is reported"
    masked = AutoModelForMaskedLM.from_pretrained(bundle.path)
    assert masked.get_input_embeddings().weight is masked.get_output_embeddings().weight
    _, found = AutoModel.from_pretrained(bundle.path, output_loading_info=True)
    assert not found["missing_keys"], "a pooler that was there is there"
    tuned = run(
        plan(
            as_recipe(
                str(place / f"{language}.csv"),
                [f"model={bundle.path}", f"bundle={place / 'out' / ('tuned-' + language)}", "training.max_steps=2",
                 "training.threads=1", "training.trackers=[]"],
            )
        )
    )  # fmt: skip
    assert tuned.manifest.lineage.base_model == str(bundle.path)


def test_the_gain_is_measured_by_the_same_command(place: Path) -> None:
    bundle = made(
        place, "en.jsonl.gz", "gain", f"model={place / 'bert'}", "training.max_steps=2",
        f"downstream={place / 'en.csv'}",
        "downstream.labels=[8,16]", "downstream.seeds=2", "downstream.training.max_steps=2",
        "downstream.training.threads=1",
    )  # fmt: skip
    found = bundle.report["downstream"]
    assert [one["labels"] for one in found["gains"]] == [8, 16] and len(found["runs"]) == 4
    assert all(one["seeds"] == 2 and one["metric"] == "macro_f1" for one in found["gains"])
    assert not any("downstream" in note for note in bundle.report["data_notes"])
    one = found["gains"][0]
    assert one["gain"] == pytest.approx(one["after"] - one["before"])


def test_a_gain_that_cannot_be_measured_is_refused_before_anything_is_learned(place: Path) -> None:
    def refused(*settings: str) -> str:
        with pytest.raises(TunesmithError) as caught:
            base = [f"model={place / 'bert'}", f"downstream={place / 'en.csv'}", *settings]
            plan_pretraining(as_pretrain_recipe(str(place / "en.jsonl.gz"), base))
        return str(caught.value)

    assert "asks for 1,000 training rows, and there are" in refused("downstream.labels=[8,1000]")
    assert "downstream, with 1 labels: A classifier needs at least two classes" in refused("downstream.labels=1")
    assert "nowhere.csv" in refused("downstream.data.path=nowhere.csv")
    assert "stars" in refused("downstream.data.label=stars")
    assert "downstream.model" in refused("downstream.model.revision=main")


def test_the_gain_is_measured_from_the_model_that_was_pretrained(place: Path) -> None:
    from types import SimpleNamespace

    from tunesmith.pipeline.downstream import model_before

    settings = [f"model.name={place / 'bert'}", "model.pooling=cls", f"downstream={place / 'en.csv'}"]
    made = plan_pretraining(as_pretrain_recipe(str(place / "en.jsonl.gz"), settings))
    assert made.downstream is not None and made.downstream.model.pooling == "cls"
    made.recipe.model.revision = "abc"
    block: Any = model_before(SimpleNamespace(plan=made, reference=made.reference))  # type: ignore[arg-type]
    assert (block.name, block.revision) == (str(place / "bert"), "abc")


@pytest.mark.parametrize("objective", ["next-clause", "sentence-order"])
def test_an_objective_that_finds_nothing_to_ask_says_so(objective: str, place: Path) -> None:
    (place / "single.txt").write_text("\n".join(f"the room was clean {i}" for i in range(60)), "utf-8")
    with pytest.raises(DataError, match=f"{objective} finds nothing to ask in the corpus: documents of one"):
        made(place, "single.txt", objective, f"model={place / 'bert'}", f"objective={objective}")


def test_what_of_a_corpus_was_not_read_is_told_and_kept(place: Path, tmp_path: Path) -> None:
    texts = testing.toy_documents("en", 40)
    rows = [json.dumps({"text": f"{text} \u2603 \u2604"}) for text in texts]
    (tmp_path / "a.jsonl").write_text("\n".join([*rows[:20], '{"text": "cut', *rows[20:]]), "utf-8")
    (tmp_path / "a-test.jsonl").write_text(rows[0], "utf-8")
    settings = [f"model={place / 'bert'}", "training.max_steps=1", "data.hold=0.2"]
    bundle = made(place, str(tmp_path), "broken", *settings)
    notes = " ".join(bundle.report["data_notes"])
    assert "a-test.jsonl left out" in notes and "1 broken lines" in notes, notes
    assert "tokens of the corpus are unknown" in notes, notes
    assert '{""text"": ""cut' in (bundle.path / "broken_rows.csv").read_text("utf-8")
    (tmp_path / "a.jsonl").write_text("\n".join([*rows[:30], *['{"text": "cut'] * 20]), "utf-8")
    for _ in range(2):  # the same command does not learn what it refused
        with pytest.raises(DataError, match="20 of 50 rows are broken"):
            made(place, str(tmp_path), "most", *settings)


def test_lines_of_a_few_words_are_learned_and_what_is_not_is_told(place: Path) -> None:
    lines = [" ".join(row["text"].split()[:4]) for row in testing.toy_rows("en", 200)]
    long = [" ".join(lines[start : start + 9]) for start in range(0, 180, 9)]
    (place / "short.txt").write_text("\n".join(lines + long), "utf-8")
    bundle = made(place, "short.txt", "short", f"model={place / 'bert'}", "training.epochs=1", "data.hold=0.1")
    report = bundle.report
    assert report["context"]["training"]["steps"] > 1
    assert any("tokens are not learned" in note for note in report["data_notes"]), report["data_notes"]


def test_a_killed_run_has_the_same_curve(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = [
        f"model={place / 'bert'}",
        "training.epochs=2",
        "training.checkpoint_seconds=0",
        "training.batch_size=4",
    ]
    whole = made(place, "lines.txt", "whole", *settings)

    class Killed(BaseException):
        pass

    write = Resumable.write

    def dies(self: Resumable, progress: Any, *rest: Any) -> None:
        write(self, progress, *rest)
        if self.folder.name != "head" and progress.step == 7:
            raise Killed

    monkeypatch.setattr(Resumable, "write", dies)
    with pytest.raises(Killed):
        made(place, "lines.txt", "killed", *settings)
    monkeypatch.setattr(Resumable, "write", write)
    again = made(place, "lines.txt", "killed", *settings)
    assert again.report["context"]["training"]["resumed_at"] == 7
    assert again.report["history"] == whole.report["history"]
    assert again.report["metrics"] == whole.report["metrics"]


def test_another_model_or_test_file_is_another_run(place: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(place / "bert", tmp_path / "model")
    (tmp_path / "test.txt").write_text("a room\nanother room", "utf-8")

    def identity() -> dict[str, Any]:
        settings = [f"model={tmp_path / 'model'}", f"data.test={tmp_path / 'test.txt'}"]
        return plan_pretraining(as_pretrain_recipe(str(place / "lines.txt"), settings)).identity

    found = [identity(), identity()]
    config = json.loads((tmp_path / "model" / "config.json").read_text("utf-8"))
    (tmp_path / "model" / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 1e-5}), "utf-8")
    found.append(identity())
    (tmp_path / "test.txt").write_text("a room\nquite another room", "utf-8")
    found.append(identity())
    assert found[0] == found[1] and found[1] != found[2] != found[3]


@pytest.mark.parametrize("objective", ["masked-lm", "causal-lm", "denoising"])
def test_a_model_is_made_anew(objective: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tunesmith.models import scratch

    monkeypatch.setattr(scratch, "SIZES", {"tiny": (2, 32, 2)})
    bundle = made(
        place, "zh.jsonl.gz", f"anew-{objective}", f"objective={objective}", "scratch=tiny", "scratch.vocabulary=300",
        "training.epochs=60", "training.max_steps=90", "data.hold=0.2",
    )  # fmt: skip
    report = bundle.report
    assert report["metrics"]["perplexity"]["value"] < 0.7 * report["before"]["metrics"]["perplexity"]["value"]
    assert read_bundle(bundle.path).predict(["房间很干净"])[0]["tokens"] > 0


def test_all_dropout_is_taken_away_and_put_back(place: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSeq2SeqLM

    from tunesmith.pipeline.pretrain import without_dropout

    model = AutoModelForSeq2SeqLM.from_pretrained(testing.tiny_t5(tmp_path / "t5", texts=["a room"] * 20))
    attention = model.encoder.block[0].layer[0].SelfAttention
    attention.dropout = 0.1
    with without_dropout(model):
        assert attention.dropout == 0.0 and model.encoder.dropout.p == 0.0
    assert attention.dropout == 0.1


def test_a_full_memory_is_told_by_what_pretraining_reads(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tunesmith.pipeline.pretrain import Pretraining

    def full(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(Pretraining, "go", full)
    with pytest.raises(TrainingError, match="batch_size") as caught:
        made(place, "lines.txt", "full", f"model={place / 'bert'}")
    assert "gradient_checkpointing" not in str(caught.value)


def test_a_new_head_learns_for_the_steps_that_it_was_given(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tunesmith.pipeline import pretrain as module

    found: list[int] = []
    train = module.train

    def watched(*args: Any, **named: Any) -> Any:
        trained = train(*args, **named)
        found.append(trained.steps)
        return trained

    monkeypatch.setattr(module, "train", watched)
    monkeypatch.setattr(module.Pretraining, "_fresh_head", lambda self: True)
    settings = ["head_steps=9", "training.batch_size=8", "training.epochs=0.5"]
    mixed = "objective={name: mixed, parts: {masked-lm: 1, sentence-order: 1}}"
    bundle = made(place, "lines.txt", "head", f"model={place / 'bert'}", mixed, *settings)
    assert found[0] == 9
    assert any("sentence-order is new" in note for note in bundle.report["data_notes"])


def test_an_objective_that_lives_of_dropout_keeps_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tunesmith.models import scratch
    from tunesmith.pipeline import pretrain as module

    monkeypatch.setattr(scratch, "SIZES", {"tiny": (2, 32, 2)})
    monkeypatch.setattr(module, "without_dropout", lambda model: pytest.fail("SimCSE without dropout"))
    bundle = made(
        place, "en.jsonl.gz", "mixed", "objective=mixed", "scratch=tiny", "scratch.vocabulary=300",
        "training.max_steps=2", "data.hold=0.2",
    )  # fmt: skip
    report = bundle.report
    assert set(report["parts"]) == {"masked-lm", "simcse"}
    assert all(set(sides) == {"before", "after"} for sides in report["parts"].values())
    assert report["context"]["tokens"]["seen"] < 10**6


def test_mistakes_are_found_before_anything_is_loaded(place: Path) -> None:
    def refused(*settings: str) -> str:
        with pytest.raises(RecipeError) as caught:
            plan_pretraining(as_pretrain_recipe(str(place / "en.jsonl.gz"), list(settings)))
        return str(caught.value)

    assert "ratio" in refused("objective.name=masked-lm", "objective.ratio=2")
    assert "units" in refused("objective.units=word")
    assert "masked-lm" in refused("objective=mask-lm")
    assert "data.holds" in refused("data.holds=2") or "holds" in refused("data.holds=2")
    assert "scratch" in refused("scratch=small", "model=minilm")
    assert "downstream" in refused("downstream.data=a.csv", "downstream.model=minilm")
    unread = refused(
        "training.strategies=[fgm]", "training.gradient_checkpointing=true", "evaluation.checks=[calibration]",
        "evaluation.gate.perplexity=<= 3", "evaluation.calibrate=true", "evaluation.baselines=false",
    )  # fmt: skip
    assert "training.strategies, training.gradient_checkpointing, evaluation.baselines, evaluation.checks" in unread
    assert "evaluation.gate, evaluation.calibrate" in unread and "downstream.training.strategies" in unread
    usual = ["training.strategies=[]", "evaluation.baselines=true", "evaluation.gate={}"]
    assert "does not read" not in refused(*usual, "scratch=small", "model=minilm")
    assert "mixes" in refused("objective={name: mixed, parts: {masked-lm: 1, causal-lm: 1}}")
