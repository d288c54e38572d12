"""A tiny random BERT that knows English words and Chinese characters, in a bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunesmith.bundle.layout import Lineage, Manifest, MethodRecord, TaskRecord
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.write import write_bundle, write_model
from tunesmith.core.artefacts import Figure
from tunesmith.core.recipe import Recipe
from tunesmith.tasks.text_classification import TextClassification

TEXTS = [
    "a good film",
    "bad bad bad",
    "the hotel was fine",
    "房间很好",
    "服务太差了",
    "good 好",
    "",
    "the film was good and bad",
]
WORDS = [*("a", "good", "bad", "film", "the", "hotel", "was", "fine", "and", "not", "very"), *"房间很好服务太差了"]
STATE = {"labels": ["bad", "good", "不好"], "counts": [3, 3, 2]}
MAX_LENGTH = 16


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return TEXTS


@pytest.fixture(scope="session")
def processor() -> Any:
    from tokenizers import BertWordPieceTokenizer
    from transformers import PreTrainedTokenizerFast

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: i for i, word in enumerate([*specials, *WORDS])}
    inner = BertWordPieceTokenizer(vocabulary)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=inner._tokenizer, mask_token="[MASK]", **names)


@pytest.fixture(scope="session")
def task() -> TextClassification:
    made = TextClassification()
    made.restore(STATE)
    return made


@pytest.fixture(scope="session")
def model(task: TextClassification) -> Any:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=5 + len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=MAX_LENGTH,
        initializer_range=0.5,
    )
    task.configure(config)
    return BertForSequenceClassification(config).eval()


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    recipe = Recipe.parse({"data": {"path": "reviews.csv", "text": "review"}, "model": "tiny"})
    return Manifest(
        task=TaskRecord("text-classification", {}, STATE),
        method=MethodRecord("full"),
        recipe=recipe.model_dump(),
        lineage=Lineage(base_model="tiny", license="apache-2.0"),
        metrics={"macro_f1": Figure(0.8, 0.7, 0.9)},
        max_length=MAX_LENGTH,
    )


@pytest.fixture(scope="session")
def fill(model: Any, processor: Any) -> Callable[[Path], None]:
    return lambda folder: write_model(folder, model, processor)


@pytest.fixture(scope="session")
def _master(tmp_path_factory: pytest.TempPathFactory, fill: Callable[[Path], None], manifest: Manifest) -> Path:
    place = tmp_path_factory.mktemp("bundles") / "master"
    write_bundle(place, fill=fill, manifest=manifest)
    return place


@pytest.fixture
def folder(_master: Path, tmp_path: Path) -> Path:
    """A bundle of the test's own, to be damaged."""
    return Path(shutil.copytree(_master, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def bundle(_master: Path) -> Bundle:
    return read_bundle(_master)
