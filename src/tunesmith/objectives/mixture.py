"""Several objectives at once over one model: each learns from its share of the corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field

from tunesmith.core.contracts import Batch, Feature, Prediction, Row, Runtime
from tunesmith.core.errors import RecipeError
from tunesmith.core.registry import family
from tunesmith.data.batches import Drawn
from tunesmith.objectives.objective import PROBED, Objective, Scores, nothing_to_ask
from tunesmith.objectives.sentence_order import HEAD, SentenceOrder
from tunesmith.objectives.shelf import Shelf

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

USUAL: Mapping[str, float] = {"masked-lm": 0.7, "simcse": 0.3}
FAR = 1_000_000
"""Added to the lengths of each further part's features, so that batches of like lengths are of one part."""


class ObjectiveMixture(Objective):
    """Several objectives of one kind of model.

    Args:
        parts: objective -> its share of the corpus, or ``{share: 0.5, option: value}``; None: 0.7 of masked-lm and 0.3
            of simcse. Shares are of tokens, and need not sum to 1.
    """

    name: ClassVar[str] = "mixed"
    summary: ClassVar[str] = "several objectives over one model, each with its share of the corpus"
    auto_model: ClassVar[str] = "AutoModelForMaskedLM"
    pipeline_tag: ClassVar[str] = "fill-mask"
    batch_size: ClassVar[int] = 32

    def __init__(self, parts: dict[str, Annotated[float, Field(gt=0)] | dict[str, Any]] | None = None) -> None:
        self.parts: dict[str, Objective] = {}
        self.shares: dict[str, float] = {}
        for name, about in (parts or dict(USUAL)).items():
            options = dict(about) if isinstance(about, Mapping) else {"share": about}
            self.shares[name] = float(options.pop("share", 1.0))
            self.parts[name] = family("objectives").make(name, options)
        kinds = {part.writes for part in self.parts.values()}
        if self.name in self.parts or len(kinds) > 1:
            raise RecipeError(
                f"objective.parts mixes objectives of different models: {', '.join(self.parts)}.",
                "Mix those of encoders (masked-lm, simcse, sentence-order ...) among themselves.",
            )
        super().__init__()
        lead = self.lead
        self.auto_model = lead.auto_model  # type: ignore[misc]
        self.pipeline_tag = lead.pipeline_tag  # type: ignore[misc]
        self.writes = lead.writes  # type: ignore[misc]
        self.noisy = any(part.noisy for part in self.parts.values())  # type: ignore[misc]
        self.vectors = lead.vectors  # type: ignore[misc]
        self.tied = lead.tied  # type: ignore[misc]

    @property
    def lead(self) -> Objective:
        """The part that answers: one with an output layer where there is one, whose model holds all."""
        order = {"AutoModelForMaskedLM": 0, "AutoModel": 2}
        return min(self.parts.values(), key=lambda part: order.get(part.auto_model, 1))

    def restore(self, state: Mapping[str, Any]) -> None:
        """Each part its own."""
        super().restore(state)
        for name, part in self.parts.items():
            part.restore({**self.state, **dict(self.state.get("parts", {}).get(name, {}))})

    def start_from(self, reference: Any, pooling: str) -> None:
        """Each part."""
        for part in self.parts.values():
            part.start_from(reference, pooling)
        self._keep()

    def adapt(self, processor: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
        """What any part needs."""
        for part in self.parts.values():
            processor = part.adapt(processor)
        return processor

    def configure(self, config: PretrainedConfig) -> None:
        """Each part."""
        for part in self.parts.values():
            part.configure(config)
        self._keep()

    def _keep(self) -> None:
        own = {name: {k: v for k, v in part.state.items() if k != "words"} for name, part in self.parts.items()}
        self.state = {**self.state, "parts": own}

    def built(self, model: Any) -> None:
        """A layer for pairs, where a part needs one and the model is none of pairs."""
        import torch

        for part in self.parts.values():
            part.built(model)
        pairs = any(isinstance(part, SentenceOrder) for part in self.parts.values())
        if pairs and not isinstance(self.lead, SentenceOrder):
            head = torch.nn.Linear(model.config.hidden_size, 2)
            torch.nn.init.normal_(head.weight, std=0.02)
            torch.nn.init.zeros_(head.bias)
            setattr(model, HEAD, head)

    def finish(self, model: Any) -> None:
        """The layer for pairs goes: it is of no use to whoever loads the model."""
        if hasattr(model, HEAD):
            delattr(model, HEAD)

    def prepare(self, shelf: Shelf, processor: Any) -> None:
        """Each part."""
        for part in self.parts.values():
            part.prepare(shelf, processor)

    def drawn(self, shelf: Shelf, processor: Any, *, max_length: int, seed: int, packed: bool = True) -> Drawn:
        """Each part's share of its own features, another one in each epoch."""
        total = sum(self.shares.values())
        drawn = {
            name: part.drawn(
                shelf, processor, max_length=max_length, seed=seed if seed == PROBED else seed + place, packed=packed
            )
            for place, (name, part) in enumerate(sorted(self.parts.items()))
        }
        return MixedRows(drawn, {name: share / total for name, share in self.shares.items()}, seed)

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """``labels`` [features] (of no use but to be counted), and of each part that is there its own batch."""
        if features and "part" not in features[0]:
            return self.lead.collate(features, processor)
        batch: Batch = {"labels": np.zeros(len(features), dtype=np.int64)}
        for name, part in self.parts.items():
            places = [i for i, feature in enumerate(features) if feature["part"] == name]
            if places:
                own = part.collate([features[i] for i in places], processor)
                batch[name] = {**own, "places": np.asarray(places, dtype=np.int64)}
        return batch

    def forward(self, model: Any, batch: Batch) -> Any:
        """Each part's own outputs."""
        return {name: part.forward(model, _own(batch[name])) for name, part in self.parts.items() if name in batch}

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """The mean of the parts', each by its features."""
        losses = [
            self.parts[name].loss(own, _own(batch[name])) * (len(batch[name]["places"]) / len(batch["labels"]))
            for name, own in outputs.items()
        ]
        return sum(losses[1:], start=losses[0])

    def scores(self, outputs: Any, batch: Batch) -> Scores:
        """All parts' questions."""
        import torch

        found = []
        for name, own in outputs.items():
            asked = self.parts[name].scores(own, _own(batch[name]))
            found.append(Scores(batch[name]["places"].cpu()[asked.owner.cpu()], *(one.cpu() for one in asked[1:])))
        return Scores(*(torch.cat(parts) for parts in zip(*found, strict=True)))

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """As the part that answers."""
        return self.lead.encode(rows, processor, max_length=max_length, targets=targets)

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """As the part that answers."""
        return self.lead.infer(runtime, batch)

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """As the part that answers."""
        return self.lead.decode(outputs, features)

    def response_model(self) -> type[BaseModel]:
        """As the part that answers."""
        return self.lead.response_model()


class MixedRows(Drawn):
    """Features of several parts, each of its share, with ``part``; in the order of their names, so that the same are
    asked however a recipe lists them.
    """

    def __init__(self, parts: Mapping[str, Drawn], shares: Mapping[str, float], seed: int) -> None:
        self.parts, self.seed = dict(sorted(parts.items())), seed
        least = max(parts.values(), key=lambda part: part.left_out)
        self.left_out, self.left_out_why = least.left_out, least.left_out_why
        for name, part in self.parts.items():
            if not len(part):
                raise nothing_to_ask(name, part)
        self.counts = {
            name: min(len(part), max(1, round(shares[name] * len(part)))) for name, part in self.parts.items()
        }
        self.owner = [name for name, count in self.counts.items() for _ in range(count)]
        self._first = {name: self.owner.index(name) for name in self.counts}
        self._orders: dict[str, np.ndarray] = {}
        self._drawn_for = -1

    def __len__(self) -> int:
        """All parts' shares."""
        return len(self.owner)

    @property
    def lengths(self) -> Any:  # type: ignore[override]
        """Of the first epoch's features, parts far from each other."""
        return [
            FAR * place + int(self.parts[name].lengths[i])
            for place, name in enumerate(self.parts)
            for i in self._order(name, self.epoch)
        ]

    @property
    def tokens(self) -> int:
        """Of all parts' shares."""
        return sum(length % FAR for length in self.lengths)

    def __getitem__(self, index: Any) -> Any:
        """One feature."""
        if index < 0 or index >= len(self):
            raise IndexError(index)
        name = self.owner[index]
        part = self.parts[name]
        part.epoch = self.epoch
        return {**part[int(self._order(name, self.epoch)[index - self._first[name]])], "part": name}

    def _order(self, name: str, epoch: int) -> np.ndarray:
        if self._drawn_for != epoch:
            self._orders, self._drawn_for = {}, epoch
        if name not in self._orders:
            draw = np.random.default_rng([self.seed, epoch, list(self.parts).index(name)])
            self._orders[name] = draw.permutation(len(self.parts[name]))[: self.counts[name]]
        return self._orders[name]


def _own(batch: Batch) -> Batch:
    return {key: value for key, value in batch.items() if key != "places"}
