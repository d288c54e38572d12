"""A text in, another text out, by an encoder and a decoder; what summarising and translating share."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.core.contracts import Batch, Column, Decoding, Evidence, Feature, Prediction, Row
from tunesmith.core.errors import DataError, ModelError
from tunesmith.data.language import language_of
from tunesmith.tasks.characters import counted, lost, make_room, with_characters
from tunesmith.tasks.languages import contradicts, told, writes
from tunesmith.tasks.likelihood import unknown_likelihoods
from tunesmith.tasks.sequence import padded, required
from tunesmith.tasks.text_scores import text_evidence
from tunesmith.tasks.unknown_tokens import unknown_note
from tunesmith.tasks.writing import Count, Reader, Writing, written_length

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

SAMPLE = 2000
"""Training rows whose tokens are looked at."""
COUNTED = 100_000
"""Long texts that are told apart; a service that runs for months remembers no more."""
TAUGHT_BY_PREFIX = ("t5", "mt5", "umt5", "longt5")
"""Types of models that were told by the text's first words what to do with it."""


class SourceRequest(BaseModel):
    """A text."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1)


class TextToText(Writing):
    """One text from another.

    A text of more tokens than the model reads is cut at its end, and counted; so is a target.

    Args:
        characters: "learn" adds those to the tokenizer that it cannot give back, Chinese ones to T5's for example; they
            are learned from the training rows alone, and by method=full. "keep" leaves it as it is.
        prefix: what stands before each text; None: the words that the model was taught by, if it was.
        source_language: of the texts, an ISO 639-1 code ("en"), a tag ("zh-CN") or a name; None: seen from the rows.
        target_language: of the targets, likewise.
        max_target_length: tokens of a target that are learned.
        max_new_tokens: written at most; None: a little more than the longest training targets have.
        min_new_tokens: written at least.
        beams: 1 is greedy, or sampling where there is a temperature.
        length_penalty: of beams; above 0 favours longer texts.
        temperature: 0 takes the likeliest token.
        top_p: the smallest set of tokens with this probability is drawn from.
        top_k: so many tokens are drawn from; 0: all.
        repetition_penalty: divides the logits of what stands there already.
        no_repeat_ngram: no n-gram of this many tokens is written twice; 0: any may be.
        stop: the text ends before the first of these.
        seed: of the draws; None: another one each time.
    """

    columns: ClassVar[tuple[Column, ...]] = (
        Column("text"),
        Column("target", target=True),
        Column("references", "any", required=False, target=True),
    )
    auto_model: ClassVar[str] = "AutoModelForSeq2SeqLM"
    window: ClassVar[int] = 512
    training: ClassVar[Mapping[str, Any]] = {
        "batch_size": 32,
        "warmup": 0.05,
        "weight_decay": 0.0,
        "layer_decay": 1.0,
        "head_learning_rate": None,
        "full": {"learning_rate": 1e-3, "epochs": 3},
    }

    def __init__(
        self,
        prefix: str | None = None,
        source_language: str | None = None,
        target_language: str | None = None,
        characters: Literal["learn", "keep"] = "learn",
        max_target_length: Annotated[int, Field(ge=2)] = 256,
        max_new_tokens: Annotated[int, Field(ge=1)] | None = None,
        min_new_tokens: Count = 0,
        beams: Annotated[int, Field(ge=1)] = 1,
        length_penalty: float = 1.0,
        temperature: Annotated[float, Field(ge=0)] = 0.0,
        top_p: Annotated[float, Field(gt=0, le=1)] = 1.0,
        top_k: Count = 0,
        repetition_penalty: Annotated[float, Field(gt=0)] = 1.0,
        no_repeat_ngram: Count = 0,
        stop: tuple[str, ...] = (),
        seed: int | None = 13,
    ) -> None:
        super().__init__(
            max_new_tokens, min_new_tokens, beams, length_penalty, temperature, top_p, top_k, repetition_penalty,
            no_repeat_ngram, stop, seed,
        )  # fmt: skip
        self.prefix, self.max_target_length, self.characters = prefix, max_target_length, characters
        given = {"source_language": source_language, "target_language": target_language}
        self.languages = {key: told(key, language) for key, language in given.items()}
        self._cut: dict[str, set[int]] = {"text": set(), "target": set()}
        self._warned: set[int] = set()
        self._samples: dict[str, list[str]] = {"text": [], "target": []}
        self._counts: Counter[str] = Counter()
        self._added, self._shown = 0, ""
        self._notes: list[str] = []

    @abstractmethod
    def taught(self) -> str:
        """The words that a T5 was taught this task by, from ``state``; "" where there are none."""

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """Both languages, and how long targets are."""
        rows = list(rows)
        if not rows:
            raise DataError("There are no training rows to learn from.", "Give rows of a text and a target.")
        targets = [str(required(row, "target", i)) for i, row in enumerate(rows)]
        texts = [str(required(row, "text", i)) for i, row in enumerate(rows)]
        if self.characters == "learn":
            self._counts = counted(chain(texts, targets))
        every = max(1, len(targets) // SAMPLE)
        self._samples = {"text": texts[::every], "target": targets[::every]}
        seen = {"source_language": texts, "target_language": targets}
        looks = {key: language_of(some) for key, some in seen.items()}
        languages = {key: self.languages[key] or look for key, look in looks.items()}
        for key, look in looks.items():
            if contradicts(languages[key], look) and not writes(languages[key], seen[key]):
                what = "texts" if key == "source_language" else "targets"
                raise DataError(
                    f'task.{key} is "{languages[key]}", and the {what} of the training rows are "{look}".',
                    "Say which column is which: data.text=COLUMN data.target=COLUMN. Of a column translation, what "
                    "comes first in the first row is translated from, unless the task's languages choose it.",
                )
        self.restore({**languages, "longest_target": max(map(len, targets)), "prefix": self.prefix or ""})
        return self.state

    def start_from(self, reference: Any, pooling: str) -> None:
        """The prefix that this model was taught by."""
        from tunesmith.models.folder import read_json

        if self.prefix is None:
            kind = read_json(Path(reference.path) / "config.json").get("model_type")
            self.state["prefix"] = self.taught() if kind in TAUGHT_BY_PREFIX else ""

    def adapt(self, processor: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
        """Add what the tokenizer lacks, and learn how many tokens targets have.

        What stands around a target is kept: a method may put trained tokens before each text, and targets have none.
        """
        missing = lost(self._counts, processor)
        if missing:
            processor = with_characters(processor, missing)
            self.state["tokens"] = len(processor)
            self._added, self._shown = len(missing), "".join(missing[:12])
        if hasattr(processor, "src_lang"):
            raise ModelError(
                "This model is told both languages by tokens of its tokenizer (mBART, NLLB), and they are not set: "
                "it would learn and write behind another language's.",
                "Take a model that is not: model=flan-t5-small, or a T5, an mT5 or a BART.",
            )
        self.state["around"] = around(processor)
        if processor.eos_token_id is None and self.state["around"][1]:
            self.state["ends"] = self.state["around"][1][-1:]  # BERT's: a target is learned up to it
        if self._samples["target"]:
            found = {role: processor(some)["input_ids"] for role, some in self._samples.items()}
            lengths = [min(len(ids), self.max_target_length) for ids in found["target"]]
            self.state["max_new_tokens"] = written_length(lengths)
            self._notes = [note for role, ids in found.items() if (note := unknown_note(ids, processor, f"{role}s"))]
        return processor

    @property
    def notes(self) -> list[str]:
        """What was cut, and characters that the tokenizer lacks."""
        what = {"text": "texts are longer than the model reads", "target": "targets are longer than is learned"}
        cut = [
            f"{len(found)} {what[role]}; their ends were cut off. "
            + ("More is read with model.max_length=N." if role == "text" else "More: task.max_target_length=N.")
            for role, found in self._cut.items()
            if found
        ]
        added = [
            f"{self._added:,} characters that the model's tokenizer lacks were added to it ({self._shown} ...); they "
            "are learned from the training rows alone."
        ]
        return [*(added if self._added else []), *self._notes, *cut]

    def configure(self, config: PretrainedConfig) -> None:
        """The head is the model's own; how it begins to write is read here."""
        start = getattr(config, "decoder_start_token_id", None)
        if start is None:
            raise ModelError(
                f"The configuration of this {config.model_type} does not say which token a text begins with "
                "(decoder_start_token_id).",
                "Add it to the model's config.json, or take another model: model=flan-t5-small",
            )
        padding = config.pad_token_id
        self.state |= {"start": int(start), "padding": int(padding if padding is not None else start)}

    def built(self, model: PreTrainedModel) -> None:
        """Room for the characters that were added."""
        make_room(model, self.state.get("tokens", 0))

    @property
    def new_tokens(self) -> int:
        """Characters that were added."""
        return self._added

    @property
    def decoding(self) -> Decoding:
        """How it writes, every value decided."""
        found = super().decoding
        if self.max_new_tokens or "max_new_tokens" in self.state:
            return found
        # No tokenizer has been seen: a character is a token or two.
        longest = min(self.max_target_length, 2 * int(self.state.get("longest_target", self.max_target_length)) + 8)
        return replace(found, max_new_tokens=longest)

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """A feature a row: ``input_ids`` of prefix and text, ``target`` with its end token where it is asked for."""
        prefix = str(self.state.get("prefix", ""))
        texts = [prefix + str(required(row, "text", i)) for i, row in enumerate(rows)]
        read, ends = Reader(processor), [processor.eos_token_id, *self.state.get("ends", ())]
        features: list[Feature] = [
            {"row": i, "input_ids": ids, "read": read, "ends": ends}
            for i, ids in enumerate(self._ids(texts, processor, max_length, "text", warn=not targets))
        ]
        if targets:
            wanted = [str(required(row, "target", i)) for i, row in enumerate(rows)]
            found = self._ids(wanted, processor, self.max_target_length, "target")
            for feature, ids in zip(features, found, strict=True):
                feature["target"] = ids
                feature["size"] = len(feature["input_ids"]) + 2 * len(ids)  # a decoder's layer is two of an encoder's
        return features

    def _ids(
        self, texts: Sequence[str], processor: PreTrainedTokenizerBase, most: int, role: str, *, warn: bool = False
    ) -> list[np.ndarray]:
        """The ids of each text; of one that is too long, the first ones. A text's end token stays, a target's goes."""
        made: list[np.ndarray] = []
        cut: list[int] = []
        source = role == "text"
        before, after = ([], []) if source else self.state.get("around") or around(processor)
        for start in range(0, len(texts), 1024):  # bounded: the tokenizer's own objects are large
            some = list(texts[start : start + 1024])
            found = processor(some, add_special_tokens=source, return_attention_mask=False)["input_ids"]
            for text, bare in zip(some, found, strict=True):
                ids = [*before, *bare, *after]
                if len(ids) > most:
                    cut.append(hash(text))
                    # A target that is cut has no end: the model is not to learn to stop there.
                    ids = [*ids[: most - 1], ids[-1]] if source else ids[:most]
                made.append(np.asarray(ids, dtype=np.int32))
        if len(self._cut[role]) < COUNTED:
            self._cut[role].update(cut)
        # A run reads the same rows again and again: it is warned of them once.
        if warn and len(self._warned) < COUNTED and not self._warned.issuperset(cut):
            self._warned.update(cut)
            told = f"{len(cut)} of {len(texts)} texts are longer than {most} tokens: their ends are not read."
            warnings.warn(told, stacklevel=3)
        return made

    def token_ids(self, features: Sequence[Feature]) -> np.ndarray:
        """Those of texts and targets, and the one that a text begins with."""
        every = [feature[key] for feature in features for key in ("input_ids", "target") if key in feature]
        return np.unique(np.concatenate([*every, [self.state["start"]]]))

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """``input_ids``, ``attention_mask``; of targets ``labels`` and ``decoder_input_ids``, one place behind them."""
        batch = padded(features, processor)
        if features and "target" in features[0]:
            longest = max(len(feature["target"]) for feature in features)
            labels = np.full((len(features), longest), -100, dtype=np.int64)
            for i, feature in enumerate(features):
                labels[i, : len(feature["target"])] = feature["target"]
            known = np.where(labels == -100, self.state["padding"], labels)
            starts = np.full((len(features), 1), self.state["start"], dtype=np.int64)
            shifted = np.concatenate([starts, known[:, :-1]], axis=1)
            batch |= {"labels": labels, "decoder_input_ids": shifted}
        return batch

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """What ``text_scores`` gives; ``log_likelihood`` is not known of texts alone."""
        references = [
            [str(text) for text in row.get("references") or ()] or [str(required(row, "target", i))]
            for i, row in enumerate(rows)
        ]
        texts = [str(prediction["text"]) for prediction in predictions]
        scores = text_evidence(texts, references, self.state.get("target_language"), self.metrics)
        return {**scores, **unknown_likelihoods(len(rows))}

    def request_model(self) -> type[BaseModel]:
        """A text."""
        return SourceRequest


def around(processor: Any) -> list[list[int]]:
    """The special tokens that a tokenizer puts before and behind a text, without those that a method put in.

    A bundle's tokenizer may have the prompt of ``method=prompt``: it stands before what is read, never in a target.
    """
    from tunesmith.methods.prompt_tokens import prompt_ids

    ours = set(prompt_ids(processor))
    bare, whole = (list(processor("a", add_special_tokens=one)["input_ids"]) for one in (False, True))
    whole = [token for token in whole if token not in ours]
    first = next((i for i in range(len(whole)) if whole[i : i + len(bare)] == bare), 0)
    return [whole[:first], whole[first + len(bare) :]]
