"""The key of whoever runs the service: in the environment, never in the store, never in a log."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tunesmith.core.errors import TunesmithError
from tunesmith.service.caller import Caller
from tunesmith.service.keys.secret import hashed

VARIABLE = "TUNESMITH_ADMIN_KEY"
SHORTEST = 24

ADMIN = Caller("admin", "admin", frozenset(), admin=True)
"""It makes keys and reads usage, and asks no product: what is asked is always on somebody's bill."""


def admin_hash(environment: Mapping[str, str] = os.environ) -> str | None:
    """SHA-256 of the admin key; None: there is none, and the admin API is closed.

    Raises:
        TunesmithError: it is so short that it could be guessed.
    """
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return None
    if len(text) < SHORTEST:
        raise TunesmithError(
            f"{VARIABLE} has {len(text)} characters; at least {SHORTEST} are needed.",
            f"Make one: export {VARIABLE}=$(openssl rand -hex 32)",
        )
    return hashed(text)
