"""A time that a user writes: ``90``, ``10m``, ``1h30m``."""

from __future__ import annotations

import re

from tunesmith.core.errors import RecipeError

_UNITS = {"h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(h|min|m|s)")


def seconds_of(text: str) -> float:
    """A time in seconds; a bare number is seconds.

    >>> seconds_of("10m"), seconds_of("1h30m"), seconds_of("45")
    (600.0, 5400.0, 45.0)

    Raises:
        RecipeError: it cannot be read, or is not above 0.
    """
    plain = text.strip().lower()
    parts = _PART.findall(plain)
    if _PART.sub("", plain).strip() == "" and parts:
        found = sum(float(number) * _UNITS[unit] for number, unit in parts)
    else:
        try:
            found = float(plain)
        except ValueError:
            found = -1.0
    if not 0 < found < float("inf"):
        raise RecipeError(f'--budget is "{text}", which is no time.', "Write for example 90s, 10m or 1h30m.")
    return found
