"""Answers in conversations: dialogue and instruction tuning of causal language models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.core.contracts import Batch, Column, Evidence, Feature, Prediction, PredictorLike, Row, Runtime
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.data.shapes.dialogue import DialogueShape
from tunesmith.data.shapes.shape import Shape
from tunesmith.tasks.askable import askable
from tunesmith.tasks.causal_batches import filled_left, filled_right, prompts_of
from tunesmith.tasks.chat_template import Template
from tunesmith.tasks.conversation import said, thinks
from tunesmith.tasks.fitted import Fitted, fitted
from tunesmith.tasks.likelihood import unknown_likelihoods
from tunesmith.tasks.packing import apart, packed
from tunesmith.tasks.passages import canonical
from tunesmith.tasks.text_scores import text_evidence
from tunesmith.tasks.writing import Count, Reader, Writing, written_length

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

SAMPLED = 1000
"""Training answers whose length says how much may be written."""


class Message(BaseModel):
    """What one side says."""

    model_config = ConfigDict(extra="forbid")
    role: str
    content: str


class DialogueRequest(BaseModel):
    """A conversation that ends with the user's message."""

    model_config = ConfigDict(extra="forbid")
    messages: list[Message] = Field(min_length=1)


class Dialogue(Writing):
    """The next answer in a conversation; every answer of a training conversation is learned, and nothing else of it.

    Args:
        template: a Jinja file, where the tokenizer has no chat template, or another is wanted.
        max_new_tokens: written at most; None: as long as nearly all of the training answers are.
        min_new_tokens: written at least.
        beams: 1 is greedy, or sampling where there is a temperature.
        length_penalty: of beams; above 0 favours longer texts.
        temperature: 0 takes the likeliest token.
        top_p: the smallest set of tokens with this probability is drawn from.
        top_k: so many tokens are drawn from; 0: all.
        repetition_penalty: divides the logits of what stands there already.
        no_repeat_ngram: no n-gram of so many tokens is written twice; 0: any may be.
        stop: the text ends before the first of these.
        seed: of the draws.
        packing: join short training conversations in one row, kept apart by the mask. Of batches of like lengths, which
            is how training makes them, 2% is padding: it does not pay where this was measured, on CPUs.
    """

    name: ClassVar[str] = "dialogue"
    summary: ClassVar[str] = "the next answer in a conversation: dialogue and instruction tuning of causal models"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("messages", "messages"),
        Column("completion", required=False, target=True),
    )
    auto_model: ClassVar[str] = "AutoModelForCausalLM"
    pipeline_tag: ClassVar[str] = "text-generation"
    metrics: ClassVar[tuple[str, ...]] = (
        "perplexity",
        "rougeL",
        "exact_match",
        "distinct_2",
        "repetition",
        "length_ratio",
    )
    method: ClassVar[str] = "lora"
    together: ClassVar[int | None] = 8192
    window: ClassVar[int] = 512
    training: ClassVar[Mapping[str, Any]] = {
        "batch_size": 4,
        "warmup": 0.05,
        "weight_decay": 0.0,
        "lora": {"learning_rate": 1e-3, "epochs": 2},
    }
    causal: ClassVar[bool] = True

    def __init__(
        self,
        template: str | None = None,
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
        packing: bool = False,
    ) -> None:
        super().__init__(
            max_new_tokens, min_new_tokens, beams, length_penalty, temperature, top_p, top_k, repetition_penalty,
            no_repeat_ngram, stop, seed,
        )  # fmt: skip
        self.template, self.packing = template, packing
        self.shape: Shape = DialogueShape()
        self._answers: list[str] = []
        self._fitted = Fitted()

    @property
    def notes(self) -> list[str]:
        """What of the training conversations did not fit."""
        return self._fitted.notes()

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """How many conversations and answers there are, and whether answers hold thoughts."""
        found = canonical(self.shape, list(rows), target=True)
        if not found:
            raise DataError("There are no training rows to learn from.", "Give conversations that end with an answer.")
        answers = [m["content"] for row in found for m in row["messages"] if m["role"] == "assistant"]
        self._answers = answers[:: max(1, len(answers) // SAMPLED)]
        self.restore({**self.state, "conversations": len(found), "answers": len(answers)})
        if any(map(thinks, answers)):
            self.state["thinks"] = True
        return self.state

    def check(self, rows: Sequence[Row]) -> None:
        """Every conversation ends with an answer."""
        canonical(self.shape, rows, target=True)

    def adapt(self, processor: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
        """The tokenizer with the recipe's template; the template is kept in the state.

        Raises:
            ModelError: there is no template.
            RecipeError: the file cannot be read.
        """
        if self.template is not None:
            try:
                processor.chat_template = Path(self.template).read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise RecipeError(
                    f'task.template is "{self.template}", which cannot be read: {error}.', "Give a Jinja file."
                ) from error
        self.restore({**self.state, **self._template(processor).state()})
        if self._answers:
            ids = processor(self._answers, add_special_tokens=False)["input_ids"]
            self.state["max_new_tokens"] = written_length([len(one) + 1 for one in ids])
        return processor

    def configure(self, config: PretrainedConfig) -> None:
        """The head is the model's own."""

    def built(self, model: PreTrainedModel) -> None:
        """The model keeps conversations of one row apart, where they are to be packed.

        Raises:
            RecipeError: it does not.
        """
        from tunesmith.models.kept_apart import keeps_apart

        if self.packing and not keeps_apart(model):
            raise RecipeError(
                f"In this model ({model.config.model_type}) conversations packed in one row would see each other.",
                "Set task.packing=false.",
            )

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """A feature a row: the conversation with its answers as ``target`` (-100 where not learned), or the prompt.

        Earlier turns of what is too long are left out, the oldest first.

        Raises:
            DataError: a conversation does not fit the chat template; or its last message alone is too long to be
                answered.
        """
        template = self._template(processor)
        template.hold(self.state)
        read, ends = Reader(processor), template.ends
        features: list[Feature] = []
        for number, row in enumerate(canonical(self.shape, rows, target=targets)):
            made = fitted(row["messages"], template, max_length, number + 1, targets=targets)
            features.append({"row": number, **made, "read": read, "ends": ends})
        return features

    def _template(self, processor: Any) -> Template:
        return Template.of(processor, thinks=bool(self.state.get("thinks")))

    def _text(self, ids: np.ndarray, feature: Feature) -> Prediction:
        """Without a thought, where none was learned."""
        made = super()._text(ids, feature)
        return made if self.shows_thoughts else {**made, "text": said(str(made["text"]))}

    @property
    def shows_thoughts(self) -> bool:
        """Whether thoughts are part of its answers, as they were of the training rows'."""
        return bool(self.state.get("thinks"))

    def sample(self, features: Sequence[Feature]) -> Sequence[Feature]:
        """Those with something to learn; what did not fit is counted."""
        self._fitted = Fitted.counted(features)
        kept = [feature for feature in features if (feature["target"] != -100).any()]
        if not kept:
            raise DataError("No training conversation fits into the model's window.", "Raise model.max_length.")
        return packed(kept, max(len(feature["input_ids"]) for feature in kept)) if self.packing else kept

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """Padded on the right with ``labels`` where there are targets; else, to write, on the left."""
        if "target" in features[0]:
            batch = filled_right(features, processor)
            return apart(features, batch) if any("lengths" in feature for feature in features) else batch
        return filled_left([feature["input_ids"] for feature in features], processor)

    def forward(self, model: Any, batch: Batch) -> Any:
        """States at the answers' places, without a cache; and without a mask where padding stands on the right.

        A place sees only those before it, so nobody sees such padding.
        """
        mask = batch.get("attention_mask")
        rest = {key: value for key, value in batch.items() if key != "attention_mask"}
        if mask is not None and not (mask.ndim == 2 and bool((mask[:, :-1] >= mask[:, 1:]).all())):
            rest["attention_mask"] = mask
        return super().forward(model, {**rest, "use_cache": False})

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """The ids written after each prompt; of a batch with targets, after what stands before the last answer."""
        return super().infer(runtime, prompts_of(batch) if "labels" in batch else batch)

    def measure(
        self, predictor: PredictorLike, rows: Sequence[Row], progress: Callable[[int, int], None] | None = None
    ) -> tuple[list[Prediction], Evidence]:
        """What is written, and how likely the rows' own answers are; a question that is too long gets no answer."""
        features = predictor.encode(rows, targets=True)
        # One that is read with its short answer may leave no room to be answered by itself.
        places, _ = askable(predictor.encode, rows)
        able = [rows[i] for i in places]
        written = predictor.predict(able) if progress is None else predictor.predict(able, progress)
        none: Prediction = {"text": "", "tokens": 0, "finish": "length"}
        answers = dict(zip(places, written, strict=True))
        predictions = [answers.get(i, none) for i in range(len(rows))]
        return predictions, {**self.evidence(rows, predictions), **self.likely(predictor, rows, features)}

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """``exact_match`` of the last answers, and what ``text_scores`` gives."""
        wanted = [str(row["completion"]).strip() for row in canonical(self.shape, rows, target=True)]
        texts = [str(prediction["text"]).strip() for prediction in predictions]
        same = np.array([text == answer for text, answer in zip(texts, wanted, strict=True)], dtype=np.float64)
        scores = text_evidence(texts, [[answer] for answer in wanted], None, self.metrics)
        return {**scores, "exact_match": same, **unknown_likelihoods(len(rows))}

    def accompany(self, folder: str, config: PretrainedConfig, max_length: int) -> None:
        """The tokens that end an answer, where ``transformers`` looks for them."""
        from transformers import GenerationConfig

        from tunesmith.models.decoding import ends_of

        try:
            settings: Any = GenerationConfig.from_pretrained(folder)
        except OSError:
            settings = GenerationConfig.from_model_config(config)
        settings.eos_token_id = ends_of(settings, self.state.get("ends", ()))
        settings.save_pretrained(folder)

    def request_model(self) -> type[BaseModel]:
        """Messages."""
        return DialogueRequest
