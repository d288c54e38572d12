"""The whole plug-in surface on one page.

Rows become features, features become batches, a model gives outputs, outputs become predictions,
predictions beside rows become evidence, and evidence becomes figures::

    Task.learn(rows)                -> state        what the rows teach: labels, scales (JSON, kept in the bundle)
    Task.encode(rows, processor)    -> features     one row gives one feature, or several (windows)
    Task.collate(features)          -> batch        arrays; tensors where torch computes
    model(**batch)                  -> outputs
    Task.loss(outputs, batch)       -> scalar       what the loop minimises
    Task.infer(runtime, batch)      -> arrays       one array a feature: logits, token logits, generated ids ...
    Task.decode(arrays, features)   -> predictions  one a row; windows are merged here
    Task.evidence(rows, predictions)-> evidence     arrays with one entry a row, from which metrics are computed

Nothing here says "one label a row": a token task's array has one line a token, a generative task's
``infer`` calls ``runtime.generate``, and evidence holds whatever its metrics need.

A plug-in's options are the keyword arguments of its constructor; their types are their schema. A plug-in's
file imports torch and transformers inside its functions, so that a recipe is checked before they load.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import Field

from tunesmith.core.errors import RecipeError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from pydantic import BaseModel
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

Row = Mapping[str, Any]
"""A row whose keys are roles ("text", "label"), not the file's column names."""

Feature = dict[str, Any]
"""What the model reads of a row, or of one window of it. Always has ``row`` (int, index into the rows given to
``encode``) and ``input_ids`` (int32 array, [length]); may have ``token_type_ids``, ``target``, ``offset``
(index of the window's first character in the original text), ``size`` (what it costs to train on, where that is not
the number of its ids), and what else its task wants."""

Batch = dict[str, Any]
"""NumPy arrays by the model's argument names, padded to the longest; targets under ``labels``. Where torch computes
(the loop, the runtime torch), they are tensors over the same memory: ``models.tensors``."""

Evidence = Mapping[str, "np.ndarray"]
"""Arrays whose first axis is rows, so that resampling rows resamples the evidence."""

Prediction = dict[str, Any]
"""JSON values only."""


@dataclass(frozen=True)
class Decoding:
    """How a model writes. ``models/decoding.py`` says it in transformers' words.

    Args:
        max_new_tokens: written at most.
        min_new_tokens: written at least, before the end may come.
        beams: 1 is greedy, or sampling where there is a temperature.
        length_penalty: of beams; above 0 favours longer texts (Wu et al. 2016, eq. 14, in transformers' form).
        temperature: 0 takes the likeliest token.
        top_p: the smallest set of tokens with this probability is drawn from (Holtzman et al. 2020).
        top_k: so many tokens are drawn from; 0: all.
        repetition_penalty: divides the logits of what stands there already (Keskar et al. 2019, section 4.1).
        no_repeat_ngram: no n-gram of this many tokens is written twice; 0: any may be.
        stop: the text ends before the first of these.
        seed: of the draws; None: another one each time.
        ends: ids that end a text, beside the model's own: a chat template may end turns by another token.
        presence_penalty: taken from the logits of what was written already; as the next, only ``models/decoder`` can.
        frequency_penalty: the same for each time that it was written.
    """

    max_new_tokens: int = 128
    min_new_tokens: int = 0
    beams: int = 1
    length_penalty: float = 1.0
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    ends: tuple[int, ...] = ()
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0


@dataclass(frozen=True)
class Column:
    """A role that a task reads.

    Args:
        role: its word in recipes ("text", "label").
        kind: "text", "label", "labels", "number", "tokens", "tags", "spans", "messages", "image", "audio" or "any".
        required: whether prediction needs it.
        target: whether it is what is learned (absent at prediction).
    """

    role: str
    kind: str = "text"
    required: bool = True
    target: bool = False


class Runtime(Protocol):
    """What computes: torch, ONNX Runtime ... Arrays in, arrays out, so that no task knows which."""

    name: ClassVar[str]

    def forward(self, batch: Batch) -> dict[str, np.ndarray]:
        """Outputs by name, ``logits`` among them: [features, ...], float32."""
        ...

    def generate(self, batch: Batch, decoding: Decoding) -> list[np.ndarray]:
        """The ids that were written after each feature's, its end token included where it wrote one: int, [written].

        The batch holds ``input_ids`` and ``attention_mask``; a causal model's prompts are padded on the left. Only
        runtimes of generative models have it.
        """
        ...

    def score(self, batch: Batch) -> list[np.ndarray]:
        """The natural log-probability of each feature's ``labels`` that are not -100: float32, [labels].

        Only runtimes of generative models have it.
        """
        ...


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


@dataclass(frozen=True)
class MethodDefaults:
    """What we tuned for a method; a recipe's own value always wins."""

    learning_rate: float
    epochs: float = 3
    batch_size: int = 16
    weight_decay: float = 0.01
    layer_decay: float = 1.0
    """Factor on the learning rate for each layer further from the head (ULMFiT, Howard & Ruder 2018)."""
    warmup: float = 0.1
    """Share of all steps."""
    head_learning_rate: float | None = None
    """For the freshly made head; None: the same as the rest."""


class Method(ABC):
    """What is trainable."""

    name: ClassVar[str]
    summary: ClassVar[str]
    defaults: ClassVar[MethodDefaults]
    frozen_backbone: ClassVar[bool] = False
    """True: the backbone's features never change, so they are computed once and kept on disk."""
    trains_embeddings: ClassVar[bool] = False
    """Whether it can learn what tokens mean that the model has never seen."""
    plain: bool = True
    """Whether ``merge`` gives a model that transformers alone can hold. False: the bundle keeps ``base/`` and
    ``adapter/`` apart, and the runtime puts them together by ``restore``."""

    def fits(self, task: Task, config: PretrainedConfig) -> str | None:
        """Why it cannot be used for this task or kind of model, in words; None where it can. No weights are loaded."""
        return None

    def adapt(self, processor: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
        """The tokenizer as this method needs it, before ``apply``; the bundle keeps what is returned."""
        return processor

    @abstractmethod
    def apply(self, model: PreTrainedModel, task: Task) -> torch.nn.Module:
        """The same model with only the method's weights trainable; may wrap it. The head is always trainable."""

    def strategies(self) -> list[Strategy]:
        """What it wants of the loop, a schedule by steps; these stand after the recipe's own."""
        return []

    def rates(self) -> Mapping[str, float]:
        """Part of a parameter's name -> factor on its learning rate (LoRA+)."""
        return {}

    def merge(self, model: torch.nn.Module) -> PreTrainedModel:
        """A transformers model with the same outputs; a plain one unless ``plain`` says otherwise."""
        return model  # type: ignore[return-value]

    def restore(self, model: PreTrainedModel, task: Task, folder: str) -> torch.nn.Module:
        """What ``save_adapter`` wrote into ``folder``, put back onto the plain base. Only where not ``plain``."""
        raise NotImplementedError(f"{self.name} is merged, and has nothing to put back")

    def save_adapter(self, model: torch.nn.Module, folder: str, base: str) -> bool:
        """Write what ``PeftModel.from_pretrained`` or ``restore`` reads, head included; False: there is no adapter.

        Called before ``merge``.
        """
        return False


class Augmentation(ABC):
    """A text written otherwise, meaning the same.

    Args:
        share: rows that are added, as a share of the training rows.
        rate: share of a text's words or characters that are changed, one at least.
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    def __init__(
        self, share: Annotated[float, Field(gt=0, le=10)] = 0.5, rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    ) -> None:
        self.share = share
        self.rate = rate

    def bind(self, open_bundle: Any) -> None:  # noqa: B027 - most need no bundle
        """Before anything else: how bundles are opened that it names, a ``data.augment.back_translation.Open``.

        Raises:
            RecipeError: what it was given does not fit.
        """

    def try_out(self, draw: random.Random) -> None:
        """Raise before anything is loaded what would be raised later: one text is written otherwise."""
        self.rewrite("a good test 很好的测试", draw)

    @abstractmethod
    def rewrite(self, text: str, draw: random.Random) -> str:
        """The text, changed by what ``draw`` draws; as it was where nothing in it can be changed."""

    def rewrite_all(self, texts: Sequence[str], draw: random.Random) -> list[str]:
        """Many texts, in order: for what is quicker at many than at one."""
        return [self.rewrite(text, draw) for text in texts]


LossFn = Callable[[Any, Batch], "tuple[torch.Tensor, Any]"]
"""(model, batch) -> (scalar loss, the model's outputs)."""


class Strategy:
    """How it is trained: a plain object that wraps positions of the one loop. Every position does nothing here.

    Which strategies go before which, and which exclude each other, is data: ``training/strategies/order.py``.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    training: ClassVar[Mapping[str, Any]] = {}
    """What we tuned for this strategy, over the task's and the method's defaults: names of MethodDefaults, for any
    method; or a method's name with such a mapping, for that method. A recipe's own value always wins."""
    reads: tuple[str, ...] = ()
    """Roles of the training rows that it needs beside the task's own; the recipe must name their columns. Of
    "desirable|rejected" one is enough."""
    choosing: ClassVar[tuple[str, ...]] = ()
    """Metrics of what ``validate`` gives; the first chooses the best checkpoint, in the place of the task's."""
    metrics: ClassVar[tuple[str, ...]] = ()
    """Metrics of what ``judge`` gives, reported beside the task's."""
    new_tokens: ClassVar[bool] = False
    """Whether it trains on texts with tokens that the features do not have, so that every row of the table of
    embeddings must be there to be moved."""

    def fits(self, task: Task, method: Method) -> str | None:
        """Why it cannot be used for this task or beside this method, in words; None where it can. Nothing is loaded."""
        return None

    def prepare(self, run: Any) -> None:
        """Before ``data``: ``run`` has the model, the task and how rows are encoded; nothing is made ready yet."""

    def start(self, run: Any) -> None:
        """Before the first step; ``run`` is the loop's RunState (model, task, optimizer, step ...).

        Weights of the strategy's own may join here, by ``run.optimizer.add_param_group``; they are kept by ``state``.
        """

    def data(self, features: list[Feature]) -> list[Feature]:
        """The training features, changed or added to."""
        return features

    def loss(self, compute: LossFn) -> LossFn:
        """Wrap the loss; the result is called once a batch."""
        return compute

    def after_backward(self, run: Any, batch: Batch, compute: LossFn) -> None:
        """The batch's gradients are there; the optimizer has not stepped."""

    def on_step(self, run: Any) -> None:
        """The optimizer has stepped."""

    def on_epoch(self, run: Any) -> None:
        """An epoch has ended, before its evaluation."""

    def validate(self, predictor: PredictorLike, rows: Sequence[Row], features: Sequence[Feature]) -> Evidence:
        """While training: evidence on the validation rows, for the metrics of ``choosing``. Only where there are some.

        Args:
            features: of the rows, targets included.
        """
        return {}

    def judge(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """What it adds to the evidence of answers to test rows, before and after training, for its ``metrics``."""
        return {}

    def figures(self) -> dict[str, float]:
        """What a line of the log says of it, of the time since the last line."""
        return {}

    def measured(self, run: Any) -> AbstractContextManager[None]:
        """Around an evaluation and the keeping of its weights: those in place within are measured, and kept."""
        return nullcontext()

    def state(self) -> dict[str, Any]:
        """What must be kept for an exact resume: tensors and JSON values."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what ``state`` returned."""

    def facts(self) -> dict[str, Any]:
        """After training, what the report says of it: JSON values. ``words``, a sentence, is printed, too."""
        return {}


class Reward(ABC):
    """What a written answer is worth, where a model learns from what it writes itself."""

    name: ClassVar[str]
    summary: ClassVar[str]
    reads: tuple[str, ...] = ()
    """Roles of the rows that it compares with; the recipe must name their columns."""

    def problem(self) -> str | None:
        """Why it cannot be used, in words, before anything heavy is loaded; None where it can."""
        return None

    @abstractmethod
    def __call__(self, rows: Sequence[Row], texts: Sequence[str]) -> list[float]:
        """One number a text, the more the better.

        Args:
            rows: the row that each text answers; a row may stand here often.
        """


class Metric(ABC):
    """A figure over evidence."""

    name: ClassVar[str]
    summary: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    aim: ClassVar[float | None] = None
    """The value that is best, where neither more nor less is."""

    @abstractmethod
    def __call__(self, evidence: Evidence) -> float:
        """The figure; NaN where the evidence does not define it."""


@dataclass
class CheckResult:
    """A measured property beyond the metric."""

    name: str
    figure: float
    low: float | None = None
    high: float | None = None
    verdict: str = ""
    """In words."""
    worst: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


class Check(ABC):
    """Robustness, calibration, fairness, parity ..."""

    name: ClassVar[str]
    summary: ClassVar[str]

    def before(self, predictor: PredictorLike, rows: Sequence[Row]) -> None:  # noqa: B027 - few checks compare
        """The model before it is tuned, where that is measured: a check that compares remembers its answers."""

    @abstractmethod
    def check(self, predictor: PredictorLike, rows: Sequence[Row]) -> CheckResult:
        """Measure ``predictor`` on ``rows``."""


class PredictorLike(Protocol):
    """Whatever answers: the same object whatever the runtime."""

    task: Task

    def predict(self, rows: Sequence[Row], progress: Callable[[int, int], None] | None = None) -> list[Prediction]:
        """One prediction a row, in order."""
        ...

    def encode(self, rows: Sequence[Row], *, targets: bool = False) -> list[Feature]:
        """What the model reads of rows, and of their targets where they are asked for."""
        ...

    def infer(self, features: Sequence[Feature]) -> list[np.ndarray]:
        """One array a feature, in order."""
        ...

    def score(self, features: Sequence[Feature]) -> list[np.ndarray]:
        """The log-probabilities of each feature's target, in order. Only of generative tasks."""
        ...


class Tracker:
    """Where a run is written down. Every method does nothing here."""

    name: ClassVar[str]
    summary: ClassVar[str]

    def start(self, folder: str, run: Mapping[str, Any]) -> None:
        """``folder`` is the run's own; ``run`` has ``recipe`` and ``samples`` (training rows)."""

    def steps(self, done: int, total: int) -> None:
        """Training begins: ``total`` steps, of which a resumed run has ``done``."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Figures at a step: ``loss``, ``learning_rate``, ``samples_per_second``, ``validation/<metric>`` ..."""

    def stage(self, name: str) -> None:
        """The run has entered a stage: "read", "baselines", "before", "train", "evaluate", "save", "reload"."""

    def progress(self, done: int, total: int) -> None:
        """How far a stage without steps is: features computed, of all."""

    def finish(self) -> None:
        """The run has ended, well or not."""
