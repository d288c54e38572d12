"""Figures of written texts, against sacreBLEU and plain definitions."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.contracts import Metric
from tunesmith.data.word_runs import words
from tunesmith.evaluation.bootstrap import figures
from tunesmith.evaluation.compare import compare
from tunesmith.evaluation.metrics import METRICS
from tunesmith.evaluation.metrics.distinct_2 import Distinct2
from tunesmith.tasks.rouge import longest_common, rouge
from tunesmith.tasks.text_scores import text_evidence

EVERY = ("bleu", "chrf", "rouge1", "rouge2", "rougeL", "distinct_2", "repetition", "length_ratio")
TEXTS = {
    "de": (
        ["Ein Hund rennt am Strand.", "Zwei Kinder essen.", "", "Das ist gut."],
        [["Ein Hund läuft am Strand entlang."], ["Zwei Kinder essen Eis."], ["Ja."], ["Das ist gut."]],
    ),
    "zh": (
        ["一只狗在海滩上跑。", "两个孩子在吃。", "好", "这很好。"],
        [["一只狗沿着海滩跑。"], ["两个孩子在吃冰淇淋。"], ["是的。"], ["这很好。"]],
    ),
}


def value(name: str, evidence: Any) -> float:
    metric: Metric = METRICS.make(name)
    return float(metric(evidence))


@pytest.mark.parametrize("language", ["de", "zh"])
def test_bleu_and_chrf_are_sacrebleus(language: str) -> None:
    from sacrebleu import corpus_bleu, corpus_chrf

    texts, references = TEXTS[language]
    evidence = text_evidence(texts, references, language, EVERY)
    columns = [[row[0] for row in references]]
    tokenizer = "zh" if language == "zh" else "13a"
    assert value("bleu", evidence) == pytest.approx(corpus_bleu(texts, columns, tokenize=tokenizer).score)
    assert value("chrf", evidence) == pytest.approx(corpus_chrf(texts, columns).score)
    assert value("bleu", evidence) > 10


@pytest.mark.parametrize("language", ["zh-CN", "zh_TW", "ZH", "Chinese", "中文", "汉语"])
def test_a_language_is_known_by_its_tag_and_its_names(language: str) -> None:
    texts, references = TEXTS["zh"]
    found, wanted = (value("bleu", text_evidence(texts, references, name, ("bleu",))) for name in (language, "zh"))
    assert found == wanted > 10


def test_several_references() -> None:
    from sacrebleu import corpus_bleu, corpus_chrf

    texts = ["the cat sat on the mat today", "a dog ran"]
    references = [["the cat is on the mat", "a cat sat on the mat today"], ["the dog ran", "dogs ran away"]]
    evidence = text_evidence(texts, references, "en", EVERY)
    columns = [list(column) for column in zip(*references, strict=True)]
    assert value("bleu", evidence) == pytest.approx(corpus_bleu(texts, columns).score)
    assert value("chrf", evidence) == pytest.approx(corpus_chrf(texts, columns).score)
    assert evidence["rouge1"][0] == rouge(texts[0], references[0][1:])[0] > rouge(texts[0], references[0][:1])[0]


def test_rows_of_fewer_references() -> None:
    texts = ["the cat sat", "a dog ran"]
    evidence = text_evidence(texts, [["the cat lay", "the cat sat"], ["a dog ran"]], "en", EVERY)
    assert value("rougeL", evidence) == 1.0
    assert value("chrf", evidence) == pytest.approx(100)


def test_no_order_matches_or_none_is_there() -> None:
    from sacrebleu import corpus_bleu

    for texts, wanted in ((["a b"], ["a c"]), (["a"], ["a"]), ([""], ["a b c d"]), (["x y z w"], ["a b c d"])):
        evidence = text_evidence(texts, [wanted], "en", EVERY)
        assert value("bleu", evidence) == pytest.approx(corpus_bleu(texts, [wanted]).score), texts


def test_rouge_by_hand() -> None:
    found = rouge("police killed the gunman", ["police kill the gunman"])
    assert found == (pytest.approx(0.75), pytest.approx(1 / 3), pytest.approx(0.75))
    assert rouge("gunman the killed police", ["police killed the gunman"])[2] == pytest.approx(0.25)
    assert rouge("北京大学", ["北京的大学"]) == (pytest.approx(8 / 9), pytest.approx(4 / 7), pytest.approx(8 / 9))
    assert rouge("", ["a"]) == (0, 0, 0) == rouge("…", ["!"])


def test_words_of_many_scripts() -> None:
    assert words("Größe 3,5 m — don't_stop") == ["größe", "3", "5", "m", "don", "t", "stop"]
    assert words("東京タワーへ") == list("東京タワーへ")


@given(st.text("abc", max_size=9), st.text("abcd", max_size=9))
def test_longest_common_subsequence(one: str, other: str) -> None:
    def subsequences(text: str) -> set[str]:
        return {"".join(some) for n in range(len(text) + 1) for some in combinations(text, n)}

    assert longest_common(one, other) == max(map(len, subsequences(one) & subsequences(other)))


def test_repetition_length_and_variety() -> None:
    evidence = text_evidence(["a b c d a b c d", "x y"], [["a b c d"], ["x y z w"]], "en", EVERY)
    assert value("repetition", evidence) == pytest.approx(1 / 5)  # abcd bcda cdab dabc abcd
    assert value("length_ratio", evidence) == pytest.approx(10 / 8)
    assert value("distinct_2", evidence) == pytest.approx((4 + 1) / (7 + 1))
    same = text_evidence(["我很好"] * 4, [["他很好"]] * 4, "zh", EVERY)
    assert value("distinct_2", same) == pytest.approx(2 / 8)


def test_distinct_pairs_of_resamples() -> None:
    evidence = text_evidence(["a b c", "a b d", "x y"], [["a"]] * 3, "en", ("distinct_2",))
    counts = np.array([[1.0, 1, 1], [2, 0, 1], [0, 0, 0]])
    found = Distinct2().over(evidence)(counts)
    assert found[:2] == pytest.approx([4 / 5, 3 / 5]) and np.isnan(found[2])


def test_intervals_and_a_value_that_is_neither_high_nor_low() -> None:
    rng = np.random.default_rng(1)
    targets = [[" ".join(rng.choice(list("abcdefgh"), 12))] for _ in range(60)]
    short, long = [t[0][:12] for t in targets], [f"{t[0]} and more" for t in targets]
    evidences = [text_evidence(texts, targets, "en", EVERY) for texts in (short, long)]
    for name, figure in figures(evidences[0], EVERY, resamples=50).items():
        assert name == "distinct_2" or figure.low <= figure.value <= figure.high, name
    # A resample repeats rows, and so has fewer different pairs: all of them lie on one side of the figure.
    alone, pair = figures(evidences[0], ["distinct_2"])["distinct_2"], compare(*evidences, ["distinct_2"])["distinct_2"]
    assert np.isnan(alone.low) and np.isnan(alone.high) and not np.isnan(pair.difference.low)
    found = compare(evidences[0], evidences[1], ["length_ratio"], resamples=200)["length_ratio"]
    assert found.first_value < 1 < found.second_value
    assert found.verdict == "worse", "0.5 is farther from 1 than 1.17 is"
    assert compare(evidences[1], evidences[0], ["length_ratio"], resamples=200)["length_ratio"].verdict == "better"


def test_perplexity() -> None:
    evidence = {"log_likelihood": np.array([-2.0, -4.0]), "target_tokens": np.array([1, 5])}
    assert value("perplexity", evidence) == pytest.approx(np.e)
    unknown = {"log_likelihood": np.array([np.nan]), "target_tokens": np.array([1])}
    assert np.isnan(value("perplexity", unknown))
