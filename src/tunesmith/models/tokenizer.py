"""A tokenizer for reading, without transformers: the same ids and places from the same files, in a tenth of a second.

Importing transformers brings torch: seconds and hundreds of megabytes, to cut a text into pieces. The pieces are the
work of the library ``tokenizers`` in any case; what transformers adds to it are settings, which stand in two files.
Training and saving keep transformers' own class.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

FILE, SETTINGS = "tokenizer.json", "tokenizer_config.json"
LEGACY, ADDED = "special_tokens_map.json", "added_tokens.json"
ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""Special tokens with a name of their own, in transformers' order."""
_PLAIN, _TYPED = ("input_ids", "attention_mask"), ("input_ids", "token_type_ids", "attention_mask")
AS_WRITTEN = ("TokenizersBackend", "PreTrainedTokenizer")
"""Classes of transformers, "Fast" left out, that take ``tokenizer.json`` as it is."""
OF_BERT = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer")
"""Classes that make their normalizer anew, from three settings."""
OTHERS = ("RobertaTokenizer", "XLMRobertaTokenizer", "MPNetTokenizer", "GPT2Tokenizer")
"""Classes that make their parts anew; what transformers 5 has saved of them is what they make."""


class LightTokenizer:
    """What tasks ask of a tokenizer; answers as transformers' fast one does.

    Nothing of the tokenizer is changed by a call, so threads may share it. Transformers' own sets how to cut texts
    before each call, on the one tokenizer that all threads share.

    Args:
        backend: the tokenizer; its own cutting and padding are switched off.
        settings: those of ``tokenizer_config.json``.
        inputs: what the model reads where the settings do not say.
    """

    is_fast = True
    padding_side = truncation_side = "right"

    def __init__(self, backend: Tokenizer, settings: Mapping[str, Any], inputs: Sequence[str] = _PLAIN) -> None:
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = bool(settings.get("split_special_tokens", False))
        self.backend_tokenizer = backend
        self.model_input_names = list(settings.get("model_input_names", inputs))
        self.model_max_length = settings.get("model_max_length") or int(1e30)
        named = dict(_named(settings))
        self.special_tokens_map = {role: _content(token) for role, token in named.items()}
        tokens = [*named.values(), *_extra(settings)]
        known = {str(token.content): token for token in backend.get_added_tokens_decoder().values()}
        usual = [known.get(_content(token), token) if role in ROLES else token for role, token in named.items()]
        backend.add_special_tokens([_added(token) for token in [*usual, *_extra(settings)]])
        self.all_special_tokens = list(dict.fromkeys(_content(token) for token in tokens))
        self.all_special_ids = [self._id(token) for token in self.all_special_tokens]
        ids = {role: self._id(self.special_tokens_map.get(role)) for role in ROLES}
        self.bos_token_id, self.eos_token_id, self.unk_token_id = (ids[role] for role in ROLES[:3])
        self.sep_token_id, self.pad_token_id, self.cls_token_id, self.mask_token_id = (ids[role] for role in ROLES[3:])
        self._types = "token_type_ids" in self.model_input_names
        self._mask = "attention_mask" in self.model_input_names

    def __len__(self) -> int:
        """Pieces, added ones included."""
        return int(self.backend_tokenizer.get_vocab_size(with_added_tokens=True))

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        return dict(self.backend_tokenizer.get_vocab(with_added_tokens=True))

    def get_vocab(self) -> dict[str, int]:
        """Piece -> id; the same object at each call."""
        return self._vocabulary

    def _id(self, token: str | None) -> int | None:
        return None if token is None else self.backend_tokenizer.token_to_id(token)

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """The text of ids."""
        return str(self.backend_tokenizer.decode(list(ids), skip_special_tokens=skip_special_tokens))

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """Tokens that stand around a text, or around two."""
        return int(self.backend_tokenizer.num_special_tokens_to_add(pair))

    def __call__(
        self,
        text: str | Sequence[str],
        text_pair: str | Sequence[str] | None = None,
        *,
        add_special_tokens: bool = True,
        truncation: bool | str = False,
        max_length: int | None = None,
        stride: int = 0,
        return_overflowing_tokens: bool = False,
        return_offsets_mapping: bool = False,
        return_special_tokens_mask: bool = False,
        return_attention_mask: bool | None = None,
        return_token_type_ids: bool | None = None,
        verbose: bool = True,
    ) -> Encoded:
        """As transformers' tokenizers: one text or several, each perhaps beside another one.

        Args:
            text: one, or several.
            text_pair: as many.
            add_special_tokens: put the model's own tokens around texts.
            truncation: False, True (of two texts the longer one is cut), "only_first" or "only_second".
            max_length: tokens at most, where texts are cut; None: the model's most.
            stride: tokens that a part has of the one before it.
            return_overflowing_tokens: give the further parts, too, and whose they are
                (``overflow_to_sample_mapping``).
            return_offsets_mapping: give each token's place in its text.
            return_special_tokens_mask: tell which tokens are the model's own.
            return_attention_mask: None: where the model reads it.
            return_token_type_ids: None: where the model reads them.
            verbose: has no effect.

        Raises:
            ValueError: nothing would be left of a text that is cut.
        """
        several = not isinstance(text, str)
        whole = self._encoded(text, text_pair, add_special_tokens)
        parts: list[Encoding | Part] = list(whole)
        sources = list(range(len(whole)))
        if truncation:
            limit = self.model_max_length if max_length is None else max_length
            parts, sources = [], []
            for i, one in enumerate(whole):
                found = [one] if len(one) <= limit else _cut(one, truncation, limit, stride)
                parts += found if return_overflowing_tokens else found[:1]
                sources += [i] * (len(parts) - len(sources))
        made = Encoded({"input_ids": [part.ids for part in parts]}, parts)
        if self._types if return_token_type_ids is None else return_token_type_ids:
            made["token_type_ids"] = [part.type_ids for part in parts]
        if self._mask if return_attention_mask is None else return_attention_mask:
            made["attention_mask"] = [[1] * len(ids) for ids in made["input_ids"]]
        if return_special_tokens_mask:
            made["special_tokens_mask"] = [part.special_tokens_mask for part in parts]
        if return_offsets_mapping:
            made["offset_mapping"] = [part.offsets for part in parts]
        if return_overflowing_tokens:
            made["overflow_to_sample_mapping"] = sources
        elif not several:
            made.update({key: values[0] for key, values in made.items()})
        return made

    def _encoded(
        self, text: str | Sequence[str], pair: str | Sequence[str] | None, add_special_tokens: bool
    ) -> Sequence[Encoding]:
        if isinstance(text, str):
            return [self.backend_tokenizer.encode(text, pair or None, add_special_tokens=add_special_tokens)]
        if len(text) == 1 and pair is None:  # no pool of threads is woken for one text
            return [self.backend_tokenizer.encode(text[0], add_special_tokens=add_special_tokens)]
        given = list(text) if pair is None else list(zip(text, pair, strict=True))
        found: Sequence[Encoding] = self.backend_tokenizer.encode_batch(given, add_special_tokens=add_special_tokens)
        return found


class Encoded(dict[str, Any]):
    """Lists by name; ``encodings`` has more of each."""

    def __init__(self, values: Mapping[str, Any], encodings: Sequence[Any]) -> None:
        super().__init__(values)
        self.encodings = encodings


class Lists(dict[str, list[Any]]):
    """An encoding's lists by name, each asked for once: it makes them anew whenever they are."""

    def __init__(self, whole: Encoding) -> None:
        super().__init__()
        self._whole = whole

    def __missing__(self, name: str) -> list[Any]:
        made: list[Any] = getattr(self._whole, name)
        self[name] = made
        return made


class Part:
    """Some tokens of an encoded text, as ``tokenizers.Encoding`` names what is known of them."""

    def __init__(self, whole: Lists, spans: Sequence[tuple[int, int]]) -> None:
        self._whole = whole
        self._spans = spans

    def _of(self, name: str) -> list[Any]:
        values, made = self._whole[name], []
        for start, end in self._spans:
            made += values[start:end]
        return made

    @property
    def ids(self) -> list[int]:
        """Ids."""
        return self._of("ids")

    @property
    def type_ids(self) -> list[int]:
        """0 for the first text, usually 1 for the second."""
        return self._of("type_ids")

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Each token's place in its text."""
        return self._of("offsets")

    @property
    def special_tokens_mask(self) -> list[int]:
        """1 for the model's own tokens."""
        return self._of("special_tokens_mask")

    @property
    def sequence_ids(self) -> list[int | None]:
        """0 or 1, the text that a token is of; None for the model's own."""
        return self._of("sequence_ids")

    @property
    def word_ids(self) -> list[int | None]:
        """The word that a token is of."""
        return self._of("word_ids")


def _cut(whole: Encoding, truncation: bool | str, limit: int, stride: int) -> list[Encoding | Part]:
    """An encoding that is too long, in parts; special tokens are around each of them.

    Of two texts that share the room (``truncation`` is True) there is only the first part.
    """
    lists, size = Lists(whole), len(whole)
    sides, excess = lists["sequence_ids"], size - limit
    first, second = _place(sides, 0), _place(sides, 1)
    if truncation is not True or not second[1]:
        start, end = second if truncation == "only_second" else first
        found = pieces(start, end, end - start - excess, stride)
        return [Part(lists, [(0, start), piece, (end, size)]) for piece in found]
    lengths = first[1] - first[0], second[1] - second[0]
    kept = shares(*lengths, sum(lengths) - excess)
    spans = [(0, first[0] + kept[0]), (first[1], second[0] + kept[1]), (second[1], size)]
    return [Part(lists, spans)]


_TOO_SHORT = "A text would have to be cut to nothing: max_length leaves no room for it."


def _place(sides: Sequence[int | None], side: int) -> tuple[int, int]:
    """First and last + 1 token of a text; 0, 0 where it has none."""
    if side not in sides:
        return 0, 0
    return sides.index(side), len(sides) - sides[::-1].index(side)


def pieces(start: int, end: int, room: int, stride: int) -> Iterator[tuple[int, int]]:
    """First and last + 1 of each piece of at most ``room``, each with ``stride`` of the one before it.

    >>> list(pieces(1, 9, 4, 1)), list(pieces(0, 4, 4, 1))
    ([(1, 5), (4, 8), (7, 9)], [(0, 4)])
    """
    if room <= stride or room < 1:
        raise ValueError(_TOO_SHORT)
    for first in range(start, end, room - stride):
        yield first, min(first + room, end)
        if first + room >= end:
            return


def shares(first: int, second: int, room: int) -> tuple[int, int]:
    """Tokens that are left of two texts that share ``room``: the longer one is cut, at last both to a half.

    >>> shares(10, 3, 8), shares(3, 10, 8), shares(10, 10, 7)
    ((5, 3), (3, 5), (3, 4))
    """
    short, long = sorted((first, second))
    left = short if short > room else max(short, room - short)
    if short + left > room:
        short, left = room // 2, room // 2 + room % 2
    return (left, short) if first > second else (short, left)


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
    return LightTokenizer(backend, settings, _TYPED if name in ("BertTokenizer", "ElectraTokenizer") else _PLAIN)


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
    return all(int(i) in known and repr(known[int(i)]) == repr(_added(token)) for i, token in stated.items())


def _state(part: Any) -> dict[str, Any]:
    found: dict[str, Any] = {} if part is None else json.loads(part.__getstate__())
    return found


def _named(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Special tokens by role: the usual ones, then a model's own."""
    own = [key for key in settings if key.endswith("_token") and key not in ROLES]
    extra = settings.get("extra_special_tokens")
    more = extra if isinstance(extra, Mapping) else {}
    for source, keys in ((settings, ROLES), (more, tuple(more)), (settings, own)):
        yield from ((key, source[key]) for key in keys if isinstance(source.get(key), str | Mapping))


def _extra(settings: Mapping[str, Any]) -> list[Any]:
    found = settings.get("extra_special_tokens", settings.get("additional_special_tokens"))
    return list(found) if isinstance(found, list) else []


def _content(token: str | Mapping[str, Any]) -> str:
    return token if isinstance(token, str) else str(token["content"])


def _added(token: Any) -> Any:
    from tokenizers import AddedToken

    if isinstance(token, AddedToken):
        return token
    if isinstance(token, Mapping):
        flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
        return AddedToken(token["content"], **{flag: token[flag] for flag in flags if flag in token})
    return AddedToken(token, special=True, normalized=False)
