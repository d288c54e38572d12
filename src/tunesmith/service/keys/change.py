"""Keys made, ended and renewed in a store."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Engine

from tunesmith.core.errors import RecipeError
from tunesmith.service.keys import record
from tunesmith.service.keys.record import Key
from tunesmith.service.keys.secret import NewKey, new_id, new_key
from tunesmith.service.store.connect import writing

LONGEST = 100 * 366 * 86400.0


def make(
    engine: Engine, name: str, products: Iterable[str] | None, plan: str, expires_in: float | None, now: float
) -> NewKey:
    """A new key; see ``KeyRing.make``."""
    scope = None if products is None else frozenset(products)
    if not name.strip():
        raise RecipeError("A key needs a name.", "Say who it is for.")
    if scope is not None and not all([scope, *scope]):
        raise RecipeError("A key for no product opens nothing.", "Name one, or leave products out for all.")
    if expires_in is not None and not 0 < expires_in <= LONGEST:
        raise RecipeError(f"A key cannot end {expires_in:g} seconds from now.", "Give a time of up to 100 years.")
    text = new_key(new_id())
    key = Key(text.id, name.strip(), scope, plan, now, None if expires_in is None else now + expires_in)
    with writing(engine) as connection:
        record.write_key(connection, key, text)
    return text


def revoke(engine: Engine, id: str, now: float) -> None:
    """End a key; see ``KeyRing.revoke``."""
    with writing(engine) as connection:
        _there(connection, id)
        record.write_revoked(connection, id, now)


def rotate(engine: Engine, id: str, grace: float, now: float) -> NewKey:
    """A new secret; see ``KeyRing.rotate``."""
    if not 0 <= grace <= LONGEST:
        raise RecipeError(f"A grace of {grace:g} seconds is not possible.", "Give 0, or a time of up to 100 years.")
    text = new_key(id)
    with writing(engine) as connection:
        key = _there(connection, id)
        if key.state(now) != "active":
            raise RecipeError(f'The key "{id}" is {key.state(now)}; it cannot be rotated.', "Make a new key.")
        record.write_rotated(connection, id, text, now + grace, now)
    return text


def _there(connection: Connection, id: str) -> Key:
    key = record.read_key(connection, id)
    if key is None:
        raise RecipeError(f'There is no key "{id[:64]}".', "See: tunesmith keys list")
    return key
