"""What is predicted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from tunesmith.core.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np
    import torch
    from pydantic import BaseModel
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from tunesmith.core.contracts.predictor import PredictorLike
    from tunesmith.core.contracts.rows import Batch, Column, Evidence, Feature, Prediction, Row
    from tunesmith.core.contracts.runtime import Runtime


class Task(ABC):
    """What is predicted. A task without labels (pretraining) is an objective: the same contract."""

    name: ClassVar[str]
    summary: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    auto_model: ClassVar[str]
    """The transformers auto class that holds its head, e.g. "AutoModelForSequenceClassification"."""
    pipeline_tag: ClassVar[str]
    """The hub's word for the task, for the model card and ``transformers.pipeline``."""
    metrics: ClassVar[tuple[str, ...]]
    """Names in the metrics family; the first is the primary one, on which the best checkpoint is chosen."""
    pooled: ClassVar[bool] = True
    """Whether the head reads one vector of a text. False: it reads tokens, or is none."""
    decides: ClassVar[bool] = True
    """Whether it decides between classes; numbers and vectors are no classes."""
    same_classes: ClassVar[bool] = True
    """Whether those classes are the same in every row. False: the places of a text, the choices of a row."""
    one_class: ClassVar[bool] = False
    """Whether each row has one class: an int in ``labels``."""
    one_vector: ClassVar[bool] = False
    """Whether a row's one answer is read from one vector of it: rows and their answers can be mixed."""
    method: ClassVar[str] = "full"
    """The name of the method that tunes it where the recipe does not say."""
    window: ClassVar[int] = 256
    """Tokens in a window where the recipe does not say and the model takes as many."""
    together: ClassVar[int | None] = None
    """Padded tokens that are computed together, where the task knows better than the runtime: who writes reads all
    weights for each token, and so writes for many rows at once."""
    training: ClassVar[Mapping[str, Any]] = {}
    """What we tuned for this task, over a method's defaults: names of MethodDefaults, for any method; or a
    method's name with such a mapping, for that method. A recipe's own value always wins."""
    trained_by: ClassVar[tuple[str, ...]] = ()
    """Names of the methods that can tune it; empty: any that fits."""
    consents: ClassVar[frozenset[str]] = frozenset()
    """Options by which a user lets something happen on this machine, or names something on it. A bundle does not bring
    them: they are said anew for each run."""
    state: dict[str, Any]
    """What ``learn`` returned or ``restore`` took; the bundle keeps it."""

    @property
    def tokenizes(self) -> bool:
        """Whether it reads texts. Where not, no tokenizer is loaded or kept."""
        return True

    def starts_from(self) -> str | None:
        """The model that is tuned where the recipe names none; None: by the texts' language."""
        return None

    @property
    def asks(self) -> Mapping[str, str]:
        """Bundles that it asks when it is measured: a word for each -> its folder. The pipeline hands them in."""
        return {}

    def hand(self, word: str, predictor: Any) -> None:
        """What ``asks`` names by ``word``: it has ``task`` and ``predict(rows)``. Before ``learn``."""
        raise NotImplementedError(f"{self.name} asks nobody")

    def furnish(self, tables: Mapping[str, Any]) -> None:  # noqa: B027 - most tasks read rows alone
        """Tables that stand beside the rows, by their word (``items``, ``users``). Before ``learn``."""

    @property
    def notes(self) -> list[str]:
        """What was taken for granted of the rows, or is odd about them, in words, for the report."""
        return []

    @abstractmethod
    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """What the training rows teach, as JSON values. Sets it on the task, too. Raises DataError if not learnable."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``learn`` returned (from a bundle)."""

    def check(self, rows: Sequence[Row]) -> None:  # noqa: B027 - most tasks can measure whatever they read
        """Before anything heavy: raise DataError where rows have a target that no training row taught."""

    def start_from(self, reference: Any, pooling: str) -> None:  # noqa: B027 - few tasks want to know
        """The model that will be tuned, before it is built.

        Args:
            reference: a ``models.reference.ModelReference``.
            pooling: the recipe's: "auto", "cls" or "mean".
        """

    def adapt(self, processor: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
        """The tokenizer as this task needs it, before anything is encoded; the bundle keeps what is returned."""
        return processor

    @abstractmethod
    def configure(self, config: PretrainedConfig) -> None:
        """Write the head's shape and label names into a transformers config, before the model is built."""

    def built(self, model: PreTrainedModel) -> None:  # noqa: B027 - most tasks leave it as it is
        """The model with its weights, before a method sees it: room for tokens that ``adapt`` added, for one."""

    @property
    def new_tokens(self) -> int:
        """Tokens that ``adapt`` added: only a method that trains embeddings can learn them."""
        return 0

    @abstractmethod
    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """Features, those of a row beside each other and in the rows' order.

        Args:
            max_length: tokens a feature may have, special tokens included. What is longer becomes windows.
            targets: whether the rows carry what is learned.
        """

    def sample(self, features: Sequence[Feature]) -> Sequence[Feature]:
        """The features of an epoch of training: all of them once, unless the task draws otherwise."""
        return features

    @abstractmethod
    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """Pad to the longest."""

    def forward(self, model: Any, batch: Batch) -> Any:
        """The model's outputs for a batch in training: one call, unless the task knows a cheaper way."""
        return model(**{key: value for key, value in batch.items() if key != "labels"})

    @abstractmethod
    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """The mean loss of a batch, from the model's outputs: a scalar with a gradient."""

    def token_ids(self, features: Sequence[Feature]) -> np.ndarray:
        """Every token id that the features may bring to the model: [any], for what is trained of its embeddings."""
        import numpy as np

        return np.unique(np.concatenate([feature["input_ids"] for feature in features]))

    def divergence(self, outputs: Any, others: Any) -> torch.Tensor:
        """How far two outputs for the same batch are apart, symmetric: a scalar. For consistency and distillation."""
        raise RecipeError(f"{self.name} has no divergence between two outputs.", "Leave out strategies that need one.")

    def finish(self, model: PreTrainedModel) -> None:  # noqa: B027 - most tasks have nothing to fold
        """After training, before anything is measured or saved: fold what training kept apart into the model."""

    def choose(  # noqa: B027 - most tasks have nothing to choose
        self, rows: Sequence[Row], outputs: Sequence[np.ndarray], features: Sequence[Feature]
    ) -> None:
        """After training, on the validation rows: choose what is none of the weights, a threshold, into ``state``."""

    def accompany(self, folder: str, config: PretrainedConfig, max_length: int) -> None:  # noqa: B027 - most need none
        """Write what other libraries want beside the model, into a bundle's folder."""

    @property
    def choosing(self) -> tuple[str, ...]:
        """Metrics of the validation rows; the first chooses the best checkpoint.

        The task's own, unless those need whole answers written, which takes long: then what ``validate`` gives.
        """
        return self.metrics

    def validate(self, predictor: PredictorLike, rows: Sequence[Row], features: Sequence[Feature]) -> Evidence:
        """While training: evidence on the validation rows, for the metrics of ``choosing``.

        Args:
            features: of the rows, targets included.
        """
        return self.evidence(rows, self.decode(predictor.infer(features), features))

    def measure(
        self, predictor: PredictorLike, rows: Sequence[Row], progress: Callable[[int, int], None] | None = None
    ) -> tuple[list[Prediction], Evidence]:
        """Answers to rows and evidence of them; a task whose figures need more than the answers adds it here.

        Args:
            progress: called with features done and in all.
        """
        predictions = predictor.predict(rows) if progress is None else predictor.predict(rows, progress)
        return predictions, self.evidence(rows, predictions)

    def left_out(self, rows: Sequence[Row]) -> Mapping[str, Mapping[str, Sequence[Row]]]:
        """The same rows with parts left out, for the report: ``{"without": {part: rows}, "alone": {part: rows}}``."""
        return {}

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """One array a feature. A generative task overrides this with ``runtime.generate``."""
        inputs = {key: value for key, value in batch.items() if key != "labels"}
        return list(runtime.forward(inputs)["logits"])

    def comparable(self, one: np.ndarray, other: np.ndarray, feature: Feature) -> tuple[np.ndarray, np.ndarray]:
        """What of two models' outputs of a feature can be laid beside each other: numbers of the same things.

        All, unless ``infer`` decides which numbers there are: the next ones are of something else where it decided
        otherwise.
        """
        return one, other

    @abstractmethod
    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """One prediction a row, in the rows' order; a row's windows are merged."""

    @abstractmethod
    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """What metrics read; each metric's docstring names the arrays that it wants."""

    @abstractmethod
    def request_model(self) -> type[BaseModel]:
        """The schema of one row asked of a service."""

    @abstractmethod
    def response_model(self) -> type[BaseModel]:
        """The schema of one prediction."""
