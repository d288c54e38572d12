"""A tokenizer whose pieces never hold more than a word, a sign, or a letter of an unspaced language.

Spans begin and end between pieces. Unigram tokenizers put a whole Chinese phrase, or a word and its full stop, into
one piece; here their text is cut before they see it. BERT's tokenizer does so by itself. What is cut is a setting of
``tokenizer.json``, so that every reader of the bundle cuts alike.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from tunesmith.data.words_in_text import UNSPACED

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LETTER = "".join(rf"\x{{{ord(c):x}}}" if c != "-" else "-" for c in UNSPACED)
_SIGN = r"(?!▁)[\p{P}\p{S}]"


def finely_cut(processor: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The tokenizer, cut finely: a changed copy, or itself where it needs no change."""
    before = json.loads(processor.backend_tokenizer.to_str())["pre_tokenizer"]
    kinds = {part["type"] for part in _parts(before)}
    if "Split" in kinds or not kinds & {"Metaspace", "ByteLevel"}:
        return processor
    made = copy.deepcopy(processor)
    backend = made.backend_tokenizer
    backend.pre_tokenizer = _after_metaspace() if "Metaspace" in kinds else _before(backend.pre_tokenizer)
    return _generic(made)


def _after_metaspace() -> Any:
    """Words begin with "▁" as the model has learned; signs and letters within them stand alone, without it.

    White space is left out of the pieces' places, which Metaspace alone would count to the word behind it.
    """
    from tokenizers import Regex, pre_tokenizers

    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True),
            pre_tokenizers.Split(Regex(f"▁?(?:[{_LETTER}]|{_SIGN})"), "isolated"),
        ]
    )


def _before(usual: Any) -> Any:
    """Letters of unspaced languages alone, then as ever: byte-level tokenizers divide signs from words already."""
    from tokenizers import Regex, pre_tokenizers

    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(f"[{_LETTER}]"), "isolated"), usual])


def _parts(pre_tokenizer: dict[str, Any] | None) -> list[dict[str, Any]]:
    if pre_tokenizer is None:
        return []
    return pre_tokenizer["pretokenizers"] if pre_tokenizer["type"] == "Sequence" else [pre_tokenizer]


def _generic(processor: Any) -> PreTrainedTokenizerBase:
    """As the class that reads ``tokenizer.json`` as it is: a model's own class would make its cuts anew."""
    from transformers import PreTrainedTokenizerFast

    if type(processor) is PreTrainedTokenizerFast:
        return processor
    made: PreTrainedTokenizerBase = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=processor.backend_tokenizer,
        model_max_length=processor.model_max_length,
        model_input_names=processor.model_input_names,
        padding_side=processor.padding_side,
        **processor.special_tokens_map,
    )
    made.deprecation_warnings.update(processor.deprecation_warnings)
    return made
