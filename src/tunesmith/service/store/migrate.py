"""The tables of a store, made or brought up to this version by Alembic; nobody needs an ``alembic.ini``.

To add a migration: change ``tables.py``, then write the next file in ``migrations/versions`` after the last.
"""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine

from tunesmith.core.errors import TunesmithError
from tunesmith.service.store.connect import connect, unhurried, writing

ADVISORY_LOCK = 7_469_001
"""PostgreSQL's: of several processes that start at once, one migrates and the others wait for it."""


def open_store(url: str, milliseconds: int = 0) -> Engine:
    """``connect`` and ``migrate``: what every user of a store wants.

    Args:
        milliseconds: that a statement may take, as ``connect`` has it: the service has a limit, commands have none.

    Raises:
        TunesmithError: it cannot be reached, or was made by a newer version.
    """
    engine = connect(url, milliseconds)
    migrate(engine)
    return engine


def migrate(engine: Engine) -> None:
    """Bring the tables up to this version, in one transaction; nothing happens where they are.

    Raises:
        TunesmithError: a newer version of tunesmith made them.
    """
    config = _config()
    newest = ScriptDirectory.from_config(config).get_current_head()
    with engine.connect() as connection:
        if MigrationContext.configure(connection).get_current_revision() == newest:
            return
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            unhurried(connection)  # a large table, or another's migration
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
        _upgrade(config, connection)


def _upgrade(config: Config, connection: Connection) -> None:
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise TunesmithError(
            f"The store was made by a newer version of tunesmith ({error}).", "Run: pip install --upgrade tunesmith"
        ) from error


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "tunesmith.service.store:migrations")
    return config
