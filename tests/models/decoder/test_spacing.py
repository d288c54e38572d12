"""Chinese that BERT's tokenizer wrote is read as people write it, and ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import ModelError
from tunesmith.core.registry import family
from tunesmith.models.decoder.pieces import Pieces
from tunesmith.tasks.asking import with_template
from tunesmith.tasks.writing import Reader
from tunesmith.testing.tokenizers import wordpiece

TEXTS = ["房间很好，wifi is 快。", "the staff was 很 kind", "wonderful"]


def bert(**tokens: str) -> Any:
    from transformers import PreTrainedTokenizerFast

    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=wordpiece([*TEXTS, "wonder ful"], 400), unk_token="[UNK]", pad_token="[PAD]", **tokens)


@pytest.mark.parametrize("text", TEXTS)
def test_no_blanks_are_written_beside_chinese_characters(text: str) -> None:
    tokenizer = bert(sep_token="[SEP]")
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    pieces = Pieces(tokenizer)
    streamed = "".join([*(pieces.add(token) for token in ids), pieces.end()])
    wanted = text.replace(" 快", "快").replace(" 很 ", "很")
    assert streamed == Reader(tokenizer)(ids) == wanted


def test_a_target_ends_where_one_was_learned_to() -> None:
    task: Any = family("tasks").make("translation", {})
    rows = [{"text": "the staff was kind", "target": "房间很好。"}] * 3
    task.learn(rows)
    tokenizer = task.adapt(bert(sep_token="[SEP]", cls_token="[CLS]"))
    (feature, *_) = task.encode(rows, tokenizer, max_length=32, targets=True)
    assert feature["target"][-1] == tokenizer.sep_token_id and task.decoding.ends == (tokenizer.sep_token_id,)
    (made, *_) = task.decode([np.array(feature["target"])], [feature])
    assert made["text"] == "房间很好。" and made["finish"] == "stop"


def test_answers_of_a_model_without_a_template_end_or_it_is_refused() -> None:
    with pytest.raises(ModelError, match="never end"):
        with_template(bert())
    task: Any = family("tasks").make("controlled-generation", {})
    rows = [{"control": ["kind"], "text": "房间很好。"}] * 3
    task.learn(rows)
    tokenizer = task.adapt(bert(sep_token="[SEP]", cls_token="[CLS]"))
    (feature, *_) = task.encode(rows, tokenizer, max_length=64, targets=True)
    assert feature["target"][-1] == tokenizer.sep_token_id in feature["ends"]


def test_models_that_are_told_languages_by_tokens_are_refused() -> None:
    task: Any = family("tasks").make("translation", {})
    task.learn([{"text": "kind", "target": "好"}])
    tokenizer = bert(sep_token="[SEP]")
    tokenizer.src_lang = "en_XX"
    with pytest.raises(ModelError, match="mBART"):
        task.adapt(tokenizer)
