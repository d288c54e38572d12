from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith import testing
from tunesmith.models.build import build
from tunesmith.models.load import load_processor
from tunesmith.models.more_words import added_words, with_rows
from tunesmith.models.reference import resolve
from tunesmith.objectives.denoising import Denoising


def test_new_words_start_as_their_pieces_also_where_marks_stand_behind_them(tmp_path: Path) -> None:
    texts = testing.toy_documents("en", 20)
    reference = resolve(str(testing.tiny_t5(tmp_path / "t5", texts=texts)))
    objective, processor = Denoising(), load_processor(reference)
    added = added_words(processor, ["a wonderfulness of unbelievabilities"] * 3, frozenset(), most=2, least=2)
    assert len(added) == 2
    size = len(processor)
    processor = objective.adapt(processor)
    assert len(processor) > size, "marks of spans stand behind the words"
    torch.manual_seed(3)
    model: Any = build(reference, objective)
    before = model.get_input_embeddings().weight.detach().clone()
    with_rows(model, processor, added)
    table = model.get_input_embeddings().weight
    for word, pieces in added.items():
        torch.testing.assert_close(table[processor.get_vocab()[word]], before[pieces].mean(0))
    mark = processor.get_vocab()["<extra_id_63>"]
    torch.testing.assert_close(table[mark], before[mark])


@pytest.mark.parametrize("kind", ["roberta", "t5", "bert"])
def test_new_words_never_make_more_tokens(kind: str, tmp_path: Path) -> None:
    texts = [*testing.toy_documents("en", 40), *["It was a beautiful day."] * 40]
    made: Any = getattr(testing, f"tiny_{kind}")(tmp_path / kind, texts=texts)
    processor = load_processor(resolve(str(made)))
    corpus = [
        *["She saw a beautiful, wonderfulness (unbelievabilities) day."] * 9,
        *["Wonderfulness and unbelievabilities. Wonderfulness!"] * 9,
    ]

    def sizes() -> list[int]:
        return [len(ids) for ids in processor(corpus, add_special_tokens=False)["input_ids"]]

    whole = len(processor("a beautiful", add_special_tokens=False)["input_ids"]) == 2
    before = sizes()
    added = added_words(processor, corpus, frozenset(), most=20, least=2)
    assert all(now <= was for was, now in zip(before, sizes(), strict=True)), (added, before, sizes())
    said = "a wonderfulness day"
    assert processor.decode(processor(said, add_special_tokens=False)["input_ids"]) == said, "with its spaces"
    assert not whole or "beautiful" not in added, "one token behind a space already"
    if kind == "bert":
        assert not {"Wonderfulness", "wonderfulness"} <= set(added), "its normaliser takes them for one"
