"""Few-shot learning by pairs, then a head: SetFit (Tunstall et al. 2022), with far fewer passes.

SetFit computes both texts of each pair anew. Here every text of a batch is computed once, and *all* pairs of the batch
are compared: a batch of 64 texts has 2,016 pairs for 64 passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tunesmith.core.contracts import Batch, Feature, LossFn, Method, Strategy, Task
from tunesmith.models.tensors import tensors
from tunesmith.training.strategies.head_inputs import head_inputs, of_texts
from tunesmith.training.strategies.wise_ft import WiseFt

if TYPE_CHECKING:
    import numpy as np
    import torch


def pair_loss(vectors: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cosines of pairs of one class are to be 1, of others 0 or below; both kinds of pairs weigh alike: a scalar.

    The squared error of Sentence-BERT (Reimers & Gurevych 2019, section 3), as in SetFit (section 3.1), of vectors
    around their mean: many encoders put all texts into one narrow cone, in which plain cosines have no slope. Two
    classes around their mean are opposite, so below 0 is no error.

    Args:
        vectors: [rows, width], of any length.
        labels: int [rows].
    """
    import torch

    plain = vectors.float()
    unit = torch.nn.functional.normalize(plain - plain.mean(dim=0), dim=-1)
    first, second = torch.triu_indices(len(unit), len(unit), offset=1, device=unit.device)
    cosines = (unit @ unit.T)[first, second]
    alike = labels[first] == labels[second]
    losses = [(1 - cosines[alike]).square(), cosines[~alike].clamp(min=0).square()]
    found = [loss.mean() for loss in losses if len(loss)]
    return torch.stack(found).mean() if found else unit.sum() * 0.0


class Contrastive(Strategy):
    """The encoder learns from pairs of texts; the head is a logistic regression on what it then makes of the texts.

    The head is fitted before every evaluation, so that the best weights are kept with the head that belongs to them.
    A few texts pull an encoder away from what it knew of all others: what is measured and kept is half-way back to the
    start (``wise_ft``). For a few labels a class; with hundreds, plain training is better.

    Args:
        loss: "cosine", SetFit's; or "supcon" (Khosla et al. 2020), where each row finds those of its class.
        temperature: of "supcon".
        strength: of the head, the inverse of its regularisation.
        share: of the tuned weights in those that are kept, beside the start's; 1 keeps the tuned ones alone.
    """

    name: ClassVar[str] = "contrastive"
    summary: ClassVar[str] = "few-shot: the encoder learns from pairs, then a head is fitted (Tunstall et al. 2022)"
    training: ClassVar[Mapping[str, Any]] = {"epochs": 12, "batch_size": 64}

    def __init__(
        self,
        loss: Literal["cosine", "supcon"] = "cosine",
        temperature: Annotated[float, Field(gt=0)] = 0.1,
        strength: Annotated[float, Field(gt=0)] = 10.0,
        share: Annotated[float, Field(gt=0, le=1)] = 0.5,
    ) -> None:
        self.kind = loss
        self.temperature = temperature
        self.strength = strength
        self._between = WiseFt(share)

    def fits(self, task: Task, method: Method) -> str | None:
        """It is for one class a text, and for an encoder that learns."""
        if task.name != "text-classification":
            return f"pairs are of one class or not, and {task.name} has no one class a text."
        if method.frozen_backbone:
            return f"it tunes the encoder, which method={method.name} leaves as it is."
        return None

    def start(self, run: Any) -> None:
        """Keep the start."""
        self._between.start(run)

    def loss(self, compute: LossFn) -> LossFn:
        """Of the vectors that the output layer reads; the layer itself is left to ``measured``."""

        def apart(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            for module in head_dropout(model):  # its noise would drown what tells texts of one narrow cone apart
                module.eval()
            with head_inputs(model) as vectors:
                loss, outputs = compute(model, batch)
            if not model.training:
                return loss, outputs
            return self._of(of_texts(vectors[-1], batch["attention_mask"]), batch["labels"]), outputs

        return apart

    def _of(self, vectors: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if self.kind == "cosine":
            return pair_loss(vectors, labels)
        from tunesmith.training.strategies.supcon import contrastive

        return contrastive(vectors, labels, self.temperature)

    @contextmanager
    def measured(self, run: Any) -> Iterator[None]:
        """Go back towards the start, and fit the head on the training texts as the encoder sees them then."""
        with self._between.measured(run):
            self._fit(run)
            yield

    def _fit(self, run: Any) -> None:
        import numpy as np
        import torch

        from tunesmith.models.heads import output_layer
        from tunesmith.models.heads.logistic import fitted

        layer = output_layer(run.model)
        _, text, windows = np.unique([f["row"] for f in run.features], return_inverse=True, return_counts=True)
        targets = np.array([feature["target"] for feature in run.features])
        vectors, shares = vectors_of(run, run.features), 1 / windows[text]
        options: Any = {"shares": shares, "strength": self.strength, "centered": layer.bias is not None}
        weight, bias = fitted(vectors, targets, layer.out_features, **options)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            if layer.bias is not None:
                layer.bias.copy_(torch.from_numpy(bias))


def head_dropout(model: Any) -> list[Any]:
    """The dropout between the backbone and the output layer."""
    from tunesmith.training.kernels import plain

    inner = plain(model)
    if inner is None:
        return []
    backbone = f"{inner.base_model_prefix}."
    named = [(name, module) for name, module in inner.named_modules() if not name.startswith(backbone)]
    return [module for name, module in named if name.rpartition(".")[2].endswith("dropout")]


def vectors_of(run: Any, features: Sequence[Feature]) -> np.ndarray:
    """What the output layer reads of each feature without dropout, float32 [features, width]."""
    import numpy as np
    import torch

    from tunesmith.bundle.predictor import batches_by_length

    model = run.model
    found: list[Any] = [None] * len(features)
    was, device = model.training, next(model.parameters()).device
    model.eval()
    with torch.no_grad(), head_inputs(model) as seen:
        for chosen in batches_by_length([len(feature["input_ids"]) for feature in features], 64, 16384):
            batch = run.task.collate([features[i] for i in chosen], run.processor)
            there = tensors(batch, device)
            run.task.forward(model, there)
            texts = of_texts(seen.pop(), there["attention_mask"])
            for i, vector in zip(chosen, texts.cpu().numpy(), strict=True):
                found[i] = vector
    model.train(was)
    return np.stack(found)
