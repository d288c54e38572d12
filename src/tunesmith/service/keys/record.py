"""A key as the store knows it, and the reading and writing of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, or_, select, update

from tunesmith.service.caller import Caller
from tunesmith.service.keys.secret import NewKey
from tunesmith.service.store.connect import upsert
from tunesmith.service.store.tables import changes, key_secrets, keys

SUBJECT = "keys"


@dataclass(frozen=True)
class Key:
    """All of a key but its secrets.

    Args:
        id: its public name.
        name: what its owner called it.
        products: those that it may ask; None: all.
        plan: the name of its plan; "" has no limits.
        made_at: seconds since 1970, as all moments here.
        expires_at: it is refused from then on; None: never.
        revoked_at: it was refused from then on.
    """

    id: str
    name: str
    products: frozenset[str] | None
    plan: str
    made_at: float
    expires_at: float | None = None
    revoked_at: float | None = None

    def state(self, now: float | None = None) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        ended = self.expires_at is not None and self.expires_at <= (time.time() if now is None else now)
        return "expired" if ended else "active"

    def caller(self) -> Caller:
        """Who asks with it."""
        return Caller(self.id, self.name, self.products, self.plan)


@dataclass(frozen=True)
class Secret:
    """The hash of one of a key's secrets, and the end of its grace time."""

    hash: str
    until: float | None


def changed_number(connection: Connection) -> int:
    """How often any key was changed."""
    number = connection.execute(select(changes.c.number).where(changes.c.subject == SUBJECT)).scalar()
    return int(number or 0)


def next_number(connection: Connection) -> int:
    """Count one change. The row stays locked until the commit, so numbers become visible in their order."""
    statement = (
        upsert(connection, changes)
        .values(subject=SUBJECT, number=1)
        .on_conflict_do_update(index_elements=[changes.c.subject], set_={"number": changes.c.number + 1})
        .returning(changes.c.number)
    )
    return int(connection.execute(statement).scalar_one())


def read_keys(connection: Connection, newer_than: int = 0) -> Iterator[tuple[Key, tuple[Secret, ...]]]:
    """Keys that were changed after that number, the oldest first."""
    found = connection.execute(
        select(keys, key_secrets.c.hash, key_secrets.c.until)
        .join_from(keys, key_secrets, isouter=True)
        .where(keys.c.changed > newer_than)
        .order_by(keys.c.made_at, keys.c.id)
    )
    by_key: dict[Key, list[Secret]] = {}
    for row in found:
        secrets = by_key.setdefault(_key(row), [])
        if row.hash is not None:
            secrets.append(Secret(row.hash, row.until))
    return ((key, tuple(secrets)) for key, secrets in by_key.items())


def read_key(connection: Connection, id: str) -> Key | None:
    """One key."""
    row = connection.execute(select(keys).where(keys.c.id == id)).first()
    return None if row is None else _key(row)


def write_key(connection: Connection, key: Key, text: NewKey) -> None:
    """A new key with its first secret."""
    products = None if key.products is None else sorted(key.products)
    values = {**vars(key), "products": products, "changed": next_number(connection)}
    connection.execute(insert(keys).values(values))
    connection.execute(insert(key_secrets).values(hash=text.hash, key=key.id, until=None))


def write_revoked(connection: Connection, id: str, at: float) -> None:
    """Mark a key as revoked; one that is, keeps its moment."""
    number = next_number(connection)
    statement = update(keys).where(keys.c.id == id, keys.c.revoked_at.is_(None))
    connection.execute(statement.values(revoked_at=at, changed=number))


def write_rotated(connection: Connection, id: str, text: NewKey, until: float, now: float) -> None:
    """A new secret; the others work until then, or until the earlier end that they had. Dead ones are forgotten."""
    number = next_number(connection)
    connection.execute(update(keys).where(keys.c.id == id).values(changed=number))
    mine = key_secrets.c.key == id
    connection.execute(key_secrets.delete().where(mine, key_secrets.c.until <= now))
    later = or_(key_secrets.c.until.is_(None), key_secrets.c.until > bindparam("end"))
    connection.execute(update(key_secrets).where(mine, later).values(until=bindparam("end")), {"end": until})
    connection.execute(insert(key_secrets).values(hash=text.hash, key=id, until=None))


def _key(row: Row[Any]) -> Key:
    products = None if row.products is None else frozenset(row.products)
    return Key(row.id, row.name, products, row.plan, row.made_at, row.expires_at, row.revoked_at)
