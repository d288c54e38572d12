"""The special tokens that the settings of a tokenizer name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""Special tokens with a name of their own, in transformers' order."""


def named(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Special tokens by role: the usual ones, then a model's own."""
    own = [key for key in settings if key.endswith("_token") and key not in ROLES]
    own_roles = settings.get("extra_special_tokens")
    more = own_roles if isinstance(own_roles, Mapping) else {}
    for source, keys in ((settings, ROLES), (more, tuple(more)), (settings, own)):
        yield from ((key, source[key]) for key in keys if isinstance(source.get(key), str | Mapping))


def extra(settings: Mapping[str, Any]) -> list[Any]:
    """Those without a role."""
    found = settings.get("extra_special_tokens", settings.get("additional_special_tokens"))
    return list(found) if isinstance(found, list) else []


def content(token: str | Mapping[str, Any]) -> str:
    """A token's text."""
    return token if isinstance(token, str) else str(token["content"])


def added(token: Any) -> Any:
    """A token as ``tokenizers`` wants it."""
    from tokenizers import AddedToken

    if isinstance(token, AddedToken):
        return token
    if isinstance(token, Mapping):
        flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
        return AddedToken(token["content"], **{flag: token[flag] for flag in flags if flag in token})
    return AddedToken(token, special=True, normalized=False)
