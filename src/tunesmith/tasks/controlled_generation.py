"""Texts that obey: a sentiment, a topic, a length is said, and a causal model writes a text that has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.core.contracts import Column, Evidence, Feature, Prediction, PredictorLike, Row
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.data.language import language_of
from tunesmith.data.shapes.controlled_generation import LENGTHS, ControlledShape
from tunesmith.data.shapes.shape import RowProblem
from tunesmith.tasks import control_prompts
from tunesmith.tasks.asking import Asking, with_template
from tunesmith.tasks.dialogue import Dialogue
from tunesmith.tasks.example_request import showing
from tunesmith.tasks.fitted import ROOM
from tunesmith.tasks.likelihood import unknown_likelihoods
from tunesmith.tasks.passages import canonical
from tunesmith.tasks.text_scores import text_evidence
from tunesmith.tasks.writing import Count

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

JUDGE = "judge"


class ControlRequest(BaseModel):
    """What the text is to be like, and how it begins where that is given."""

    model_config = ConfigDict(extra="forbid")
    control: str | list[str]
    beginning: str = ""
    length: str = ""


class ControlledGeneration(Dialogue):
    """A text for a control, which stands in the prompt.

    Args:
        prompt: what the model is asked: ``{control}`` is all columns, ``{0}`` the first, ``{length}`` the length; None:
            in the language of the texts.
        length: also control the length: each training text is short, medium or long among all.
        judge: folder of a bundle that classifies texts by the control: it says whether what is written obeys. A bundle
            does not keep it.
        judged: the column of the control that the judge knows, from 1.
        template: a Jinja file, where the tokenizer has no chat template, or another is wanted.
        max_new_tokens: written at most; None: as long as nearly all of the training texts are.
        min_new_tokens: written at least.
        beams: 1 is greedy, or sampling where there is a temperature.
        length_penalty: of beams; above 0 favours longer texts.
        temperature: 0 takes the likeliest token: the same text for the same control.
        top_p: the smallest set of tokens with this probability is drawn from.
        top_k: so many tokens are drawn from; 0: all.
        repetition_penalty: divides the logits of what stands there already.
        no_repeat_ngram: no n-gram of so many tokens is written twice; 0: any may be.
        stop: the text ends before the first of these.
        seed: of the draws; None: another one each time.
    """

    name: ClassVar[str] = "controlled-generation"
    summary: ClassVar[str] = "a text with a given sentiment, topic or length; a classifier says whether it obeys"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("control", "any"),
        Column("beginning", required=False),
        Column("length", required=False),
        Column("text", target=True),
    )
    metrics: ClassVar[tuple[str, ...]] = ("perplexity", "distinct_2", "repetition", "length_ratio")
    consents: ClassVar[frozenset[str]] = frozenset({JUDGE})
    method: ClassVar[str] = "full"

    def __init__(
        self,
        prompt: str | None = None,
        length: bool = False,
        judge: str | None = None,
        judged: Annotated[int, Field(ge=1)] = 1,
        template: str | None = None,
        max_new_tokens: Annotated[int, Field(ge=1)] | None = None,
        min_new_tokens: Count = 0,
        beams: Annotated[int, Field(ge=1)] = 1,
        length_penalty: float = 1.0,
        temperature: Annotated[float, Field(ge=0)] = 0.8,
        top_p: Annotated[float, Field(gt=0, le=1)] = 0.95,
        top_k: Count = 0,
        repetition_penalty: Annotated[float, Field(gt=0)] = 1.0,
        no_repeat_ngram: Count = 0,
        stop: tuple[str, ...] = (),
        seed: int | None = 13,
    ) -> None:
        super().__init__(
            template, max_new_tokens, min_new_tokens, beams, length_penalty, temperature, top_p, top_k,
            repetition_penalty, no_repeat_ngram, stop, seed,
        )  # fmt: skip
        if prompt is not None:
            control_prompts.checked(prompt, length)
        self.prompt, self.length, self.judge, self.judged = prompt, length, judge, judged
        self._controls = ControlledShape()
        self.shape = Asking(self._controls, self._question, lambda row: str(row["text"]))
        self._judging: Any = None
        self._own: float | None = None
        own = (*(["obedience"] if judge else []), *(["length_obedience"] if length else []))
        if own:
            self.metrics = (*own, *type(self).metrics)  # type: ignore[misc]

    @property
    def asks(self) -> Mapping[str, str]:
        """The judge, where there is one."""
        return {JUDGE: self.judge} if self.judge else {}

    def hand(self, word: str, predictor: Any) -> None:
        """The judge itself.

        Raises:
            RecipeError: it does not classify.
        """
        if not getattr(predictor.task, "labels", []) or "label" not in predictor.task.response_model().model_fields:
            raise RecipeError(
                f"task.judge is a bundle of {predictor.task.name}; whether a text obeys is said by a classifier.",
                "Tune one on rows held apart: tunesmith tune FILE task=text-classification",
            )
        self._judging = predictor

    @property
    def notes(self) -> list[str]:
        """What did not fit, and how far the judge can be believed."""
        own = [] if self._own is None else [
            f"The judge finds the control in {self._own:.1%} of the test rows' own texts: no figure of obedience means "
            "more than that."
        ]  # fmt: skip
        return [*super().notes, *own]

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """The language of the texts, the control that most of them have, and what is short or long."""
        found = canonical(self._controls, list(rows), target=True)
        if not found:
            raise DataError("There are no training rows to learn from.", "Give rows of a control and a text.")
        texts = [row["text"] for row in found]
        self.state |= {"language": language_of(texts[:2000]), "columns": len(found[0]["control"])}
        self.state["usual"] = list(Counter(tuple(row["control"]) for row in found).most_common(1)[0][0])
        if self.length:
            self.state["thirds"] = control_prompts.thirds(texts)
        self._prompt_fits(self.state["columns"])
        super().learn(found)
        self._judge_knows(found)
        return self.state

    def check(self, rows: Sequence[Row]) -> None:
        """As many controls as the training rows have, and those that the judge knows."""
        super().check(rows)
        self._judge_knows(canonical(self._controls, rows, target=True))

    def adapt(self, processor: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
        """The tokenizer with a chat template: its own, the recipe's, or a plain one."""
        return super().adapt(processor if self.template else with_template(processor))

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """A feature a row; what is written goes on with the beginning, where there is one.

        Raises:
            DataError: a beginning leaves no room.
        """
        features = super().encode(rows, processor, max_length=max_length, targets=targets)
        for number, (row, feature) in enumerate(zip(rows, features, strict=True), 1):
            if targets or not row.get("beginning"):
                continue
            begun = processor(str(row["beginning"]), add_special_tokens=False)["input_ids"]
            feature["input_ids"] = np.concatenate([feature["input_ids"], np.asarray(begun, dtype=np.int32)])
            if len(feature["input_ids"]) > max_length - ROOM:
                raise DataError(
                    f"Row {number}: prompt and beginning have {len(feature['input_ids'])} tokens; the model reads "
                    f"{max_length} and needs {ROOM} of them to go on.",
                    "Shorten the beginning.",
                )
            feature["read"] = _GoesOn(feature["read"], begun)
        return features

    def measure(
        self, predictor: PredictorLike, rows: Sequence[Row], progress: Callable[[int, int], None] | None = None
    ) -> tuple[list[Prediction], Evidence]:
        """Texts for the rows' controls: whether they obey, and how likely the rows' own texts are."""
        predictions, evidence = super().measure(predictor, rows, progress)
        return predictions, {**evidence, **self._obeyed(rows, predictions)}

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """What ``text_scores`` gives, and ``length_obeyed`` where the length is controlled. Nobody is asked here."""
        found = canonical(self._controls, rows, target=True)
        texts = [str(prediction["text"]).strip() for prediction in predictions]
        scores = text_evidence(texts, [[row["text"]] for row in found], self.state.get("language"), self.metrics)
        if self.length:
            wanted = [self._length(row) for row in found]
            written = [control_prompts.length_of(text, self.state["thirds"]) for text in texts]
            scores["length_obeyed"] = np.array([a == b for a, b in zip(wanted, written, strict=True)], np.float64)
        return {**scores, **unknown_likelihoods(len(rows))}

    def request_model(self) -> type[BaseModel]:
        """A control; the example is the one that most training rows had."""
        usual = self.state.get("usual")
        if not usual:
            return ControlRequest
        return showing(ControlRequest, {"control": usual if len(usual) > 1 else usual[0]})

    def _question(self, row: Mapping[str, Any]) -> str:
        wanted = self.state.get("columns", len(row["control"]))
        if len(row["control"]) != wanted:
            raise RowProblem(f"it has {len(row['control'])} controls, and the first training rows had {wanted}")
        language = str(self.state.get("language", "en"))
        template = control_prompts.template_of(self.prompt, language, self.length)
        length = list(LENGTHS)[self._length(row)] if self.length else ""
        return control_prompts.asked(template, row["control"], length, language)

    def _length(self, row: Mapping[str, Any]) -> int:
        """As the row says; of a row that is learned, its text's own; else the middle."""
        if row.get("length"):
            return LENGTHS[row["length"]]
        return control_prompts.length_of(row["text"], self.state["thirds"]) if row.get("text") else LENGTHS["medium"]

    def _prompt_fits(self, columns: int) -> None:
        last = control_prompts.last_place(self.prompt or "")
        if last >= columns:
            raise RecipeError(
                f"task.prompt reads {{{last}}}, and controls have {columns} columns.", "Columns count from 0."
            )

    def _judge_knows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Every value of the column that is judged."""
        if self._judging is None:
            return
        columns = self.state["columns"]
        if self.judged > columns:
            raise RecipeError(f"task.judged is {self.judged}, of {columns} columns of controls.", "Count from 1.")
        labels = list(self._judging.task.labels)
        unknown = sorted({row["control"][self.judged - 1] for row in rows} - set(labels))
        if unknown:
            raise RecipeError(
                f'The judge does not know the control "{unknown[0]}"; it knows {", ".join(labels[:20])}.',
                "Tune the judge on the same labels, or say which column it judges: task.judged=2",
            )

    def _obeyed(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> dict[str, np.ndarray]:
        """``obeyed`` [rows], as the judge says; of the rows' own texts it is kept for the notes."""
        if self._judging is None:
            return {}
        found = canonical(self._controls, rows, target=True)
        wanted = [row["control"][self.judged - 1] for row in found]
        self._own = float(np.mean(self._found([row["text"] for row in found], wanted)))
        return {"obeyed": self._found([str(prediction["text"]) for prediction in predictions], wanted)}

    def _found(self, texts: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
        """Whether the judge finds the label in a text, float64 [texts]; in none that is empty."""
        there = [i for i, text in enumerate(texts) if text.strip()]
        said = self._judging.predict([{"text": texts[i]} for i in there])
        found = np.zeros(len(texts))
        found[there] = [answer["label"] == wanted[i] for i, answer in zip(there, said, strict=True)]
        return found


class _GoesOn:
    """Ids that were written after a beginning -> the whole text."""

    def __init__(self, read: Callable[[Sequence[int]], str], begun: Sequence[int]) -> None:
        self._read, self._begun = read, list(begun)

    def __call__(self, ids: Sequence[int] | np.ndarray) -> str:
        return self._read([*self._begun, *(int(i) for i in ids)])
