"""The label whose word a causal model would sooner write after the prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tunesmith.core.contracts import Batch, Feature, Runtime
from tunesmith.data.words_in_text import is_unspaced_letter
from tunesmith.tasks.prompted.prompted import Prompted, cut_to
from tunesmith.tasks.sequence import padding_id

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FAR = -30000.0
IGNORED = -100
BETWEEN, END = "\n\n", "\n"
"""What stands behind an example, and behind a label's word where there are none. Scored with the word: without it one
that begins another ("not", "not good") would always beat that other."""


class PromptedLikelihood(Prompted):
    """The log-likelihood of each label's word behind the prompt (Brown et al. 2020), all labels in one pass.

    The words stand beside each other behind one prompt; each sees the prompt and itself. A word ends with its line, or,
    where a tokenizer has no lines, with the end of the text. The sum over a word's tokens is the score, or, where the
    search found that better, their mean, which does not punish long words.

    Args:
        template: Jinja, see ``templates.yaml``; None: the plainest that comes along in the texts' language.
        words: label -> the word by which the model is asked for it; None: the label's name, or a known word.
        shots: labelled examples in each prompt.
        order: of the examples.
        seed: of draws of examples.
    """

    name: ClassVar[str] = "prompted-likelihood"
    summary: ClassVar[str] = "one label a text: the word that a causal model would sooner write"
    way: ClassVar[str] = "likelihood"
    auto_model: ClassVar[str] = "AutoModelForCausalLM"
    window: ClassVar[int] = 1024
    together: ClassVar[int | None] = 2048
    takes_shots: ClassVar[bool] = True
    averages: ClassVar[bool] = True

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what was learned; the words are cut anew."""
        super().restore(state)
        self._options: list[np.ndarray] | None = None

    def features_of(self, text: str, processor: Any, max_length: int) -> list[Feature]:
        """The prompt's ids, and those of each label's word. Too long, it loses its farthest examples, then its end."""
        options = self._all_options(processor)
        room = max_length - sum(len(option) + 1 for option in options)
        near = self.examples_of(text)
        asked, shown, kept = text, len(near), 0
        ids = self._prompt(text, self.placed(near, text), processor)
        while len(ids) > room and shown:
            shown -= 1
            ids = self._prompt(text, self.placed(near[:shown], text), processor)
        if len(ids) > room:
            kept = room - len(self._prompt("", [], processor))
        while len(ids) > room:
            asked = cut_to(text, processor, kept)
            ids = self._prompt(asked, [], processor)
            kept -= max(1, len(ids) - room)  # in the prompt its tokens may be a few more
        return [
            {
                "input_ids": np.asarray(ids, dtype=np.int32), "options": options, "cut": asked != text,
                "fewer": len(near) - shown,
            }
        ]  # fmt: skip

    def _prompt(self, text: str, examples: Sequence[tuple[str, str]], processor: Any) -> list[int]:
        parts = [self.asked(one) + self._behind(self.state["words"][label]) for one, label in examples]
        ids = list(processor(BETWEEN.join([*parts, self.asked(text)]))["input_ids"])
        # A bare template and an empty text: something must stand before the words.
        start = processor.eos_token_id if processor.bos_token_id is None else processor.bos_token_id
        return ids or [int(start or 0)]

    def _behind(self, word: str) -> str:
        """A word as it stands behind a prompt: after a space, where its language has spaces."""
        return word if is_unspaced_letter(word[0]) else f" {word}"

    def _all_options(self, processor: Any) -> list[np.ndarray]:
        if self._options is None:
            self._options = [self._option(word, processor) for word in self.label_words]
        return self._options

    def _option(self, word: str, processor: Any) -> np.ndarray:
        """The ids of a word behind a prompt, and of what ends it."""
        behind = BETWEEN if self.state.get("shots") else END
        own, ended = (_ids_behind(self._behind(word) + end, processor) for end in ("", behind))
        if len(ended) > len(own):
            return ended[: len(own) + 1]
        last = [] if processor.eos_token_id is None else [processor.eos_token_id]
        return np.asarray([*own, *last], dtype=np.int64)

    def sizes(self, processor: Any) -> np.ndarray:
        """Tokens that each label's word is scored by, its end among them: [labels]."""
        return np.asarray([len(option) for option in self._all_options(processor)])

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """``input_ids``, ``position_ids``, ``labels`` [features, longest], an additive mask [.., 1, longest, longest].

        A row is the prompt without its last token, and for each word that last token and the word.
        """
        sizes = [len(f["input_ids"]) - 1 + sum(len(o) + 1 for o in f["options"]) for f in features]
        width = max(sizes)
        ids = np.full((len(features), width), padding_id(processor), dtype=np.int64)
        labels = np.full_like(ids, IGNORED)
        positions = np.zeros_like(ids)
        owner = np.full_like(ids, -2)
        for i, feature in enumerate(features):
            prompt = feature["input_ids"].astype(np.int64)
            place = len(prompt) - 1
            ids[i, :place], positions[i, :place], owner[i, :place] = prompt[:-1], np.arange(place), -1
            for number, option in enumerate(feature["options"]):
                end = place + 1 + len(option)
                ids[i, place:end] = np.concatenate([prompt[-1:], option])
                labels[i, place + 1 : end] = option
                positions[i, place:end] = np.arange(len(prompt) - 1, len(prompt) + len(option))
                owner[i, place:end] = number
                place = end
        sees = (owner[:, :, None] == owner[:, None, :]) | ((owner[:, None, :] == -1) & (owner[:, :, None] >= 0))
        mask = np.where(sees & np.tril(np.ones((width, width), dtype=bool)), 0.0, FAR).astype(np.float32)
        return {"input_ids": ids, "position_ids": positions, "attention_mask": mask[:, None], "labels": labels}

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """[labels] a feature: the log-likelihood of each word, or its mean over the word's tokens."""
        found = runtime.score({key: np.asarray(value) for key, value in batch.items()})
        mean = bool(self.state.get("average"))
        return [_by_run(scores, own, mean) for scores, own in zip(found, np.asarray(batch["labels"]), strict=True)]


def _by_run(scores: np.ndarray, labels: np.ndarray, mean: bool) -> np.ndarray:
    """The sum, or the mean, of each run of labels that are none of -100."""
    places = np.flatnonzero(labels != IGNORED)
    first = np.flatnonzero(np.diff(places, prepend=-9) > 1)
    sums: np.ndarray = np.add.reduceat(scores.astype(np.float64), first)
    return sums / np.diff(first, append=len(places)) if mean else sums


def _ids_behind(text: str, processor: Any) -> np.ndarray:
    """The ids of a text as it stands behind another: a tokenizer may put a sign before what begins a text."""
    lead, whole = (list(processor(one, add_special_tokens=False)["input_ids"]) for one in ("a", f"a{text}"))
    own = whole[len(lead) :] if whole[: len(lead)] == lead else processor(text, add_special_tokens=False)["input_ids"]
    return np.asarray(own, dtype=np.int64)
