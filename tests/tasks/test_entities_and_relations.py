"""Entities and relations: windows and pairs, what is found in two steps, and what is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tunesmith.models.tensors import tensors
from tunesmith.tasks.entities_and_relations import EntitiesAndRelations
from tunesmith.tasks.marked import marker_ids
from tunesmith.tasks.pairs import MOST_PAIRS, nearest
from tunesmith.tasks.related import NONE


def row(text: str, names: list[str], *relations: tuple[int, int, str]) -> dict[str, Any]:
    spans = [{"start": text.index(n), "end": text.index(n) + len(n), "label": "N"} for n in names]
    return {"text": text, "spans": spans, "relations": [{"head": h, "tail": t, "label": x} for h, t, x in relations]}


def rows() -> list[dict[str, Any]]:
    return [
        row("The room has staff and a bed", ["room", "staff", "bed"], (0, 1, "has"), (0, 2, "has")),
        row("房间里有服务", ["房间", "服务"], (0, 1, "has"), (1, 0, "in")),
        row("Nothing has a staff", ["staff"]),
    ]


def learned() -> EntitiesAndRelations:
    task = EntitiesAndRelations()
    task.learn(rows())
    return task


class Oracle:
    """Logits that say what the truth is: tags by token ids, relations by what stands between the markers."""

    name = "oracle"

    def __init__(self, task: EntitiesAndRelations, processor: Any, names: list[str], relation: Any) -> None:
        self.task, self.markers = task, marker_ids(processor, 4)
        self.names = {tuple(processor(name, add_special_tokens=False)["input_ids"]): name for name in names}
        self.relation = relation
        self.passes = 0

    def forward(self, batch: Any) -> dict[str, np.ndarray]:
        self.passes += 1
        assert "labels" not in batch
        ids = batch["input_ids"]
        tags, kinds = 3, len(self.task.relations)
        logits = np.zeros((*ids.shape, tags + 2 * kinds), dtype=np.float32)
        logits[..., 0] = 1
        for i, line in enumerate(ids.tolist()):
            for name in self.names:
                for k in range(len(line)):
                    if tuple(line[k : k + len(name)]) == name:
                        logits[i, k, 1], logits[i, k + 1 : k + len(name), 2] = 9, 9
            if self.markers[0] in line:
                one, other = (self._between(line, *self.markers[n : n + 2]) for n in (0, 2))
                label = self.task.relations.index(self.relation(one, other))
                for marker, block in ((self.markers[0], 0), (self.markers[2], kinds)):
                    logits[i, line.index(marker), tags + block + label] = 5
        return {"logits": logits}

    def _between(self, line: list[int], one: int, other: int) -> str:
        return self.names[tuple(line[line.index(one) + 1 : line.index(other)])]


def answers(
    task: EntitiesAndRelations, given: list[Any], processor: Any, oracle: Oracle, length: int = 64
) -> list[Any]:
    features = task.encode(given, processor, max_length=length, targets=False)
    return task.decode(task.infer(oracle, task.collate(features, processor)), features)


def test_training_has_a_window_and_its_pairs(bert_processor: Any) -> None:
    task = learned()
    assert task.relations == [NONE, "has", "in"]
    features = task.encode(rows(), bert_processor, max_length=64, targets=True)
    assert [f["row"] for f in features] == [0] * 7 + [1] * 3 + [2]
    pairs = [f for f in features if "pair" in f]
    classes = [[int(n) for n in f["target"][:, 0] if n != -100] for f in pairs]
    heads = [min(one) - 3 for one in classes]
    assert all(max(one) - min(one) == 3 for one in classes), "the same relation at both markers"
    assert heads == [1, 1, 0, 0, 0, 0, 1, 2]
    markers = marker_ids(bert_processor, 4)
    assert all(set(markers) <= set(f["input_ids"].tolist()) for f in pairs)


def test_its_loss_is_that_of_tags_and_of_pairs(bert_processor: Any) -> None:
    task = learned()
    features = task.encode(rows(), bert_processor, max_length=64, targets=True)
    batch = tensors(task.collate(features, bert_processor))

    class Outputs:
        logits = torch.zeros(*batch["input_ids"].shape, 3 + 6)

    assert float(task.loss(Outputs(), batch)) == pytest.approx(np.log(3) + np.log(3))
    only = tensors(task.collate([f for f in features if "pair" not in f], bert_processor))
    Outputs.logits = torch.zeros(*only["input_ids"].shape, 9)
    assert float(task.loss(Outputs(), only)) == pytest.approx(np.log(3))


def test_relations_are_read_of_the_entities_that_were_found(bert_processor: Any) -> None:
    task = learned()
    oracle = Oracle(task, bert_processor, ["room", "staff", "bed", "房间", "服务"],
                    lambda one, other: {"room": "has", "房间": "has", "服务": "in"}.get(one, NONE))  # fmt: skip
    found = answers(task, [{"text": r["text"]} for r in rows()], bert_processor, oracle)
    for answer, wanted in zip(found, rows(), strict=True):
        assert [(s["start"], s["end"]) for s in answer["spans"]] == [(s["start"], s["end"]) for s in wanted["spans"]]
        assert [{k: r[k] for k in ("head", "tail", "label")} for r in answer["relations"]] == wanted["relations"]
    assert oracle.passes == 2, "one pass for the windows, one for all pairs"
    figures = task.evidence(rows(), found)
    assert figures["hit"].all() and figures["relation_counts"].sum(axis=0).tolist() == [3, 1] * 3


def test_a_long_text_has_relations_within_its_windows(bert_processor: Any) -> None:
    task = learned()
    oracle = Oracle(task, bert_processor, ["room", "staff"], lambda one, other: "has" if one == "room" else NONE)
    text = "The room has staff. " + "and it was great " * 7000 + "The room has staff."
    assert len(text) > 100_000
    (answer,) = answers(task, [{"text": text}], bert_processor, oracle, 40)
    assert [text[s["start"] : s["end"]] for s in answer["spans"]] == ["room", "staff"] * 2
    assert [(r["head"], r["tail"], r["label"]) for r in answer["relations"]] == [(0, 1, "has"), (2, 3, "has")]
    features = task.encode([{"text": text}], bert_processor, max_length=40, targets=False)
    assert max(len(f["input_ids"]) for f in features) <= 36, "there is room for markers"


def test_many_entities_are_paired_with_their_neighbours() -> None:
    entities = [(i, i + 1) for i in range(300)]
    pairs = nearest(entities)
    assert len(pairs) == MOST_PAIRS and all(abs(one - other) == 1 for one, other in pairs)


def test_a_relation_counts_with_both_of_its_spans() -> None:
    task = learned()
    truth = rows()[0]
    wrong_span = [{**truth["spans"][0], "label": "M"}, *truth["spans"][1:]]
    answers = [
        {"spans": truth["spans"], "relations": truth["relations"][:1], "score": 1.0},
        {"spans": wrong_span, "relations": truth["relations"], "score": 1.0},
    ]
    found = task.evidence([truth, truth], answers)
    assert found["hit"].tolist() == [False, False]
    assert found["relation_counts"].tolist() == [[1, 0, 2, 0, 1, 0], [0, 0, 2, 0, 2, 0]]
    unseen = {**truth, "relations": [{"head": 0, "tail": 1, "label": "new"}]}
    assert task.evidence([unseen], answers[:1])["relation_counts"].tolist() == [[0, 0, 0, 0, 0, 1, 1, 0, 0]]
