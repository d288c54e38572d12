"""A task made of tasks: one backbone, a head for each part, and one pass for all that a row asks.

Rows carry their part's name under ``part``; a row without one, at prediction, is answered by every part that can
read it. Parts whose encoded inputs are the same share the pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.core.contracts import Batch, Column, Evidence, Feature, Prediction, Row, Runtime, Task
from tunesmith.core.errors import DataError, RecipeError, did_you_mean
from tunesmith.core.registry import family
from tunesmith.models.head_reads import KEY, READS
from tunesmith.tasks.head_outputs import alone, head_outputs
from tunesmith.tasks.sequence import padded
from tunesmith.tasks.trained_together import trained_together

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

PART = "part"
IGNORED = -100
"""The label of tokens that teach nothing, as in every token task."""


class AnyRequest(BaseModel):
    """What any of the parts reads; ``part`` asks one of them alone."""

    model_config = ConfigDict(extra="allow")
    part: str | None = None


class AnswersPrediction(BaseModel):
    """Each part's own prediction, by the part's name."""

    answers: dict[str, dict[str, Any]]


class Mixture(Task):
    """Several tasks at once.

    Args:
        parts: name -> a task's name, or ``{"name": task, option: value}``.
        temperature: rows of a part are drawn in proportion to ``rows ** (1 / temperature)`` (Devlin et al. 2019,
            multilingual; Raffel et al. 2020, 3.5.2): 1 leaves the parts as they are, larger values repeat small parts.
        weights: part -> factor on its loss; 1 where none is given.
    """

    name: ClassVar[str] = "mixture"
    summary: ClassVar[str] = "several tasks over one backbone, answered in one pass"
    auto_model: ClassVar[str] = "tunesmith.models.heads.several:SeveralHeads"
    pipeline_tag: ClassVar[str] = "feature-extraction"
    pooled: ClassVar[bool] = False
    same_classes: ClassVar[bool] = False

    def __init__(
        self,
        parts: dict[str, str | dict[str, Any]] | None = None,
        temperature: Annotated[float, Field(ge=1)] = 2.0,
        weights: dict[str, Annotated[float, Field(gt=0)]] | None = None,
    ) -> None:
        # By name, as transformers writes a config's keys: a reloaded model has its heads in this order.
        self.parts: dict[str, Task] = {name: _part(name, about) for name, about in sorted((parts or {}).items())}
        self.temperature = temperature
        self.weights = {**dict.fromkeys(self.parts, 1.0), **(weights or {})}
        for name in self.weights:
            if name not in self.parts:
                raise RecipeError(f'task.weights names the part "{name}".', did_you_mean(name, self.parts))
        self.state: dict[str, Any] = {}
        self._pooling = "mean"
        self._widths: dict[str, int] = {}

    @property
    def metrics(self) -> tuple[str, ...]:  # type: ignore[override]
        """The mean of the parts' primary metrics, then every metric of every part as ``part/metric``."""
        firsts = ",".join(f"{name}/{part.metrics[0]}" for name, part in self.parts.items())
        return (f"mean({firsts})", *(f"{name}/{m}" for name, part in self.parts.items() for m in part.metrics))

    @property
    def columns(self) -> tuple[Column, ...]:  # type: ignore[override]
        """What the parts read, none of it required, since each reads something else."""
        seen: dict[str, Column] = {}
        for part in self.parts.values():
            for column in part.columns:
                seen.setdefault(column.role, Column(column.role, column.kind, False, column.target))
        return (*seen.values(), Column(PART, "label", required=False))

    @property
    def training(self) -> Mapping[str, Any]:  # type: ignore[override]
        """The slowest of the parts' rates, the most of their steps."""
        methods = family("methods")
        said = [part.training for part in self.parts.values()]
        return trained_together(said, lambda method: methods.load(method).defaults.learning_rate)

    @property
    def window(self) -> int:  # type: ignore[override]
        """The longest of the parts'."""
        return max(part.window for part in self.parts.values())

    @property
    def notes(self) -> list[str]:
        """Those of the parts."""
        return [f"{name}: {note}" for name, part in self.parts.items() for note in part.notes]

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """What each part learns from its rows."""
        if not self.parts:
            raise RecipeError("A mixture needs parts.", "Name them under data.parts: {name: {path: FILE}, ...}.")
        own: dict[str, list[Row]] = {name: [] for name in self.parts}
        for i, row in enumerate(rows):
            own[self._part_of(row, i)].append(row)
        for name, part in self.parts.items():
            try:
                part.learn(own[name])
            except DataError as error:
                raise DataError(f"Part {name}: {error.problem}", error.hint) from error
        self.state = {name: part.state for name, part in self.parts.items()}
        return self.state

    def check(self, rows: Sequence[Row]) -> None:
        """Each part its own."""
        for name, part in self.parts.items():
            part.check([row for i, row in enumerate(rows) if self._part_of(row, i) == name])

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``learn`` returned."""
        for name, part in self.parts.items():
            part.restore(state[name])
        self.state = dict(state)

    def start_from(self, reference: Any, pooling: str) -> None:
        """Text heads pool as the original does."""
        self._pooling = reference.pooling if pooling == "auto" else pooling
        for part in self.parts.values():
            part.start_from(reference, pooling)

    def adapt(self, processor: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
        """As finely cut as the part that needs it finest, for all parts, so that they can share a pass."""
        for part in self.parts.values():
            processor = part.adapt(processor)
        return processor

    def configure(self, config: PretrainedConfig) -> None:
        """Every part's head into the config."""
        import copy

        heads = {}
        for name, part in self.parts.items():
            if part.auto_model not in READS:
                raise RecipeError(
                    f'The part "{name}" is {part.name}, whose head cannot stand beside others.',
                    "A mixture takes tasks that classify texts, pairs or tokens, and extractive questions.",
                )
            own = copy.deepcopy(config)
            part.configure(own)
            heads[name] = {"reads": READS[part.auto_model], "outputs": own.num_labels, "pooling": self._pooling}
        setattr(config, KEY, heads)

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """The parts' features; what is the same for several parts of a row is one feature.

        ``parts`` of a feature: name -> the part's own feature.
        """
        merged: dict[tuple[Any, ...], Feature] = {}
        seen: Counter[tuple[Any, ...]] = Counter()  # a text that repeats itself has the same window twice
        for name, part in self.parts.items():
            own = [i for i, row in enumerate(rows) if self._asked(name, row, i)]
            encoded = part.encode([rows[i] for i in own], processor, max_length=max_length, targets=targets)
            for feature in encoded:
                row, kinds = own[feature["row"]], feature.get("token_type_ids")
                same = (row, feature["input_ids"].tobytes(), None if kinds is None else kinds.tobytes())
                seen[name, same] += 1
                inputs: Feature = {key: feature[key] for key in ("input_ids", "token_type_ids") if key in feature}
                shared = merged.setdefault((same, seen[name, same]), inputs | {"row": row, "parts": {}})
                shared["parts"][name] = feature
        lost = set(range(len(rows))) - {feature["row"] for feature in merged.values()}
        if lost:
            raise DataError(
                f"No part can read row {min(lost) + 1}.", f"Parts: {', '.join(self.parts)}; each reads its own columns."
            )
        return sorted(merged.values(), key=lambda feature: feature["row"])

    def sample(self, features: Sequence[Feature]) -> list[Feature]:
        """Features of small parts repeated, by ``temperature``; the largest part stays as it is."""
        own: dict[str, list[Feature]] = {}
        for feature in features:
            own.setdefault(next(iter(feature["parts"])), []).append(feature)
        most = max(len(found) for found in own.values())
        wanted = {name: round(most * (len(found) / most) ** (1 / self.temperature)) for name, found in own.items()}
        return [found[i % len(found)] for name, found in own.items() for i in range(wanted[name])]

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """``wanted``: bool [features, parts]; ``labels``: part -> the labels of its features, in order."""
        batch = padded(features, processor)
        batch["wanted"] = np.array([[name in f["parts"] for name in self.parts] for f in features])
        if any("target" in part for feature in features for part in feature["parts"].values()):
            own = {name: self._own(name, features) for name in self.parts}
            longest = batch["input_ids"].shape[1]
            batch["labels"] = {
                name: _widened(self.parts[name].collate(found, processor), longest)
                for name, found in own.items()
                if found
            }
        return batch

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """The parts' losses, each weighted by its rows in the batch and by ``weights``."""
        rows = {name: len(logits) for name, logits in outputs.items()}
        total = sum(rows.values())
        losses = [
            self.parts[name].loss(head_outputs(logits), {"labels": batch["labels"][name]})
            * (self.weights[name] * rows[name] / total)
            for name, logits in outputs.items()
        ]
        return sum(losses[1:], losses[0])

    def divergence(self, outputs: Any, others: Any) -> torch.Tensor:
        """The parts' divergences, each weighted by its rows in the batch."""
        rows = {name: len(logits) for name, logits in outputs.items()}
        total = sum(rows.values())
        found = [
            self.parts[name].divergence(head_outputs(logits), head_outputs(others[name])) * (rows[name] / total)
            for name, logits in outputs.items()
        ]
        return sum(found[1:], found[0])

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """One flat array a feature: its parts' logits, one after the other, padding left out."""
        inputs = {key: value for key, value in batch.items() if key != "labels"}
        found = runtime.forward(inputs)
        wanted, lengths = batch["wanted"], batch["attention_mask"].sum(1).tolist()
        # A model answers the rows that want a head, a graph all of them.
        for i, name in enumerate(self.parts):
            if len(found.get(name, ())) == len(wanted):
                found[name] = found[name][wanted[:, i]]
        rest: dict[str, Iterator[np.ndarray]] = {name: iter(found[name]) for name in found}
        arrays = []
        for row, length in zip(wanted, lengths, strict=True):
            own = [next(rest[name]) for name, asked in zip(self.parts, row, strict=True) if asked]
            arrays.append(np.concatenate([a[:length].ravel() if a.ndim > 1 else a for a in own]))
        return arrays

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """``{"answers": {part: its prediction}}``, one a row."""
        answers: dict[int, dict[str, Any]] = {feature["row"]: {} for feature in features}
        for name, (rows, arrays, own) in self._of_parts(outputs, features).items():
            for row, prediction in zip(rows, self.parts[name].decode(arrays, own), strict=True):
                answers[row][name] = prediction
        return [{"answers": found} for _, found in sorted(answers.items())]

    def choose(self, rows: Sequence[Row], outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> None:
        """Each part on its own rows."""
        for name, (own_rows, arrays, own) in self._of_parts(outputs, features).items():
            self.parts[name].choose([rows[i] for i in own_rows], arrays, own)
            self.state[name] = self.parts[name].state

    def _of_parts(
        self, outputs: Sequence[np.ndarray], features: Sequence[Feature]
    ) -> dict[str, tuple[list[int], list[np.ndarray], list[Feature]]]:
        """Part -> the rows that it answers, in order, its outputs and its own features."""
        found: dict[str, list[tuple[Feature, np.ndarray]]] = {name: [] for name in self.parts}
        for flat, feature in zip(outputs, features, strict=True):
            start = 0
            for name in (name for name in self.parts if name in feature["parts"]):
                width, length = self._width(name), len(feature["input_ids"])
                size = width * length if self._reads_tokens(name) else width
                array = flat[start : start + size]
                found[name].append((feature, array.reshape(length, width) if self._reads_tokens(name) else array))
                start += size
        return {
            name: (
                list(dict.fromkeys(feature["row"] for feature, _ in own)),
                [alone(self.parts[name], feature["parts"][name], array) for feature, array in own],
                [feature["parts"][name] for feature, _ in own],
            )
            for name, own in found.items()
            if own
        }

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """Each part's arrays as ``part/array``, of use where ``part/rows`` (bool [rows]) says so."""
        found: dict[str, np.ndarray] = {}
        for name, part in self.parts.items():
            own = [i for i, row in enumerate(rows) if self._part_of(row, i) == name]
            mask = np.zeros(len(rows), bool)
            mask[own] = True
            found[f"{name}/rows"] = mask
            if own:
                arrays = part.evidence([rows[i] for i in own], [predictions[i]["answers"][name] for i in own])
                for key, array in arrays.items():
                    whole = np.zeros((len(rows), *array.shape[1:]), array.dtype)
                    whole[own] = array
                    found[f"{name}/{key}"] = whole
        return found

    def request_model(self) -> type[BaseModel]:
        """Anything that a part reads."""
        return AnyRequest

    def response_model(self) -> type[BaseModel]:
        """Answers by part."""
        return AnswersPrediction

    def _part_of(self, row: Row, index: int) -> str:
        name = row.get(PART)
        if name not in self.parts:
            raise DataError(f'Row {index + 1} is of the part "{name}".', did_you_mean(str(name), self.parts))
        return str(name)

    def _asked(self, name: str, row: Row, index: int) -> bool:
        """Whether a part is to answer a row: it is named, or nothing is and it has all that the part needs."""
        if row.get(PART) is not None:
            return self._part_of(row, index) == name
        needed = [c.role for c in self.parts[name].columns if c.required and not c.target]
        return all(row.get(role) is not None for role in needed)

    @staticmethod
    def _own(name: str, features: Sequence[Feature]) -> list[Feature]:
        return [feature["parts"][name] for feature in features if name in feature["parts"]]

    def _reads_tokens(self, name: str) -> bool:
        return READS[self.parts[name].auto_model] == "tokens"

    def _width(self, name: str) -> int:
        if name not in self._widths:
            config: Any = SimpleNamespace(num_labels=None, id2label={})
            self.parts[name].configure(config)
            self._widths[name] = int(config.num_labels or len(config.id2label))
        return self._widths[name]


def _widened(batch: Batch, longest: int) -> np.ndarray:
    """A part's labels, those of tokens padded to the length of the whole batch."""
    labels: np.ndarray = batch["labels"]
    own = batch["input_ids"].shape[1]
    if labels.ndim < 2 or labels.shape[1] != own:
        return labels
    more = [(0, 0), (0, longest - own), *[(0, 0)] * (labels.ndim - 2)]
    return np.pad(labels, more, constant_values=IGNORED)


def _part(name: str, about: str | dict[str, Any]) -> Task:
    values = {"name": about} if isinstance(about, str) else dict(about)
    if "/" in name or not name:
        raise RecipeError(f'A part is called "{name}".', "Use a name without a slash.")
    task: Task = family("tasks").make(values.pop("name"), values)
    return task
