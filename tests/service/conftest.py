"""A store on SQLite and on PostgreSQL, and a Redis: all real."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tunesmith.service.store.connect import connect
from tunesmith.service.store.migrate import open_store
from tunesmith.testing import servers

NUMBERS = count()


def started(server: AbstractContextManager[str]) -> Iterator[str]:
    try:
        with server as url:
            yield url
    except servers.NoServer as error:
        pytest.skip(f"NOT TESTED HERE: {error}")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    yield from started(servers.postgresql())


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    yield from started(servers.redis())


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store."""
    return sqlite_url(tmp_path) if request.param == "sqlite" else new_database(request)


@pytest.fixture
def store(store_url: str) -> Iterator[Engine]:
    """A store with its tables, on SQLite and on PostgreSQL."""
    engine = open_store(store_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Engine]:
    engine = open_store(sqlite_url(tmp_path))
    yield engine
    engine.dispose()


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """A Redis that holds nothing."""
    from redis import Redis

    Redis.from_url(redis_server.replace("redis+unix", "unix")).flushall()
    return redis_server


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder}/store.db"


def new_database(request: pytest.FixtureRequest) -> str:
    server: str = request.getfixturevalue("postgresql_server")
    name = f"test{next(NUMBERS)}"
    engine = connect(server).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return server.replace("/postgres?", f"/{name}?")
