"""All tables, each with what it is for. ``migrations`` makes them.

A new table, column or index here needs a file in ``migrations/versions``; the test that compares both tells. Moments
are seconds since 1970 in UTC as a double, which reads alike in SQLite, PostgreSQL and Python; days are dates in UTC.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Date,
    Double,
    ForeignKey,
    Index,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

# Named constraints: a later migration can then change them, on SQLite too.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

changes = Table(
    "changes",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
)
"""How often a subject was changed. Other processes look at this one number, and read what is newer."""

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("products", JSON(none_as_null=True)),  # a list of names; null: all
    Column("plan", Text, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Column("changed", BigInteger, nullable=False),  # changes.number at its last change
    Index(None, "changed"),
)
"""Who may ask. A row is never deleted: usage points to it."""

key_secrets = Table(
    "key_secrets",
    metadata,
    Column("hash", Text, primary_key=True),  # SHA-256 of the secret, in hex
    Column("key", Text, ForeignKey(keys.c.id), nullable=False),
    Column("until", Double),  # set by a rotation: the end of its grace time
    Index(None, "key"),
)
"""A key has one secret, and during a rotation several."""

usage = Table(
    "usage",
    metadata,
    Column("key", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("hour", SmallInteger, primary_key=True),
    Column("product", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),  # those of the requests whose status was 400 or more
    Column("rows", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Index(None, "day"),
)
"""What was answered, in sums of an hour. No foreign key: where no keys are asked for, the key is 'open'."""

seen = Table(
    "seen",
    metadata,
    Column("key", Text, primary_key=True),
    Column("request", Text, primary_key=True),
    Column("digest", Text, primary_key=True),  # of what was asked
    Column("at", Double, nullable=False),
    Index(None, "at"),
)
"""Clients' own request ids that were counted, so that a retry is not counted again for a day."""

settled = Table(
    "settled",
    metadata,
    Column("file", Text, primary_key=True),
    Column("offset", BigInteger, nullable=False),
)
"""How much of each write-ahead file is in 'usage': stored in the transaction that added it."""

answered = Table(
    "answered",
    metadata,
    Column("key", Text, primary_key=True),
    Column("request", Text, primary_key=True),
    Column("product", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("predictions", JSON, nullable=False),  # one a row, without long lists of numbers
    Column("rows", JSON(none_as_null=True)),  # without personal data; null where the policy keeps no texts
    Column("at", Double, nullable=False),
    Column("until", Double, nullable=False),
    Index(None, "until"),
)
"""What was answered, for some days, so that feedback can be put beside it."""

feedback = Table(
    "feedback",
    metadata,
    Column("key", Text, primary_key=True),
    Column("request", Text, primary_key=True),
    Column("row", BigInteger, primary_key=True),  # of the request, from 0
    Column("product", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("asked", JSON(none_as_null=True)),
    Column("predicted", JSON, nullable=False),
    Column("right", JSON, nullable=False),
    Column("comment", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("until", Double, nullable=False),
    Index(None, "product", "at"),
    Index(None, "until"),
)
"""What would have been right, said by who had asked. It stands alone: what it is about is copied into it."""
