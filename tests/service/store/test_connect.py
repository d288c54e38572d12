from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from tunesmith.core.errors import TunesmithError
from tunesmith.service.store.connect import _postgresql, connect, shown, unhurried, writing

SECRET = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        f"mysql://me:{SECRET}@host/db",
        f"postgresql://me:{SECRET}@127.0.0.1:1/db",
        f"postgresql://me:{SECRET}@/db?host=/nowhere",
        f"postgres://127.0.0.1:1/db?user=me&password={SECRET}",
        f"://{SECRET}",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////no/such/folder/store.db",
    ],
)
def test_a_bad_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(TunesmithError) as caught:
        connect(url)
    assert SECRET not in str(caught.value) and caught.value.__cause__ is None
    assert "sqlite:///" in caught.value.hint


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("顾客,评价\n" * 100, "utf-8")
    with pytest.raises(TunesmithError, match="not a database"):
        connect(f"sqlite:///{tmp_path}/store.db")


def test_shown_hides_every_password() -> None:
    assert shown(f"postgresql+psycopg://me:{SECRET}@host/db?sslpassword={SECRET}") == (
        "postgresql://me:***@host/db?sslpassword=hidden"
    )


def test_sqlite_is_set_up_for_many_processes(sqlite_store: Engine) -> None:
    with sqlite_store.connect() as connection:
        told = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS}
    assert told == PRAGMAS


PRAGMAS = {"journal_mode": "wal", "busy_timeout": 10_000, "foreign_keys": 1, "synchronous": 2}


def test_a_folder_with_a_chinese_name(tmp_path: Path) -> None:
    (tmp_path / "客户 数据").mkdir()
    connect(f"sqlite:///{tmp_path}/客户 数据/store.db").dispose()
    assert sqlite3.connect(tmp_path / "客户 数据" / "store.db").execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_writers_that_read_first_wait_for_each_other(store: Engine) -> None:
    """With a plain BEGIN on SQLite, all but one of these fail at once: "database is locked"."""
    with writing(store) as connection:
        connection.execute(text("INSERT INTO changes VALUES ('test', 0)"))

    def add() -> None:
        for _ in range(20):
            with writing(store) as connection:
                number = connection.execute(
                    text("SELECT number FROM changes" + FOR_UPDATE[store.dialect.name])
                ).scalar_one()
                connection.execute(text("UPDATE changes SET number = :n"), {"n": number + 1})

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.connect() as connection:
        assert connection.execute(text("SELECT number FROM changes")).scalar_one() == 80


FOR_UPDATE = {"sqlite": "", "postgresql": " FOR UPDATE"}


def test_what_fails_half_way_is_not_there(store: Engine) -> None:
    with pytest.raises(ZeroDivisionError), writing(store) as connection:
        connection.execute(text("INSERT INTO changes VALUES ('test', 0)"))
        raise ZeroDivisionError
    with store.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM changes")).scalar_one() == 0


def test_a_postgresql_that_vanishes_is_noticed_in_seconds() -> None:
    engine = _postgresql(make_url("postgresql+psycopg://me@host/name?keepalives_idle=60"), 0)
    asked = {name: int(str(engine.url.query[name])) for name in ("keepalives_interval", "keepalives_count")}
    assert asked["keepalives_interval"] * asked["keepalives_count"] <= 10
    assert 0 < int(str(engine.url.query["tcp_user_timeout"])) <= 10_000
    assert engine.url.query["keepalives_idle"] == "60", "what the URL says, holds"


def test_no_statement_of_the_service_takes_for_ever_and_a_command_may(store: Engine) -> None:
    if store.dialect.name == "postgresql":
        url = store.url.render_as_string(hide_password=False)
        for engine, wanted in ((connect(url, 10_000), "10s"), (connect(url), "0")):
            with engine.connect() as connection:
                assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == wanted
            with writing(engine) as connection:
                unhurried(connection)
                assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "0"
            engine.dispose()
