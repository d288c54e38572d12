"""A key for people and for JSON: moments in ISO 8601, and never a secret."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from tunesmith.core.errors import RecipeError
from tunesmith.service.keys.record import Key

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def shown(key: Key) -> dict[str, Any]:
    """What an admin sees of a key."""
    return {
        "id": key.id,
        "name": key.name,
        "products": None if key.products is None else sorted(key.products),
        "plan": key.plan,
        "state": key.state(),
        "made_at": iso(key.made_at),
        "expires_at": iso(key.expires_at),
        "revoked_at": iso(key.revoked_at),
    }


def iso(at: float | None) -> str | None:
    """A moment in UTC.

    >>> iso(0), iso(None)
    ('1970-01-01T00:00:00Z', None)
    """
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str, option: str) -> float:
    """A time that a key lasts.

    >>> seconds("90d", "--expires"), seconds("1h30m", "--grace"), seconds("0", "--grace")
    (7776000.0, 5400.0, 0.0)

    Raises:
        RecipeError: it cannot be read.
    """
    plain = text.strip().lower().replace(" ", "")
    if re.fullmatch(r"0|([0-9]{1,9}[dhms])+", plain):
        return float(sum(int(number) * UNITS[unit] for number, unit in re.findall(r"([0-9]+)([dhms])", plain)))
    raise RecipeError(f'{option} is "{text[:40]}", which is no time.', "Write for example 90d, 24h or 30m.")
