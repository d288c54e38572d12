"""Relations: what the model reads of a row, what is answered, and what is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import DataError
from tunesmith.models.tensors import tensors
from tunesmith.tasks.marked import marked, marker_ids, near
from tunesmith.tasks.relation_extraction import SHOWN, RelationExtraction

TEXT = "The room was great, and the staff liked us."


def row(text: str, head: str, tail: str, label: str | None = None, kinds: Any = ()) -> dict[str, Any]:
    places: dict[str, Any] = {}
    for side, name in (("head", head), ("tail", tail)):
        places[side] = {"start": text.index(name), "end": text.index(name) + len(name)}
    for side, kind in dict(kinds).items():
        places[side]["label"] = kind
    return {"text": text, **places, **({"label": label} if label else {})}


def rows() -> list[dict[str, Any]]:
    return [row(TEXT, "room", "staff", "A(e1,e2)"), row("房间很干净，服务也很好", "房间", "服务", "A(e2,e1)"),
            row(TEXT, "staff", "room", "Other")]  # fmt: skip


def learned(given: list[dict[str, Any]] | None = None, **options: Any) -> RelationExtraction:
    task = RelationExtraction(**options)
    task.learn(given or rows())
    return task


def encode(task: RelationExtraction, given: list[Any], processor: Any, length: int = 64) -> list[Any]:
    return task.encode(given, processor, max_length=length, targets=False)


def test_both_entities_stand_between_markers(processor: Any) -> None:
    found = encode(learned(), rows(), processor)
    markers = marker_ids(processor, 4)
    assert len(set(markers)) == 4 and not set(markers) & set(processor.all_special_ids)
    for feature in found:
        ids = feature["input_ids"].tolist()
        assert [ids.count(marker) >= 1 for marker in markers] == [True] * 4
        head, tail = feature["read"]
        assert (ids[head], ids[tail]) == (markers[0], markers[2])
    first, last = found[0], found[2]
    assert first["read"][0] < first["read"][1] and last["read"][0] > last["read"][1], "in the text's order"
    plain = processor("room", add_special_tokens=False)["input_ids"]
    head = first["read"][0]
    assert first["input_ids"][head + 1 : head + 1 + len(plain)].tolist() == plain
    assert first["input_ids"][head + 1 + len(plain)] == markers[1]


def test_markers_follow_from_the_vocabulary(processor: Any) -> None:
    assert marker_ids(processor, 4) == marker_ids(processor, 4) == marker_ids(processor, 6)[:4]
    assert max(marker_ids(processor, 30)) < len(processor)


def test_entities_may_stand_inside_each_other(bert_processor: Any) -> None:
    texts = ["上海东汐很大"]
    outer, inner = {"start": 0, "end": 4}, {"start": 2, "end": 4}
    (one,) = marked(texts, [[inner, outer]], bert_processor)
    markers = marker_ids(bert_processor, 4)
    order = [markers.index(i) for i in one.ids.tolist() if i in markers]
    assert order == [2, 0, 1, 3], "the outer one opens first and closes last"


def test_kinds_of_entities_are_written_where_rows_have_them(bert_processor: Any) -> None:
    typed = [row(TEXT, "room", "staff", "a", {"head": "great"}), row(TEXT, "staff", "room", "b", {"tail": "great"})]
    with_kinds, without = (encode(learned(given), typed, bert_processor) for given in (typed, rows()))
    assert all(len(a["input_ids"]) > len(b["input_ids"]) for a, b in zip(with_kinds, without, strict=True))


def test_a_long_text_is_read_near_its_entities(processor: Any) -> None:
    filler = "the room was great and we liked it " * 3000
    text = f"{filler}Anna {filler}met Ben{filler}"
    assert len(text) > 100_000
    task = learned()
    (feature,) = encode(task, [row(text, "Anna", "Ben")], processor, 32)
    short = encode(task, [row("liked it Anna the room", "Anna", "room")], processor)[0]
    assert len(feature["input_ids"]) == 32
    ids, (head, tail) = feature["input_ids"].tolist(), feature["read"]
    markers = marker_ids(processor, 4)
    assert (ids[head], ids[tail]) == (markers[0], markers[2])
    assert ids[head : head + 3] == short["input_ids"].tolist()[short["read"][0] :][:3]
    assert feature["head"] == {"start": text.index("Anna"), "end": text.index("Anna") + 4, "text": "Anna"}


def test_near_keeps_markers_and_order(bert_processor: Any) -> None:
    entity = {"start": 10, "end": 2000}
    (one,) = marked(["we liked " + "the room " * 400], [[entity, {"start": 2010, "end": 2014}]], bert_processor)
    kept = near(one, marker_ids(bert_processor, 4), 20)
    assert len(kept.ids) == 20 and kept.opened[0] < kept.opened[1]
    assert np.isin(marker_ids(bert_processor, 4), kept.ids).all()


def test_a_row_may_be_spelled_in_any_way(bert_processor: Any) -> None:
    task = learned()
    spelled = [
        {"text": "The <e1>room</e1> was great, and the <e2>staff</e2> liked us."},
        {"text": TEXT, "head": "room", "tail": [28, 33]},
        row(TEXT, "room", "staff"),
    ]
    one, *others = encode(task, spelled, bert_processor)
    for other in others:
        assert other["input_ids"].tolist() == one["input_ids"].tolist() and other["read"] == one["read"]
    with pytest.raises(DataError, match="Row 2: .*no head or no tail"):
        encode(task, [spelled[0], {"text": TEXT}], bert_processor)


def test_logits_are_read_at_both_markers(bert_processor: Any) -> None:
    import torch

    task = learned()
    features = task.encode(rows(), bert_processor, max_length=64, targets=True)
    batch = task.collate(features, bert_processor)
    length = batch["input_ids"].shape[1]
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(3, length, 6, generator=generator)

    class Fixed:
        name = "fixed"

        def forward(self, batch: Any) -> dict[str, np.ndarray]:
            assert "labels" not in batch
            return {"logits": logits.numpy()}

    arrays = task.infer(Fixed(), batch)  # type: ignore[arg-type]
    wanted = [(logits[i, f["read"][0], :3] + logits[i, f["read"][1], 3:]).numpy() for i, f in enumerate(features)]
    assert np.allclose(arrays, wanted)

    class Outputs:
        pass

    outputs: Any = Outputs()
    outputs.logits = logits
    loss = torch.nn.functional.cross_entropy(torch.tensor(np.stack(wanted)), torch.tensor([0, 1, 2]))
    assert torch.allclose(task.loss(outputs, tensors(batch)), loss)


def test_an_answer_tells_both_entities(bert_processor: Any) -> None:
    task = learned()
    features = encode(task, rows()[:1], bert_processor)
    (answer,) = task.decode([np.array([0.0, 3.0, 1.0])], features)
    assert answer["relation"] == "A(e2,e1)" and answer["score"] == max(answer["scores"].values())
    assert answer["head"] == {"start": 4, "end": 8, "text": "room"} and answer["tail"]["text"] == "staff"
    assert sum(answer["scores"].values()) == pytest.approx(1)


def test_ten_thousand_relations(bert_processor: Any) -> None:
    many = [row(TEXT, "room", "staff", f"r{i}") for i in range(10_000)]
    task = learned(many)
    features = task.encode(many[:2], bert_processor, max_length=64, targets=True)
    answers = task.decode([np.eye(10_000)[i] * 9 for i in (0, 1)], features)
    assert [a["relation"] for a in answers] == task.labels[:2] and len(answers[0]["scores"]) == SHOWN


def test_a_relation_that_no_training_row_has(bert_processor: Any) -> None:
    task = learned()
    odd = [row(TEXT, "room", "staff", "A(e1,e3)")]
    with pytest.raises(DataError, match=r'"A\(e1,e3\)" is in no training row. Did you mean'):
        task.encode(odd, bert_processor, max_length=64, targets=True)
    with pytest.raises(DataError, match="in no training row"):
        task.evidence(odd, [{"relation": "Other", "score": 0.5}])


@pytest.mark.parametrize("label", ["Other", "no_relation", "NA", "unknown", "无"])
def test_the_label_that_means_none_is_known(label: str) -> None:
    given = [*rows()[:2], row(TEXT, "staff", "room", label)]
    assert learned(given).state["none"] == label and f'"{label}" is taken' in learned(given).notes[0]
    assert learned(given, none_label=None).state["none"] is None and not learned(given, none_label=None).notes
    assert learned(rows()[:2]).state["none"] is None
    with pytest.raises(DataError, match='none_label is "Othr".* Did you mean "Other"'):
        learned(rows(), none_label="Othr")


def test_relations_that_are_numbered_have_a_0_like_any_other() -> None:
    numbered = [row(TEXT, "staff", "room", label) for label in "012"]
    task = learned(numbered)
    assert task.state["none"] is None and "task.none_label=0" in task.notes[0]
    assert learned(numbered, none_label=0).state["none"] == "0"
    assert learned([*numbered, *rows()[:1]]).state["none"] == "0", "beside words it means none"


def test_one_relation_is_not_learnable() -> None:
    with pytest.raises(DataError, match="At least two relations"):
        learned(rows()[:1])


def test_evidence_counts_rows_relations_and_classes() -> None:
    task = learned()
    given = [{"relation": name, "score": 0.9} for name in ("A(e2,e1)", "A(e2,e1)", "Other")]
    found = task.evidence(rows(), given)
    assert found["hit"].tolist() == [False, True, True]
    assert found["true"].tolist() == ["A(e1,e2)", "A(e2,e1)", "Other"]
    hits, support, predicted = np.split(found["class_counts"].sum(axis=0), 3)
    assert (hits.tolist(), support.tolist(), predicted.tolist()) == ([0, 1, 1], [1, 1, 1], [0, 2, 1])
    assert found["relation_counts"].sum(axis=0).tolist() == [1, 2, 2], "Other is left out, directions are one"
