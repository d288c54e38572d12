"""Baselines that answer as their task does: relations and roles."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.data.words_in_text import joined
from tunesmith.evaluation.baselines.marked_tfidf import MarkedTfidf, with_signs, with_words
from tunesmith.evaluation.baselines.role_words import RoleWords, word_features
from tunesmith.evaluation.baselines.seen_relations import SeenRelations
from tunesmith.tasks.entities_and_relations import EntitiesAndRelations
from tunesmith.tasks.relation_extraction import RelationExtraction
from tunesmith.tasks.semantic_roles import SemanticRoles

NAMES = {
    "en": ["Anna", "Benno", "Cleo", "Dora", "Emil"],
    "zh": ["东方航空", "上海银行", "大众公司", "北京银行", "华为"],
}


def relations(language: str) -> list[dict[str, Any]]:
    rows = []
    for i in range(40):
        one, other = NAMES[language][i % 5], NAMES[language][(i + 1 + i // 20) % 5]
        middle = {"en": [" bought ", " was sold to "], "zh": ["收购了", "被卖给了"]}[language][i % 2]
        text, start = f"{one}{middle}{other}", len(one + middle)
        head, tail = {"start": 0, "end": len(one)}, {"start": start, "end": len(text)}
        rows.append({"text": text, "head": head, "tail": tail, "label": "ab"[i % 2]})
    return rows


def roles(language: str) -> list[dict[str, Any]]:
    rows = []
    for i in range(40):
        one, other = NAMES[language][i % 5], NAMES[language][(i + 1 + i // 20) % 5]
        text, words = joined([one, {"en": "meets", "zh": "遇见"}[language], other])
        found = [{"start": words[k][0], "end": words[k][1], "label": f"A{k // 2}"} for k in (0, 2)]
        predicate = {"start": words[1][0], "end": words[1][1]}
        rows.append({"text": text, "words": words, "predicate": predicate, "roles": found})
    return rows


@pytest.mark.parametrize("language", ["en", "zh"])
def test_relations_by_the_marked_text(language: str) -> None:
    rows = relations(language)
    task = RelationExtraction()
    task.learn(rows)
    baseline = MarkedTfidf(task, language)
    baseline.fit(rows[:30])
    answers = baseline.predict(rows[30:])
    assert task.evidence(rows[30:], answers)["hit"].mean() > 0.9
    task.response_model().model_validate({**answers[0], "scores": {}})


def test_marks_of_the_text() -> None:
    row = {"text": "上海东汐和东汐", "head": {"start": 2, "end": 4}, "tail": {"start": 0, "end": 4}}
    assert with_signs(row).split() == ["东汐", "上海东汐", "②②", "①①", "和东汐"]
    apart = {"text": "Ann met Bob", "head": {"start": 8, "end": 11}, "tail": {"start": 0, "end": 3}}
    assert with_words(apart).split() == ["e2open", "Ann", "e2close", "met", "e1open", "Bob", "e1close"]
    assert with_signs(apart).split() == ["Bob", "Ann", "②②", "met", "①①"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_roles_by_words_and_places(language: str) -> None:
    rows = roles(language)
    task = SemanticRoles()
    task.learn(rows)
    baseline = RoleWords(task, language)
    baseline.fit(rows[:30])
    answers = baseline.predict(rows[30:])
    assert task.evidence(rows[30:], answers)["hit"].all()
    task.response_model().model_validate(answers[0])
    assert len(list(word_features(rows[0]))) == 3


@pytest.mark.parametrize("language", ["en", "zh"])
def test_relations_of_names_that_were_seen_together(language: str) -> None:
    rows = []
    for row in relations(language):
        spans = [{**row[side], "label": "company"} for side in ("head", "tail")]
        rows.append({"text": row["text"], "spans": spans, "relations": [{"head": 0, "tail": 1, "label": "owns"}]})
    task = EntitiesAndRelations()
    task.learn(rows)
    baseline = SeenRelations(task, language)
    baseline.fit(rows)
    answers = baseline.predict(rows)
    assert task.evidence(rows, answers)["hit"].all()
    task.response_model().model_validate(answers[0])
    assert baseline.predict([{"text": "!"}]) == [{"spans": [], "relations": [], "score": 1.0}]
