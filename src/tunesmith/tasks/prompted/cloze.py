"""The label whose word a masked-language model would sooner put into the gap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tunesmith.core.contracts import Batch, Feature, Runtime
from tunesmith.core.errors import ModelError, RecipeError
from tunesmith.data.words_in_text import is_unspaced_letter
from tunesmith.tasks.prompted.prompted import Prompted, cut_to
from tunesmith.tasks.sequence import padded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class PromptedCloze(Prompted):
    """The log-probability of each label's word in the place of the mask (Schick & Schütze 2021, section 3).

    Args:
        template: Jinja with ``{{ mask }}``; None: the plainest that comes along in the texts' language.
        words: label -> a word that is one token; None: the label's name, or a known word.
        shots: 0: a gap is asked about in one text.
        order: of no use here.
        seed: of no use here.
    """

    name: ClassVar[str] = "prompted-cloze"
    summary: ClassVar[str] = "one label a text: the word that a masked model would sooner put into a gap"
    way: ClassVar[str] = "cloze"
    auto_model: ClassVar[str] = "AutoModelForMaskedLM"
    together: ClassVar[int | None] = 512

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what was learned; the words' ids are found anew."""
        super().restore(state)
        self._words: list[int] | None = None

    def features_of(self, text: str, processor: Any, max_length: int) -> list[Feature]:
        """The template with its gap, and the ids of the words.

        Raises:
            ModelError: the tokenizer has no mask.
            RecipeError: a word is not one token, or the template has not one gap.
        """
        if processor.mask_token_id is None:
            raise ModelError("The model's tokenizer has no mask token.", "Take prompted-likelihood.")
        mask = processor.special_tokens_map["mask_token"]
        ids, asked = self._ids(text, mask, processor), text
        if len(ids) > max_length:
            room = max_length - len(self._ids("", mask, processor)) - 1
            asked = cut_to(text, processor, room)
            ids = self._ids(asked, mask, processor)
        places = np.flatnonzero(ids == processor.mask_token_id)
        if not len(places):
            raise RecipeError(f"The template {self.state['template']!r} has no {{{{ mask }}}}.", "Put it into the gap.")
        if self._words is None:
            self._words = [self._one_id(word, mask, processor) for word in self.label_words]
        words = list(self._words)
        return [{"input_ids": ids.astype(np.int32), "gap": int(places[-1]), "words": words, "cut": asked != text}]

    def _ids(self, text: str, mask: str, processor: Any) -> np.ndarray:
        plain = text.replace(mask, "")  # a gap of the text's own would be asked about
        return np.asarray(processor(self.asked(plain, mask=mask))["input_ids"], dtype=np.int64)

    def _one_id(self, word: str, mask: str, processor: Any) -> int:
        """The id by which the template with the word differs from the one with the gap: with the space before it."""
        gap, filled = self._ids("", mask, processor), self._ids("", word, processor)
        places = gap == processor.mask_token_id
        found: list[int] = []
        if len(gap) == len(filled) and (gap == filled)[~places].all():
            found = sorted(set(filled[places].tolist()))
        elif is_unspaced_letter(word[0]):  # it may be one token with what stands before it
            found = list(processor(word, add_special_tokens=False)["input_ids"])
            if len(found) > 1 and len(processor.decode(found[:1]).strip()) == 0:
                found = found[1:]  # the sign that a word begins
        if len(found) != 1 or found[0] == processor.unk_token_id:
            raise RecipeError(
                f'The word "{word}" is not one token of this model, so it does not fit into a gap.',
                'Give other words: task.words="{negative: bad, positive: good}", or take prompted-likelihood.',
            )
        return int(found[0])

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """``input_ids``, ``attention_mask``; ``labels`` [features, 1 + labels]: the gap's place, the words' ids."""
        rows = [[feature["gap"], *feature["words"]] for feature in features]
        return {**padded(features, processor), "labels": np.asarray(rows, dtype=np.int64)}

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        """[labels] a feature: the logit of each word in the gap."""
        labels = np.asarray(batch["labels"])
        logits = runtime.forward({key: value for key, value in batch.items() if key != "labels"})["logits"]
        return [one[row[0], row[1:]].astype(np.float64) for one, row in zip(logits, labels, strict=True)]
