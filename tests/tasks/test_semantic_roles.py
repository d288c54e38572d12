"""Roles: what the model reads of a sentence, how windows are merged, and what is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import DataError
from tunesmith.data.words_in_text import joined
from tunesmith.tasks.marked import marker_ids
from tunesmith.tasks.predicate_windows import pair_frame
from tunesmith.tasks.semantic_roles import UNREAD, SemanticRoles


def sentence(parts: list[str], verb: int, frame: str = "", **roles: Any) -> dict[str, Any]:
    """``roles``: label -> index of a word, or (first, last)."""
    text, words = joined(parts)
    found = []
    for label, place in roles.items():
        first, last = place if isinstance(place, tuple) else (place, place)
        found.append({"start": words[first][0], "end": words[last][1], "label": label})
    predicate = {"start": words[verb][0], "end": words[verb][1], **({"label": frame} if frame else {})}
    return {"text": text, "words": words, "predicate": predicate, "roles": sorted(found, key=lambda r: r["start"])}


def english(frame: str = "") -> dict[str, Any]:
    return sentence(["the", "staff", "liked", "the", "room"], 2, frame, A0=1, A1=4)


def chinese(frame: str = "") -> dict[str, Any]:
    return sentence(["房间", "很", "干净", "，", "服务", "好"], 2, frame, A1=0, AM=1)


def learned(*rows: dict[str, Any]) -> SemanticRoles:
    task = SemanticRoles()
    task.learn(rows or [english(), chinese()])
    return task


def test_tags_are_those_that_rows_have() -> None:
    assert learned().state == {"tags": ["O", "B-A0", "B-A1", "B-AM"], "roles": ["A0", "A1", "AM"], "frames": False}
    spans = learned(sentence(["the", "staff", "liked", "it"], 2, "like.01", A0=(0, 1)))
    assert spans.state == {"tags": ["O", "B-A0", "I-A0"], "roles": ["A0"], "frames": True}
    assert spans.labels == ["A0"]
    with pytest.raises(DataError, match="No training row has a role"):
        learned(sentence(["it", "rains"], 1))


def test_the_predicate_is_marked_and_repeated(processor: Any) -> None:
    task = learned()
    for row in (english(), chinese()):
        (feature,) = task.encode([row], processor, max_length=64, targets=True)
        ids, (one, other) = feature["input_ids"].tolist(), marker_ids(processor, 2)
        assert ids.count(one) == ids.count(other) == 1
        verb = [i for i, word in enumerate(row["words"]) if word[0] == row["predicate"]["start"]][0]
        assert ids[feature["places"][verb] - 1] == one, "the marker stands before the word; its tag is the word's"
        before, between, after = pair_frame(processor)
        end = len(ids) - len(after)
        inner = ids[feature["places"][verb] : ids.index(other)]
        assert ids[:1] == before and ids[end:] == after
        assert ids[end - len(inner) - len(between) : end - len(inner)] == between
        tags = [task.state["tags"][i] for i in feature["target"][feature["places"]]]
        wanted = [next((f"B-{r['label']}" for r in row["roles"] if r["start"] == w[0]), "O") for w in row["words"]]
        assert tags == wanted and (feature["target"] != UNREAD).sum() == len(tags)


def test_a_frame_stands_behind_the_text_where_rows_tell_it(bert_processor: Any) -> None:
    framed = learned(english("great.01"), chinese())
    with_frame, without = framed.encode([english("great.01"), english()], bert_processor, max_length=64, targets=False)
    wanted = bert_processor("great.01", add_special_tokens=False)["input_ids"]
    assert with_frame["input_ids"].tolist()[-1 - len(wanted) : -1] == wanted
    assert without["input_ids"].tolist() != with_frame["input_ids"].tolist()
    assert with_frame["token_type_ids"].tolist()[-2:] == [1, 1] and with_frame["token_type_ids"][0] == 0


def perfect(task: SemanticRoles, features: list[Any], tag_of: Any) -> list[np.ndarray]:
    arrays = []
    for feature in features:
        array = np.zeros((len(feature["input_ids"]), len(task.state["tags"])))
        for word, place in zip(feature["own"], feature["places"], strict=True):
            array[place, task.state["tags"].index(tag_of(word))] = 9
        arrays.append(array)
    return arrays


def test_a_long_text_becomes_windows_that_all_know_the_predicate(processor: Any) -> None:
    task = learned()
    row = sentence(["the", "staff", "liked", "😀", *["the", "room"] * 20_000], 2)
    assert len(row["text"]) > 100_000
    features = task.encode([row], processor, max_length=40, targets=False)
    assert len(features) > 100 and all(len(f["input_ids"]) <= 40 for f in features)
    assert {word for f in features for word in f["own"]} == set(range(len(row["words"])))
    behind = features[0]["input_ids"].tolist()[-4:]
    assert all(f["input_ids"].tolist()[-4:] == behind for f in features)
    (answer,) = task.decode(perfect(task, features, lambda w: "B-A1" if w in (1, 17, 39_999) else "O"), features)
    assert [role["start"] for role in answer["roles"]] == [row["words"][w][0] for w in (1, 17, 39_999)]
    assert answer["roles"][0]["text"] == "staff" and 0 <= answer["score"] <= 1


def test_a_word_in_two_windows_is_read_where_it_is_further_inside(bert_processor: Any) -> None:
    task = learned()
    row = sentence(["the", "room"] * 20, 1)
    features = task.encode([row], bert_processor, max_length=24, targets=False)
    first, second = features[:2]
    shared = sorted(set(first["own"]) & set(second["own"]))
    assert len(shared) >= 2
    arrays = perfect(task, features, lambda w: "O")
    arrays[0][first["places"][-1], task.state["tags"].index("B-A0")] = 99  # the first window's last word
    (answer,) = task.decode(arrays, features)
    assert answer["roles"] == [], "the second window has it further inside"


def test_odd_words_have_a_token(processor: Any) -> None:
    row = sentence(["staff", "\u200b", "liked", "x" * 5000, "好"], 2, A1=3)
    features = learned().encode([row], processor, max_length=64, targets=True)
    assert [word for f in features for word in f["own"]][:5] == [0, 1, 2, 3, 4]


def test_a_role_that_no_training_row_has_is_counted_as_missed() -> None:
    task = learned()
    row = sentence(["the", "staff", "liked", "it"], 2, A0=1, A9=3)
    found = task.evidence([row], [{"roles": [{**row["roles"][0]}], "score": 0.5}])
    hits, support, predicted = np.split(found["class_counts"][0], 3)
    assert (hits.tolist(), support.tolist(), predicted.tolist()) == ([1, 0, 0, 0], [1, 0, 0, 1], [1, 0, 0, 0])
    assert (
        not found["hit"][0] and found["true"][0] == "staff = A0; it = A9" and found["predicted_as"][0] == "staff = A0"
    )


def test_an_unseen_role_teaches_nothing(bert_processor: Any) -> None:
    task = learned()
    row = sentence(["the", "staff", "liked", "it"], 2, A0=1, A9=3)
    (feature,) = task.encode([row], bert_processor, max_length=64, targets=True)
    assert feature["target"][feature["places"]].tolist() == [0, 1, 0, UNREAD]


def test_a_role_counts_only_at_its_place_and_with_its_label() -> None:
    row = english()
    shifted = [{**role, "label": "A1"} for role in row["roles"]]
    found = learned().evidence([row, row], [{"roles": row["roles"], "score": 1}, {"roles": shifted, "score": 1}])
    assert found["hit"].tolist() == [True, False]
    assert np.split(found["class_counts"].sum(axis=0), 3)[0].tolist() == [1, 2, 0]


def test_a_row_may_be_spelled_in_any_way(bert_processor: Any) -> None:
    task = learned()
    spelled = [english(), {"words": ["the", "staff", "liked", "the", "room"], "predicate": 2},
               {"text": "the staff liked the room", "predicate": "liked"}]  # fmt: skip
    one, *others = task.encode(spelled, bert_processor, max_length=64, targets=False)
    assert all(other["input_ids"].tolist() == one["input_ids"].tolist() for other in others)
    with pytest.raises(DataError, match="Row 1: no predicate is given"):
        task.encode([{"text": "the staff liked the room"}], bert_processor, max_length=64, targets=False)
