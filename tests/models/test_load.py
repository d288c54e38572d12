"""Tokenizer and configuration of a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers.utils import logging

from tunesmith.core.errors import ModelError
from tunesmith.models.load import load_config, load_processor, quiet
from tunesmith.models.reference import resolve


def test_truncation_and_padding_are_off(bert: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(bert / "tokenizer.json"))
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(bert / "tokenizer.json"))
    processor = load_processor(resolve(str(bert)))
    assert len(processor("好").input_ids) == 3
    assert len(processor("好" * 600).input_ids) == 602
    assert processor.model_max_length == 512
    assert "longer than" not in capfd.readouterr().err


def test_config_takes_changes(bert: Path) -> None:
    config = load_config(resolve(str(bert)), num_labels=3, problem_type="multi_label_classification")
    assert (config.model_type, config.num_labels, config.problem_type) == ("bert", 3, "multi_label_classification")


def test_unknown_type(bert: Path) -> None:
    config = json.loads((bert / "config.json").read_text())
    (bert / "config.json").write_text(json.dumps({**config, "model_type": "nonesuch"}))
    with pytest.raises(ModelError, match="configuration of the model .* cannot be loaded by transformers"):
        load_config(resolve(str(bert)))


def test_no_tokenizer(bert: Path) -> None:
    (bert / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="tokenizer of the model .* cannot be loaded"):
        load_processor(resolve(str(bert)))


def test_quiet_is_undone(bert: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers import AutoModelForSequenceClassification

    level = logging.get_verbosity()
    with quiet():
        AutoModelForSequenceClassification.from_pretrained(bert)
    assert capfd.readouterr().err == ""
    assert logging.get_verbosity() == level and logging.is_progress_bar_enabled()
