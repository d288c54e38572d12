"""A key as text: ``ts_<id>_<secret>``. The id is public; the secret is 256 random bits.

Only SHA-256 of the secret is stored. A slow hash (bcrypt, argon2) protects what people choose: it makes each guess at
a word dear. Nobody can guess 256 random bits: at 10^12 tries a second half of them take 10^57 years. So a quick
hash gives away nothing, and looking at a key costs microseconds and not a tenth of a second at each request.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256

FORM = re.compile(r"ts_([0-9a-z]{12})_([0-9a-f]{64})")
LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class NewKey:
    """A key at the only moment when its text is known.

    Args:
        id: its public name: in lists, usage and logs.
        text: what the client sends. It cannot be had again.
    """

    id: str
    text: str

    @property
    def hash(self) -> str:
        """What is stored."""
        return hashed(self.text.rpartition("_")[2])

    def __repr__(self) -> str:
        return f"NewKey(id={self.id!r})"  # a key must not get into a log by accident


def new_id() -> str:
    """Twelve letters and digits: 62 bits, so that two never meet."""
    return "".join(secrets.choice(LETTERS) for _ in range(12))


def new_key(id: str) -> NewKey:
    """A new secret for that id."""
    return NewKey(id, f"ts_{id}_{secrets.token_hex(32)}")


def parted(text: str) -> tuple[str, str] | None:
    """A key's id and secret, or None where it has not the form of a key."""
    found = FORM.fullmatch(text)
    return (found[1], found[2]) if found else None


def hashed(secret: str) -> str:
    """SHA-256 in hex."""
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two hashes are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one, other)
