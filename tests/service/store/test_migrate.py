from __future__ import annotations

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from tunesmith.core.errors import TunesmithError
from tunesmith.service.store.connect import connect, writing
from tunesmith.service.store.migrate import migrate, open_store
from tunesmith.service.store.tables import metadata


def test_migrated_tables_equal_the_tables_of_the_code(store: Engine) -> None:
    with store.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_second_time_changes_nothing(store: Engine) -> None:
    with writing(store) as connection:
        connection.execute(text("INSERT INTO changes VALUES ('客户', 7)"))
    migrate(store)
    with store.connect() as connection:
        assert connection.execute(text("SELECT * FROM changes")).all() == [("客户", 7)]


def test_many_processes_may_start_at_once(store_url: str) -> None:
    code = "import sys; from tunesmith.service.store.migrate import open_store; open_store(sys.argv[1])"
    processes = [subprocess.Popen([sys.executable, "-c", code, store_url]) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    assert "usage" in inspect(connect(store_url)).get_table_names()


def test_a_newer_store_is_refused(store: Engine, store_url: str) -> None:
    with writing(store) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(TunesmithError, match="newer version"):
        open_store(store_url)


def test_a_migration_that_fails_leaves_nothing(store_url: str) -> None:
    engine = connect(store_url)
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE usage (mine INTEGER)"))
    with pytest.raises(Exception, match="already exists"):
        migrate(engine)
    assert inspect(engine).get_table_names() == ["usage"]
    engine.dispose()


def test_the_wheel_has_the_migrations() -> None:
    """They are read as files, beside a package: each folder on the way must be one."""
    from importlib.resources import files

    folder = files("tunesmith.service.store") / "migrations"
    assert (folder / "env.py").is_file() and (folder / "versions" / "m0001_keys_and_usage.py").is_file()
