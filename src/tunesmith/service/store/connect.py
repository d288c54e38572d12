"""An URL becomes an engine that was tried: SQLite in a file, or PostgreSQL by psycopg 3.

The functions in here are the only ones that know which of the two it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from tunesmith.core.errors import TunesmithError
from tunesmith.core.extras import need

EXAMPLES = "For example sqlite:///tunesmith.db, or postgresql://user:password@host/name."
BUSY_MILLISECONDS = 10_000
STATEMENT_MILLISECONDS = 10_000
"""That PostgreSQL may take for a statement of the service: a request waits for it."""
NOTICED = {
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""libpq's: a PostgreSQL that vanishes without a word (a machine that loses power, a network that is cut) is noticed in
about ten seconds, and not after the kernel's quarter of an hour."""
WRITES = "tunesmith_writes"


def connect(url: str, milliseconds: int = 0) -> Engine:
    """An engine that has reached its database once.

    Args:
        milliseconds: that PostgreSQL may take for a statement, unless the URL's options say it; 0: as long as it takes.

    Raises:
        TunesmithError: the URL is not understood, its driver is missing, or nothing answers.
            The message holds no password.
    """
    parsed = _parsed(url)
    engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed, milliseconds)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
    except (SQLAlchemyError, OSError) as error:
        engine.dispose()
        raise TunesmithError(
            f"The store {shown(parsed)} cannot be opened: {_reason(error, parsed)}", EXAMPLES
        ) from None
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that will write.

    SQLite takes its one write lock at the start: a transaction that reads first and writes later would fail at once
    where another has written in between, whatever the time it is allowed to wait.
    """
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        yield connection


def unhurried(connection: Connection) -> None:
    """Let the statements of this transaction take as long as they take."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")


def upsert(connection: Connection, table: Table) -> Any:
    """An INSERT that knows ``on_conflict_do_update``, which both have and SQLAlchemy has for each apart."""
    return {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[connection.dialect.name](table)


def file_of(url: str) -> Path | None:
    """The file of an SQLite store; None for others.

    Raises:
        TunesmithError: the URL is not understood.
    """
    parsed = _parsed(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def shown(url: URL | str) -> str:
    """An URL for people and logs: the password is hidden."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return "(not an URL)"
    # A password can stand in the query, too: ?password=...
    hidden = {key: "hidden" if "pass" in key.lower() else value for key, value in parsed.query.items()}
    return parsed.set(query=hidden).render_as_string(hide_password=True).replace("postgresql+psycopg:", "postgresql:")


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        # SQLAlchemy's own message repeats the URL, password and all.
        raise TunesmithError("The store's URL is not understood.", EXAMPLES) from None
    name = parsed.drivername
    if name in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if name in ("sqlite", "sqlite+pysqlite"):
        if not parsed.database or parsed.database == ":memory:":
            raise TunesmithError("A store in memory is gone with the process.", f"Name a file. {EXAMPLES}")
        return parsed
    raise TunesmithError(f'The store\'s URL is of the kind "{name}"; sqlite and postgresql are known.', EXAMPLES)


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_MILLISECONDS / 1000})

    @event.listens_for(engine, "connect")
    def opened(connection: Any, _: object) -> None:
        connection.isolation_level = None  # sqlite3 sends no BEGIN of its own; ``begin`` below does
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
        connection.execute("PRAGMA journal_mode = WAL")
        # A write-ahead file is deleted when its events are in here, so a commit must be on the disk.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: URL, milliseconds: int) -> Engine:
    need("psycopg", extra="serve", purpose="a store on PostgreSQL")
    query = {"connect_timeout": "5", "application_name": "tunesmith", **NOTICED, **url.query}
    engine = create_engine(url.set(query=query), hide_parameters=True, pool_pre_ping=True)
    if milliseconds and "statement_timeout" not in str(url.query.get("options", "")):

        @event.listens_for(engine, "connect")
        def opened(connection: Any, _: object) -> None:
            # Not by "options" of the connection, which PgBouncer refuses.
            connection.execute(f"SET statement_timeout = {milliseconds}")
            connection.commit()

    return engine


def _reason(error: Exception, url: URL) -> str:
    """The driver's words on one line, without the password."""
    words = " ".join(str(getattr(error, "orig", None) or error).split())
    return words.replace(url.password, "***") if url.password else words
