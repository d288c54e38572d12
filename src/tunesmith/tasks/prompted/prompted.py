"""What the ways of asking share: a template, words for labels, examples, and a bias that is taken away."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.core.contracts import Column, Feature, Prediction, Row
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.data.language import language_of
from tunesmith.tasks.prompted.examples import Order, Retrieval, chosen, in_order, pool_of
from tunesmith.tasks.prompted.templates import check_template, rendered, templates, words_for
from tunesmith.tasks.sequence import required
from tunesmith.tasks.text_classification import TextClassification

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

LEAST = 4
"""Tokens of a text that must have room."""
FREE = {"en": ("N/A", "", "[MASK]"), "zh": ("无", "", "……")}
"""Texts without content, by which a prompt's own leaning is measured (Zhao et al. 2021, section 5)."""


class PromptedRequest(BaseModel):
    """A text."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1)


class Prompted(TextClassification):
    """One label a text, by asking a model that was never trained for it.

    Args:
        template: Jinja, see ``templates.yaml``; None: the plainest that comes along in the texts' language.
        words: label -> the word by which the model is asked for it; None: the label's name, or a known word.
        shots: labelled examples in each prompt.
        order: of the examples.
        seed: of draws of examples.
    """

    way: ClassVar[str]
    window: ClassVar[int] = 512
    pooled: ClassVar[bool] = False
    together: ClassVar[int | None] = 1024
    takes_shots: ClassVar[bool] = False
    averages: ClassVar[bool] = False
    """Whether a score is a sum over tokens, and may be their mean (``average`` in the state)."""
    columns: ClassVar[tuple[Column, ...]] = tuple(c for c in TextClassification.columns if c.role != "text_pair")

    def __init__(
        self,
        template: str | None = None,
        words: dict[str, str] | None = None,
        shots: Annotated[int, Field(ge=0, le=64)] = 0,
        order: Order = "near-last",
        seed: int = 13,
    ) -> None:
        super().__init__()
        if shots and not self.takes_shots:
            raise RecipeError(f"{self.name} reads no examples.", "Set task.shots=0, or take prompted-likelihood.")
        self.template, self.words, self.shots, self.order, self.seed = template, words, shots, order, seed
        self._retrieval: Retrieval | None = None

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """The labels, their words, and examples to draw from."""
        if self.template is not None:
            check_template(self.way, self.template)
        listed = list(rows)
        for i, row in enumerate(listed):
            _refuse_pair(row, i)
        super().learn(listed)
        texts = [str(required(row, "text", i)) for i, row in enumerate(listed)]
        language = language_of(texts[:500])
        given = None if self.words is None else {str(key): word for key, word in self.words.items()}
        self.restore(
            {
                **self.state,
                "language": language,
                "template": self.template or templates(self.way, language, self.labels)[0].text,
                "words": dict(words_for(self.labels, language, given)[0].by_label),
                "shots": self.shots,
                "order": self.order,
                "pool": [list(one) for one in pool_of(listed, self.seed)] if self.takes_shots else [],
                "average": False,
                "bias": None,
            }
        )
        return self.state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``learn`` returned, or what was chosen."""
        super().restore(state)
        self._retrieval = None

    def ask(self, **chosen: Any) -> None:
        """Ask otherwise from now on: ``template``, ``words``, ``shots``, ``order``, ``seed``, ``average``, ``bias``."""
        self.restore({**self.state, **chosen})

    def configure(self, config: PretrainedConfig) -> None:
        """The model has no head for these labels."""

    @property
    def label_words(self) -> list[str]:
        """In the order of the labels."""
        return [self.state["words"][label] for label in self.labels]

    def free_rows(self) -> list[Row]:
        """Rows without content."""
        return [{"text": text} for text in FREE["zh" if self.state["language"] == "zh" else "en"]]

    def asked(self, text: str, **more: Any) -> str:
        """A text in the template."""
        return rendered(self.state["template"], text=text, words=self.label_words, **more)

    def examples_of(self, text: str) -> list[tuple[str, str]]:
        """Labelled examples for a text, the nearest first."""
        count = int(self.state.get("shots", 0))
        if not count:
            return []
        if self._retrieval is None:
            self._retrieval = Retrieval([(one, label) for one, label in self.state["pool"]])
        return chosen(self._retrieval, text, count, self.state["order"])

    def placed(self, some: Sequence[tuple[str, str]], text: str) -> list[tuple[str, str]]:
        """Examples, the nearest first, in the order in which they stand in the prompt."""
        return in_order(some, text, self.state["order"], int(self.state.get("seed", self.seed)))

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """One feature a row, or one for each label of it; ``cut`` and ``fewer`` of the first say what did not fit.

        Raises:
            RecipeError: the template and the words leave no room for a text.
        """
        wanted = self.targets(rows) if targets else [None] * len(rows)
        features = []
        for i, row in enumerate(rows):
            _refuse_pair(row, i)
            for feature in self.features_of(str(row.get("text") or ""), processor, max_length):
                features.append({**feature, "row": i, **({"target": wanted[i]} if targets else {})})
        return features

    def sizes(self, processor: Any) -> np.ndarray:
        """Tokens that each label's score is a sum over: [labels]."""
        return np.ones(len(self.labels), dtype=np.int64)

    def request_model(self) -> type[BaseModel]:
        """A text."""
        return PromptedRequest

    @abstractmethod
    def features_of(self, text: str, processor: Any, max_length: int) -> list[Feature]:
        """What the model reads of a text; ``cut`` where it is not all of it, ``fewer``: examples that were left out."""

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """The answer to a score for each label."""
        both = zip(features, outputs, strict=True)
        groups = groupby(both, key=lambda pair: pair[0]["row"])
        return [self.answer(np.concatenate([scores.reshape(-1) for _, scores in group])) for _, group in groups]

    def answer(self, logits: np.ndarray) -> Prediction:
        """Softmax of the scores, without what the prompt gives to a text that says nothing."""
        bias = self.state.get("bias")
        return super().answer(logits if bias is None else logits - np.asarray(bias))


def _refuse_pair(row: Row, index: int) -> None:
    if row.get("text_pair"):
        raise DataError(
            f"Row {index + 1} is a pair of texts; a prompt reads one text, and the second would go unread.",
            "Put both into one column, or tune a classifier of pairs: tunesmith tune.",
        )


def leaning(scores: np.ndarray) -> list[float]:
    """The bias of a prompt: the mean log-probability that it gives each label for texts without content.

    Contextual calibration (Zhao et al. 2021, eq. 2) divides by these probabilities.

    Args:
        scores: [texts, labels].
    """
    shifted = scores - scores.max(axis=1, keepdims=True)
    shares = np.exp(shifted)
    mean = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
    return [float(x) for x in np.log(np.maximum(mean, 1e-12))]


def cut_to(text: str, processor: Any, room: int) -> str:
    """The beginning of a text that has at most ``room`` tokens.

    Raises:
        RecipeError: there is no room for a text.
    """
    found = processor(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    if len(found) <= room:
        return text
    if room < min(LEAST, len(found)):
        raise RecipeError(
            f"The template and the words for the labels leave {max(0, room)} of the window's tokens for the text.",
            "Raise model.max_length, or give a shorter template (task.template) or shorter words (task.words).",
        )
    return text[: found[room - 1][1]]
