"""A tokenizer for reading, without transformers: the same ids and places from the same files, in a tenth of a second.

Importing transformers brings torch: seconds and hundreds of megabytes, to cut a text into pieces. The pieces are the
work of the library ``tokenizers`` in any case; what transformers adds to it are settings, which stand in two files.
Training and saving keep transformers' own class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tunesmith.models.chat import rendered
from tunesmith.models.special_tokens import ROLES, added, content, extra, named
from tunesmith.models.token_parts import Part, cut

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

PLAIN, TYPED = ("input_ids", "attention_mask"), ("input_ids", "token_type_ids", "attention_mask")


class LightTokenizer:
    """What tasks ask of a tokenizer; answers as transformers' fast one does.

    Nothing of the tokenizer is changed by a call, so threads may share it. Transformers' own sets how to cut texts
    before each call, on the one tokenizer that all threads share.

    Args:
        backend: the tokenizer; its own cutting and padding are switched off.
        settings: those of ``tokenizer_config.json``.
        inputs: what the model reads where the settings do not say.
        template: its chat template, if it has one.
    """

    is_fast = True
    padding_side = truncation_side = "right"

    def __init__(
        self,
        backend: Tokenizer,
        settings: Mapping[str, Any],
        inputs: Sequence[str] = PLAIN,
        template: str | None = None,
    ) -> None:
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = bool(settings.get("split_special_tokens", False))
        self.backend_tokenizer = backend
        self.chat_template = template
        self.model_input_names = list(settings.get("model_input_names", inputs))
        self.model_max_length = settings.get("model_max_length") or int(1e30)
        roles = dict(named(settings))
        self.special_tokens_map = {role: content(token) for role, token in roles.items()}
        tokens = [*roles.values(), *extra(settings)]
        known = {str(token.content): token for token in backend.get_added_tokens_decoder().values()}
        usual = [known.get(content(token), token) if role in ROLES else token for role, token in roles.items()]
        backend.add_special_tokens([added(token) for token in [*usual, *extra(settings)]])
        self.all_special_tokens = list(dict.fromkeys(content(token) for token in tokens))
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

    @cached_property
    def added_tokens_decoder(self) -> dict[int, Any]:
        """Id -> added token."""
        return dict(self.backend_tokenizer.get_added_tokens_decoder())

    def get_chat_template(self) -> str:
        """The chat template.

        Raises:
            ValueError: there is none.
        """
        if self.chat_template is None:
            raise ValueError("The tokenizer has no chat template.")
        return self.chat_template

    def apply_chat_template(
        self, messages: Sequence[Mapping[str, Any]], *, tokenize: bool = False, add_generation_prompt: bool = False
    ) -> str:
        """A conversation as text.

        Raises:
            ValueError: there is no template, or ids are asked for.
            jinja2.TemplateError: the template refuses the conversation.
        """
        if tokenize:
            raise ValueError("The light tokenizer gives a conversation as text; cut that.")
        return rendered(self.get_chat_template(), messages, self.special_tokens_map, answer=add_generation_prompt)

    def decode(
        self, ids: Sequence[int], skip_special_tokens: bool = False, clean_up_tokenization_spaces: bool = False
    ) -> str:
        """The text of ids; spaces are never cleaned up."""
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
                found = [one] if len(one) <= limit else cut(one, truncation, limit, stride)
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
