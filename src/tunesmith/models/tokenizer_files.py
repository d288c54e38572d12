"""Whether a folder's files tell all of its tokenizer, and the light one that they make."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.models.chat import template_of
from tunesmith.models.special_tokens import added
from tunesmith.models.tokenizer import PLAIN, TYPED, LightTokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FILE, SETTINGS = "tokenizer.json", "tokenizer_config.json"
LEGACY, ADDED = "special_tokens_map.json", "added_tokens.json"
AS_WRITTEN = ("TokenizersBackend", "PreTrainedTokenizer")
"""Classes of transformers, "Fast" left out, that take ``tokenizer.json`` as it is."""
OF_BERT = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer")
"""Classes that make their normalizer anew, from three settings."""
OTHERS = ("RobertaTokenizer", "XLMRobertaTokenizer", "MPNetTokenizer", "GPT2Tokenizer")
"""Classes that make their parts anew; what transformers 5 has saved of them is what they make."""


def light_tokenizer(folder: Path) -> LightTokenizer | None:
    """The tokenizer of a folder; None where only transformers knows what it would do."""
    path, settings = folder / FILE, _settings(folder)
    if settings is None or not path.is_file():
        return None
    name = str(settings.get("tokenizer_class", "")).removesuffix("Fast")
    if name not in (*AS_WRITTEN, *OF_BERT, *OTHERS):
        return None
    from tokenizers import Tokenizer

    try:
        backend = Tokenizer.from_file(str(path))
    except Exception:  # tokenizers has no class for its errors; transformers will say what is wrong
        return None
    if not _made_the_same(name, settings, backend) or not _cuts_at_any_place(backend) or not _knows(backend, settings):
        return None
    if backend.post_processor is None:
        from tokenizers import processors

        backend.post_processor = processors.TemplateProcessing(single="$A:0", pair="$A:0 $B:1", special_tokens=[])
    try:
        template = template_of(folder, settings)
    except ValueError:
        return None
    if template is not None and settings.get("clean_up_tokenization_spaces"):
        return None  # what is written would lose spaces
    inputs = TYPED if name in ("BertTokenizer", "ElectraTokenizer") else PLAIN
    return LightTokenizer(backend, settings, inputs, template)


def _settings(folder: Path) -> dict[str, Any] | None:
    """What stands beside the tokenizer; None where it cannot be read, or asks for more than is known here."""
    try:
        settings = json.loads((folder / SETTINGS).read_text("utf-8"))
        legacy = folder / LEGACY
        if legacy.is_file() and "added_tokens_decoder" not in settings:
            settings = {**settings, **json.loads(legacy.read_text("utf-8"))}
    except (OSError, ValueError, TypeError):
        return None
    if (folder / ADDED).is_file():
        return None
    beyond = ("add_bos_token", "add_eos_token", "auto_map", "fix_mistral_regex")
    sides = {settings.get("truncation_side", "right")}
    return None if sides != {"right"} or any(key in settings for key in beyond) else settings


def _made_the_same(name: str, settings: Mapping[str, Any], backend: Tokenizer) -> bool:
    """Whether the class has the parts of the file, though it makes them anew."""
    if name in AS_WRITTEN:
        return True
    if name in OTHERS:
        return settings.get("backend") == "tokenizers"  # written by transformers 5, from what the class had made
    wanted = {
        "type": "BertNormalizer", "clean_text": True,
        "handle_chinese_chars": settings.get("tokenize_chinese_chars", True),
        "strip_accents": settings.get("strip_accents"), "lowercase": settings.get("do_lower_case", True),
    }  # fmt: skip
    return _state(backend.normalizer) == wanted and _state(backend.pre_tokenizer) == {"type": "BertPreTokenizer"}


def _cuts_at_any_place(backend: Tokenizer) -> bool:
    """Whether places do not depend on where a text is cut: some byte-level ones treat a part's first token apart."""
    inner = _state(backend.post_processor)
    return not any(
        part.get("trim_offsets") and part.get("add_prefix_space") for part in [inner, *inner.get("processors", ())]
    )


def _knows(backend: Tokenizer, settings: Mapping[str, Any]) -> bool:
    """Whether the settings add no tokens to those of the file, nor change them."""
    known = backend.get_added_tokens_decoder()
    stated = settings.get("added_tokens_decoder") or {}
    return all(int(i) in known and repr(known[int(i)]) == repr(added(token)) for i, token in stated.items())


def _state(part: Any) -> dict[str, Any]:
    found: dict[str, Any] = {} if part is None else json.loads(part.__getstate__())
    return found
