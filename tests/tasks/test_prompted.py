from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith import testing
from tunesmith.bundle.parity import compare
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import read_bundle
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.core.errors import DataError, ModelError, RecipeError
from tunesmith.core.registry import family
from tunesmith.models.build import build
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve
from tunesmith.pipeline.prompt import PromptOptions, prompt
from tunesmith.tasks.prompted.examples import Retrieval, chosen, in_order, pool_of
from tunesmith.tasks.prompted.prompted import leaning
from tunesmith.tasks.prompted.templates import rendered, templates, words_for

KINDS = {"likelihood": "llama", "cloze": "bert", "entailment": "bert", "similarity": "bert"}
ROWS = {language: testing.toy_rows(language, 40) for language in ("en", "zh")}
WORDS = {"en": ["great", "terrible", "The", "room"], "zh": ["好", "差"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prompted")
    texts = [row["text"] for rows in ROWS.values() for row in rows]
    texts += [
        "Text: Label: Review: Sentiment: It was about. positive negative bad good",
        "文本类别评论情感总之很正面负面好差",
    ]
    for kind in set(KINDS.values()):
        getattr(testing, f"tiny_{kind}")(folder / kind, texts=texts)
    for language, rows in ROWS.items():
        with (folder / f"{language}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["text", "label"])
            writer.writeheader()
            writer.writerows(rows)
    return folder


def entailing(place: Path) -> Path:
    """A tiny classifier of pairs that says entailment."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    folder = place / "nli"
    if not folder.exists():
        names = {0: "contradiction", 1: "entailment", 2: "neutral"}
        config = AutoConfig.from_pretrained(place / "bert", id2label=names, label2id={v: k for k, v in names.items()})
        AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
        load_processor(resolve(str(place / "bert"))).save_pretrained(folder)
    return folder


def alive(way: str, language: str, place: Path, **options: Any) -> tuple[Any, Predictor, Any]:
    task = family("prompts").make(f"prompted-{way}", options)
    task.learn(ROWS[language])
    folder = entailing(place) if way == "entailment" else place / KINDS[way]
    reference = resolve(str(folder))
    torch.manual_seed(1)
    model = build(reference, task)
    processor = load_processor(reference)
    return task, Predictor(task, processor, TorchRuntime(model), max_length=96), model


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("way", list(KINDS))
def test_every_way_answers_alone_as_among_others(way: str, language: str, place: Path) -> None:
    words = {"消极": "差", "积极": "好"} if (way, language) == ("cloze", "zh") else None
    task, predictor, _ = alive(way, language, place, words=words)
    rows = [{"text": row["text"]} for row in ROWS[language][:6]] + [{"text": ROWS[language][0]["text"] * 12}]
    predictions = predictor.predict(rows)
    assert len(predictions) == 7 and all(set(p["scores"]) == set(task.labels) for p in predictions)
    alone = predictor.predict(rows[3:4])[0]
    assert alone["score"] == pytest.approx(predictions[3]["score"], abs=1e-4)
    again = family("prompts").make(task.name)
    again.restore(task.state)
    assert Predictor(again, predictor.processor, predictor.runtime, max_length=96).predict(rows) == predictions


@pytest.mark.parametrize("shots", [0, 3])
def test_all_labels_in_one_pass_are_what_each_is_alone(shots: int, place: Path) -> None:
    task, predictor, model = alive(
        "likelihood", "en", place, shots=shots, words={"negative": "not good", "positive": "great"}
    )
    text = ROWS["en"][0]["text"]
    (feature,) = task.features_of(text, predictor.processor, 512)
    found = predictor.infer([{**feature, "row": 0}])[0]
    for score, option in zip(found, feature["options"], strict=True):
        ids = torch.from_numpy(np.concatenate([feature["input_ids"].astype(np.int64), option]))[None]
        with torch.no_grad():
            likely = model(input_ids=ids).logits[0].log_softmax(-1)
        places = range(ids.shape[1] - len(option), ids.shape[1])
        assert score == pytest.approx(sum(float(likely[p - 1, ids[0, p]]) for p in places), abs=1e-3)


@pytest.mark.parametrize("shots", [0, 2])
def test_a_word_that_begins_another_does_not_always_win(shots: int, place: Path) -> None:
    task, predictor, _ = alive(
        "likelihood", "en", place, shots=shots, words={"negative": "not", "positive": "not good"}
    )
    (feature,) = task.features_of(ROWS["en"][0]["text"], predictor.processor, 512)
    short, long = (option.tolist() for option in feature["options"])
    assert short != long[: len(short)] and short[-1] == long[-1], "both end"
    assert task.sizes(predictor.processor).tolist() == [len(short), len(long)]
    sums = predictor.infer([{**feature, "row": 0}])[0]
    task.ask(average=True)
    assert np.allclose(predictor.infer([{**feature, "row": 0}])[0], sums / [len(short), len(long)])


def test_calibration_takes_away_what_a_prompt_says_of_nothing(place: Path) -> None:
    task, predictor, _ = alive("likelihood", "en", place)
    asked = [f for row in task.free_rows() for f in task.features_of(row["text"], predictor.processor, 96)]
    free = predictor.infer([{**feature, "row": i} for i, feature in enumerate(asked)])
    bias = leaning(np.stack(free))
    assert sum(np.exp(bias)) == pytest.approx(1)
    task.ask(bias=bias)
    shares = [task.answer(scores)["scores"] for scores in free]
    assert np.mean([share["positive"] for share in shares]) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_nearest_examples_share_words(language: str) -> None:
    pool = pool_of(ROWS[language], most=30)
    assert len({label for _, label in pool[:2]}) == 2
    retrieval = Retrieval(pool)
    near = retrieval.nearest(pool[4][0], 3)
    assert pool[4] not in near and len(near) == 3
    assert in_order(near, pool[4][0], "near-last", 1) == near[::-1]
    fixed = [in_order(chosen(retrieval, text, 3, "fixed"), text, "fixed", 1) for text in ("a", "b")]
    assert fixed[0] == fixed[1]


@pytest.mark.parametrize("order", ["near-last", "near-first", "drawn", "fixed"])
def test_what_does_not_fit_loses_its_farthest_examples_and_says_so(order: str, place: Path) -> None:
    task, predictor, _ = alive("likelihood", "en", place, shots=4, order=order)
    text, made = ROWS["en"][0]["text"], predictor.processor
    (whole,) = task.features_of(text, made, 512)
    assert not whole["cut"] and not whole["fewer"]
    near = task.examples_of(text)
    (less,) = task.features_of(text, made, len(whole["input_ids"]) + sum(len(o) + 1 for o in whole["options"]) - 1)
    assert not less["cut"] and less["fewer"] == 1
    assert less["input_ids"].tolist() == task._prompt(text, task.placed(near[:3], text), made)


@pytest.mark.parametrize("way", list(KINDS))
def test_a_text_is_cut_and_never_vanishes(way: str, place: Path) -> None:
    task, predictor, _ = alive(way, "en", place)
    text, made = " ".join(row["text"] for row in ROWS["en"][:12]), predictor.processor
    for window in (64, 65, 66):
        found = task.features_of(text, made, window)
        sizes = [len(f["input_ids"]) + sum(len(o) + 1 for o in f.get("options", ())) for f in found]
        assert max(sizes) <= window and max(sizes) > window - 8 and found[0]["cut"]
        assert not task.features_of("The room", made, window)[0]["cut"]
    if way != "similarity":
        with pytest.raises(RecipeError, match="the window's tokens"):
            task.features_of(text, made, 8)


def test_templates_are_data_and_cannot_run_code() -> None:
    assert rendered("{{ text }}: {{ words | join('、') }}", text="好", words=["一", "二"]) == "好: 一、二"
    for bad in ("{{ nothing }}", "{{ text", "{{ ''.__class__.__mro__ }}"):
        with pytest.raises(RecipeError, match="template"):
            rendered(bad, text="a")
    for way in ("likelihood", "cloze", "entailment", "similarity"):
        for language in ("en", "zh"):
            found = templates(way, language, ["positive", "negative"])
            plain = templates(way, language, ["sports", "politics"])
            assert len(found) > len(plain) >= 1
            for one in found:
                assert rendered(one.text, text="T", words=["w"], word="w", mask="M").strip()


def test_a_gap_is_asked_for_the_word_as_it_stands_there(place: Path, tmp_path: Path) -> None:
    from tokenizers import AddedToken

    texts = [row["text"] for row in ROWS["en"]] + ["It is about food. It is about rooms."] * 20
    made = load_processor(resolve(str(testing.tiny_roberta(tmp_path / "roberta", texts=texts))))
    made.add_special_tokens({"mask_token": AddedToken("<mask>", lstrip=True, special=True)})  # as RoBERTa's own
    vocabulary = made.get_vocab()
    inside = [word[1:] for word in sorted(vocabulary) if word[0] == "\u0120" and len(word) > 3 and word[1:].isalpha()]
    assert len(inside) > 2, "words with the space before them"
    words = dict(zip(("negative", "positive"), inside, strict=False))
    for template, lead in (("{{ text }} It is about {{ mask }}.", "\u0120"), ("{{ text }} It is ({{ mask }}", "")):
        task = family("prompts").make("prompted-cloze", {"template": template, "words": words})
        task.learn(ROWS["en"])
        wanted = [vocabulary.get(f"{lead}{words[label]}") for label in task.labels]
        if None in wanted:
            with pytest.raises(RecipeError, match="not one token"):
                task.features_of("a room", made, 64)
        else:
            assert task.features_of("a room", made, 64)[0]["words"] == wanted


def test_labels_that_say_nothing_need_words() -> None:
    with pytest.raises(RecipeError, match="say nothing"):
        words_for(["0", "1"], "en")
    with pytest.raises(RecipeError, match='"1"'):
        words_for(["0", "1"], "en", {"0": "bad"})
    assert [w.name for w in words_for(["negative", "positive"], "en")] == ["labels", "plain", "strong"]
    assert words_for(["积极", "消极"], "zh")[1].by_label == {"积极": "好", "消极": "差"}


def test_what_does_not_fit_is_said(place: Path) -> None:
    with pytest.raises(RecipeError, match="no examples"):
        family("prompts").make("prompted-similarity", {"shots": 4})
    with pytest.raises(RecipeError, match="not one token"):
        alive("cloze", "en", place, words={"negative": "bad bad", "positive": "good"})[1].predict([{"text": "a"}])
    task = family("prompts").make("prompted-entailment")
    task.learn(ROWS["en"])
    with pytest.raises(ModelError, match="entailment"):
        build(resolve(str(place / "bert")), task)


def test_pairs_are_refused_and_not_read_by_half(place: Path, tmp_path: Path) -> None:
    task, predictor, _ = alive("likelihood", "en", place)
    with pytest.raises(DataError, match="Row 2 is a pair"):
        predictor.predict([{"text": "a"}, {"text": "a", "text_pair": "b"}])
    assert "text_pair" not in task.request_model().model_fields
    rows = [{"premise": row["text"], "hypothesis": f"{row['text']} b", "label": row["label"]} for row in ROWS["en"]]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    settings = [f"model={place / 'llama'}", f"bundle={tmp_path / 'b'}", "training.trackers=[]"]
    settings += ["data.text=premise", "data.text_pair=hypothesis"]
    with pytest.raises(DataError, match="pair of texts"):
        prompt(str(tmp_path / "pairs.jsonl"), settings, PromptOptions("likelihood"))


def test_no_setting_is_ignored(place: Path, tmp_path: Path) -> None:
    def refused(options: PromptOptions, *settings: str) -> str:
        common = [f"model={place / 'bert'}", f"bundle={tmp_path / 'b'}", "training.trackers=[]"]
        with pytest.raises(RecipeError) as caught:
            prompt(str(place / "en.csv"), [*common, *settings], options)
        return str(caught.value)

    def written(text: str) -> str:
        (tmp_path / "own.yaml").write_text(text, "utf-8")
        return str(tmp_path / "own.yaml")

    assert "no examples" in refused(PromptOptions("similarity", (0, 4)))
    assert "no examples" in refused(PromptOptions("cloze", orders=3))
    assert "task.order" in refused(PromptOptions("cloze"), "task.order=fixed")
    assert "task.order" in refused(PromptOptions("likelihood"), "task.order=fixed")
    assert "does not name word" in refused(PromptOptions("similarity"), "task.template=a review")
    assert "does not name mask" in refused(PromptOptions("cloze"), "task.template='{{ text }}'")
    for wrong in ("similarity: [a]", "similarity: {en: a}", "similarity: {en: [a]}", "similarity: {en: [{name: b}]}"):
        assert "own.yaml" in refused(PromptOptions("similarity", templates=written(wrong))), wrong
    whole = written('similarity: {en: [{name: mine, text: "a review"}]}')
    assert "does not name word" in refused(PromptOptions("similarity", templates=whole))
    twice = written('similarity: {en: [{name: a, text: "{{ word }}"}, {name: a, text: "so {{ word }}"}]}')
    assert 'called "a"' in refused(PromptOptions("similarity", templates=twice))
    unread = refused(PromptOptions("similarity"), "method=lora", "training.epochs=3", "training.seed=4")
    assert "does not read training.epochs, method:" in unread
    assert "evaluation.calibrate" in refused(PromptOptions("entailment"), "evaluation.calibrate=true")
    whole = written('similarity: {en: [{name: mine, text: "a review"}]}')
    assert "--templates" in refused(PromptOptions("similarity", templates=whole), "task.template='{{ word }}'")


def test_examples_of_the_recipe_are_tried_and_what_cannot_be_asked_is_told(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.pipeline.save.prove_reload", lambda *_, **__: compare("reload", [], [], [], []))
    settings = [f"bundle={tmp_path / 'b'}", "training.trackers=[]", "training.threads=1", "evaluation.resamples=100"]
    asked = ["task.shots=2", "task.order=drawn", "task.template='{{ text }}'", f"model={place / 'llama'}"]
    bundle = prompt(str(place / "en.csv"), [*settings, *asked], PromptOptions("likelihood", rows=6))
    told = bundle.report["prompts"]["candidates"]
    assert {(one["shots"], one["order"]) for one in told if one["shots"]} == {(2, "drawn")}
    (tmp_path / "own.yaml").write_text(
        'cloze: {en: [{name: fits, text: "{{ text }} {{ mask }}"}, {name: long, text: "' + "room " * 90
        + '{{ text }} {{ mask }}"}]}', "utf-8",
    )  # fmt: skip
    settings[0] = f"bundle={tmp_path / 'c'}"
    words = ["task.words={negative: terrible, positive: great}", f"model={place / 'bert'}", "model.max_length=64"]
    options = PromptOptions("cloze", rows=6, templates=str(tmp_path / "own.yaml"))
    report = prompt(str(place / "en.csv"), [*settings, *words], options).report
    assert list(report["prompts"]["left_out"]) == ["long/given"]
    assert any("long/given was not tried" in note for note in report["data_notes"])


@pytest.mark.parametrize(("way", "language"), [("similarity", "zh"), ("likelihood", "en"), ("cloze", "zh")])
def test_the_verb_chooses_measures_and_saves(
    way: str, language: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way != "likelihood":  # one waits for the fresh process
        monkeypatch.setattr("tunesmith.pipeline.save.prove_reload", lambda *_, **__: compare("reload", [], [], [], []))
    settings = [f"model={place / KINDS[way]}", f"bundle={tmp_path / 'b'}", "training.trackers=[]", "training.threads=1"]
    settings += ["evaluation.resamples=100", "evaluation.checks=[context]"]
    examples: dict[str, Any] = {"shots": (0, 2), "orders": 1} if way == "likelihood" else {}
    settings += ["task.words={negative: bad, positive: not good}"] if way == "likelihood" else []
    options = PromptOptions(way, rows=10, test_all=way != "cloze", **examples)
    bundle = prompt(str(place / f"{language}.csv"), settings, options)
    told = bundle.report["prompts"]
    assert all(set(one) > {"cut", "fewer"} for one in told["candidates"])
    assert len(told["candidates"]) >= 2 and set(told["spread"]) == {"plain", "calibrated"}
    assert any(one["shots"] for one in told["candidates"]) == (way == "likelihood")
    assert any(one["average"] for one in told["candidates"]) == (way == "likelihood"), "sums and means of one pass"
    assert set(bundle.report["baselines"]) == {"majority", "tfidf"} and bundle.report["parity"][0]["passed"]
    assert bundle.report["checks"][0]["name"] == "context"
    again = read_bundle(bundle.path)
    (answer,) = again.predict([ROWS[language][0]["text"]])
    assert answer["label"] in again.task.state["labels"]
    assert again.task.state["shots"] or not again.task.state["pool"], "no training rows without examples"
