"""Any of a text, a picture, a sound, numbers and categories in one row: what the tasks of such rows share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field

from tunesmith.core.contracts import Batch, Column, Feature, Prediction, Row, Runtime
from tunesmith.core.errors import DataError
from tunesmith.data.media.vary.vary import AUTO, Vary
from tunesmith.models.encoders.inputs import MediaInput, input_of
from tunesmith.tasks.media_batches import MEDIA, MODALITIES, columns_of_table, frames_of, media_arrays, table_of
from tunesmith.tasks.media_requests import request_of
from tunesmith.tasks.sequence import SequenceTask, padded

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

ENCODERS = {"image": "efficientnet-lite0", "audio": "whisper-base"}
"""What a modality's vectors are made by where the recipe does not say."""
INPUTS = (
    Column("text", required=False),
    Column("image", "image", required=False),
    Column("audio", "audio", required=False),
    Column("numeric", "any", required=False),
    Column("categorical", "any", required=False),
)
Rate = Annotated[float, Field(ge=0, lt=1)]


class MultimodalTask(SequenceTask):
    """One answer a row of several modalities; what a row lacks is left out, of the text each window is a feature.

    Args:
        image: the encoder of pictures: a packaged name, a hub id or a folder.
        audio: the encoder of sounds, likewise; "ge2e" hears who speaks, "whisper-base" what is said.
        fusion: "late", "cross-attention" or "early".
        modality_dropout: how often training leaves out a modality, so that a missing one hurts little.
        hidden: width inside fusions that have one.
        dropout: share of numbers that training leaves out before the last layer; None: 0.5 of vectors as encoders
            give them (late), 0.2 of those that are learned.
        augment: how files of training rows are changed where encoders are trained, by names of
            ``data/media/vary``; "auto": crop, flip, colour, shift, noise, spec; "none".
    """

    auto_model: ClassVar[str] = "tunesmith.models.multimodal:MultimodalLoader"
    method: ClassVar[str] = "head"
    training: ClassVar[Mapping[str, Any]] = {
        "head": {"learning_rate": 1e-3, "epochs": 40, "batch_size": 32, "weight_decay": 0.02},
    }
    window: ClassVar[int] = 128
    inputs: ClassVar[tuple[str, ...]] = tuple(column.role for column in INPUTS)

    def __init__(
        self,
        image: str = ENCODERS["image"],
        audio: str = ENCODERS["audio"],
        fusion: Literal["late", "cross-attention", "early"] = "late",
        modality_dropout: Rate = 0.3,
        hidden: Annotated[int, Field(ge=8, multiple_of=4)] = 256,
        dropout: Rate | None = None,
        augment: Literal["auto", "none"] | list[str] = "auto",
    ) -> None:
        super().__init__()
        self.vary = Vary.of(AUTO if augment == "auto" else () if augment == "none" else augment)
        self.encoders = {"image": image, "audio": audio}
        self.fusion, self.modality_dropout, self.hidden = fusion, modality_dropout, hidden
        self.dropout = (0.5 if fusion == "late" else 0.2) if dropout is None else dropout
        self._takes: dict[str, MediaInput] = {}

    @property
    def modalities(self) -> list[str]:
        """Those of the training rows, in the order of ``present``."""
        return list(self.state.get("modalities", []))

    @property
    def tokenizes(self) -> bool:
        """Whether it reads texts."""
        return "text" in self.modalities

    @property
    def takes(self) -> Mapping[str, MediaInput]:
        """Modality of files -> what its encoder wants to be given."""
        if not self._takes and self.state.get("takes"):
            self._takes = {name: input_of(name, given) for name, given in self.state["takes"].items()}
        return self._takes

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """Which modalities there are, what numbers and categories look like, and what the answer's kind learns."""
        rows = list(rows)
        numeric, kinds = columns_of_table(rows)
        there = {role for row in rows for role in self.inputs if row.get(role) is not None}
        has = {**{name: name in there for name in ("text", *MEDIA)}, "table": bool(numeric or kinds)}
        names = [name for name in MODALITIES if has[name]]
        if not names:
            raise DataError(
                f"{self.name}: the rows have nothing to read.", f"Name a column: data.{self.inputs[0]}=COLUMN"
            )
        state = super().learn(rows)  # type: ignore[safe-super]
        self.restore({**state, "modalities": names, "numeric": numeric, "kinds": kinds})
        self.restore({**self.state, **self._resolved()})
        return self.state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``learn`` returned."""
        super().restore(state)
        self._takes = {}

    def _resolved(self) -> dict[str, Any]:
        """The encoders of files: found on this machine before anything heavy is done, and what they are."""
        from tunesmith.models.encoders.found import described, find

        beside = [name for name in MEDIA if name in self.modalities[1:]]  # the first one is the recipe's model
        found = {name: find(self.encoders[name], name) for name in beside}
        return {"encoders": {name: described(one) for name, one in found.items()}}

    def starts_from(self) -> str | None:
        """The model that is tuned where the recipe names none: without texts, the encoder of the first modality."""
        first = next(iter(self.modalities), "text")
        return None if first in ("text", "table") else self.encoders[first]

    def start_from(self, reference: Any, pooling: str) -> None:
        """The text's encoder; without texts, the encoder of the first modality."""
        self._start = reference
        known = reference.pooling if pooling == "auto" else pooling
        self._pooling = known if known in ("mean", "cls") else "mean"

    def configure(self, config: PretrainedConfig) -> None:
        """The head's shape by the kind of answer, and under ``multimodal`` what the model is made of."""
        super().configure(config)  # type: ignore[safe-super]
        self.compose(config)

    def compose(self, config: PretrainedConfig) -> None:
        """What the model is made of, under ``multimodal``."""
        from tunesmith.models.encoders.found import find
        from tunesmith.models.fusion import FUSIONS

        folders: dict[str, dict[str, Any]] = {}
        for name in self.modalities:
            if name == "text":
                folders[name] = {"folder": self._start.path, "pooling": self._pooling}
            elif name in MEDIA:
                first = name == next(iter(self.modalities))
                folder = self._start.path if first else find(self.encoders[name], name).path
                folders[name] = {"folder": folder}
        config.multimodal = {
            "encoders": folders,
            "table": self._table_width() if "table" in self.modalities else 0,
            "fusion": self.fusion,
            "hidden": self.hidden,
            "dropout": self.dropout,
            "modality_dropout": self.modality_dropout,
            "parts": 9 if FUSIONS.load(self.fusion).parts else 0,
        }

    def built(self, model: Any) -> None:
        """What the encoders want to be given is kept, so that who serves need not ask the model."""
        from tunesmith.models.encoders.inputs import to_json

        takes = {name: to_json(one.takes) for name, one in model.encoders.items() if name in MEDIA}
        self.restore({**self.state, "takes": takes})

    def _table_width(self) -> int:
        return len(table_of({}, self.state["numeric"], self.state["kinds"]))

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """A feature a row, or several where its text is longer than a window; files are named, not read."""
        names = self.modalities
        if "text" in names:
            from tunesmith.tasks.windows import windows

            texts = [str(row.get("text") or "") for row in rows]
            features = windows(texts, None, processor, max_length)
        else:
            features = [{"row": i, "input_ids": np.zeros(1, dtype=np.int32)} for i in range(len(rows))]
        wanted = self.targets(rows) if targets else []
        for feature in features:
            row = rows[feature["row"]]
            there = {
                "text": bool(str(row.get("text") or "").strip()),
                "table": bool(row.get("numeric") or row.get("categorical")),
                **{name: bool(row.get(name)) for name in MEDIA},
            }
            feature["present"] = np.array([there[name] for name in names], dtype=np.float32)
            for name in MEDIA:
                if name in names and there[name]:
                    feature[name] = row[name]
            if "audio" in feature:
                feature["frames"] = frames_of(feature["audio"])
            if "table" in names:
                feature["table"] = table_of(row, self.state["numeric"], self.state["kinds"])
            if targets:
                feature["target"] = wanted[feature["row"]]
        return features

    def sample(self, features: Sequence[Feature]) -> Sequence[Feature]:
        """All of them; their files are changed each time that they are read."""
        return [{**feature, "vary": self.vary} for feature in features] if self.vary.names else features

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """``present``, and by modality ``input_ids``, ``image_values``, ``audio_values``, ``table_values``."""
        batch: Batch = padded(features, processor) if "text" in self.modalities else {}
        batch |= media_arrays(features, self.takes)
        return {**batch, **self.beside(features)}

    def beside(self, features: Sequence[Feature]) -> Batch:
        """What no encoder reads: ``present``, ``table_values``, ``labels``."""
        batch: Batch = {"present": np.stack([feature["present"] for feature in features])}
        if "table" in self.modalities:
            batch["table_values"] = np.stack([feature["table"] for feature in features])
        if features and "target" in features[0]:
            batch["labels"] = np.asarray([feature["target"] for feature in features])
        return batch

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """[1 + modalities, outputs] a feature: its logits, then those with each modality left out."""
        found = runtime.forward({key: value for key, value in batch.items() if key != "labels"})
        return list(np.concatenate([found["logits"][:, None], found["without"]], axis=1))

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """The answer to the mean of a row's windows, and what each modality that the row has adds to it."""
        predictions = []
        for _, group in groupby(zip(features, outputs, strict=True), key=lambda pair: pair[0]["row"]):
            members = list(group)
            weights = [max(1, len(feature["input_ids"])) for feature, _ in members]
            mean = np.average([arrays for _, arrays in members], axis=0, weights=weights)
            whole = self.answer(mean[0])
            there = members[0][0]["present"] > 0
            added = {
                name: self.added(whole, self.answer(without))
                for name, without, is_there in zip(self.modalities, mean[1:], there, strict=True)
                if is_there
            }
            predictions.append({**whole, "contributions": added})
        return predictions

    def left_out(self, rows: Sequence[Row]) -> Mapping[str, Mapping[str, Sequence[Row]]]:
        """Rows without each modality, and with each alone; nothing where there is only one."""
        if len(self.modalities) < 2:
            return {}
        of = {name: ("numeric", "categorical") if name == "table" else (name,) for name in self.modalities}
        inputs = {role for roles in of.values() for role in roles}
        return {
            "without": {name: _less(rows, set(roles)) for name, roles in of.items()},
            "alone": {name: _less(rows, inputs - set(roles)) for name, roles in of.items()},
        }

    def added(self, whole: Prediction, without: Prediction) -> float:
        """What an answer loses where a modality is left out."""
        raise NotImplementedError

    def request_model(self) -> type[BaseModel]:
        """The columns that the training rows had."""
        return request_of(self.modalities, self.state.get("numeric", {}), self.state.get("kinds", {}))

    def accompany(self, folder: str, config: PretrainedConfig, max_length: int) -> None:
        """Nothing: no other library reads such models."""


def _less(rows: Sequence[Row], roles: set[str]) -> list[Row]:
    return [{role: value for role, value in row.items() if role not in roles} for row in rows]
