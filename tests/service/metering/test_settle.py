from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from tunesmith.service.metering import settle as settling
from tunesmith.service.metering.event import Event, as_line
from tunesmith.service.metering.meter import Meter
from tunesmith.service.metering.settle import COUNTED_FOR, count, forget_seen, settle, settle_dead
from tunesmith.service.metering.wal import Wal
from tunesmith.service.store.connect import writing
from tunesmith.service.store.tables import seen, settled, usage
from tunesmith.testing.wait import until

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()


def event(number: object = 0, **more: Any) -> Event:
    values = {"request_id": f"req_{number}", "key": "k", "version": "1", "rows": 2, "tokens": 7, "at": NOON}
    return Event(**{**values, "product": "茶", **more})


def own(id: str = "client-1", **more: Any) -> Event:
    return event(request_id=id, **more)


def counted(store: Engine) -> int:
    with store.connect() as connection:
        return int(connection.execute(select(func.coalesce(func.sum(usage.c.requests), 0))).scalar_one())


def test_sums_by_key_product_version_and_hour(store: Engine) -> None:
    with writing(store) as connection:
        count(connection, [event(0), event(1), event(2, key="other"), event(3, at=NOON + 3600, status=500)])
    with writing(store) as connection:
        count(connection, [event(4, rows=10, tokens=100), event(5, version="2")])
    with store.connect() as connection:
        rows = connection.execute(select(usage).order_by(usage.c.key, usage.c.hour, usage.c.version)).all()
    day = date(2026, 11, 22)
    assert [tuple(row) for row in rows] == [
        ("k", day, 12, "茶", "1", 3, 0, 14, 114),
        ("k", day, 12, "茶", "2", 1, 0, 2, 7),
        ("k", day, 13, "茶", "1", 1, 1, 2, 7),
        ("other", day, 12, "茶", "1", 1, 0, 2, 7),
    ]


def test_days_are_of_utc(store: Engine) -> None:
    midnight = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
    with writing(store) as connection:
        count(connection, [event(0, at=midnight - 0.001), event(1, at=midnight)])
    with store.connect() as connection:
        found = connection.execute(select(usage.c.day, usage.c.hour).order_by(usage.c.day)).all()
    assert [tuple(row) for row in found] == [(date(2026, 11, 22), 23), (date(2026, 11, 23), 0)]


@pytest.mark.parametrize(
    "events",
    [
        [[own(), own()]],
        [[own()], [own(at=NOON + COUNTED_FOR - 1)]],
        [[own()], [own(at=NOON - 5)]],  # the file of a dead process, settled late
        [[own(), event("a"), own()], [own()]],
    ],
)
def test_a_clients_id_is_counted_once(store: Engine, events: list[list[Event]]) -> None:
    for batch in events:
        with writing(store) as connection:
            count(connection, batch)
    ours = sum(one.request_id.startswith("req_") for batch in events for one in batch)
    assert counted(store) == 1 + ours


@pytest.mark.parametrize(
    "events",
    [
        [[own()], [own(at=NOON + COUNTED_FOR)]],
        [[own(), own(key="other")]],
        [[own(digest="a"), own(digest="b")]],
        [[own(), own("client-2")]],
        [[own(status=503)], [own()]],  # a failure is not what a retry repeats
    ],
)
def test_what_is_another_request_is_counted(store: Engine, events: list[list[Event]]) -> None:
    for batch in events:
        with writing(store) as connection:
            count(connection, batch)
    assert counted(store) == 2


def test_many_clients_ids_at_once(store: Engine) -> None:
    events = [own(f"client-{number}") for number in range(3000)]
    with writing(store) as connection:
        count(connection, events)
    with writing(store) as connection:
        count(connection, [*events[1000:], *(own(f"new-{number}") for number in range(500))])
    assert counted(store) == 3500


def test_old_ids_are_forgotten(store: Engine) -> None:
    with writing(store) as connection:
        count(connection, [own("old"), own("new", at=NOON + 3 * COUNTED_FOR)])
    forget_seen(store, NOON + 3 * COUNTED_FOR)
    with store.connect() as connection:
        assert connection.execute(select(seen.c.request)).scalars().all() == ["new"]


def test_a_file_is_counted_from_where_it_was_left(store: Engine, tmp_path: Path) -> None:
    file = Wal(tmp_path)
    file.write([event(0)])
    assert (settle(store, *file.written()), settle(store, *file.written())) == (1, 0)
    file.write([event(1), event(2)])
    assert settle(store, *file.written()) == 2
    assert counted(store) == 3


@pytest.mark.parametrize("moment", ["count", "commit", "unlink", "forget"])
def test_killed_at_any_moment_it_is_counted_once(
    store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """What a kill leaves behind at each step of settling a dead process's file."""
    file = Wal(tmp_path)
    file.write([event(number) for number in range(5)])
    file.close()

    class Killed(Exception):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    if moment == "count":
        monkeypatch.setattr(settling, "update", killed)  # usage is added, the offset is not yet
    elif moment == "commit":
        monkeypatch.setattr(settling, "_say_what_is_left", killed)  # committed, the file is there
    elif moment == "unlink":
        monkeypatch.setattr(Path, "unlink", killed)
    else:
        monkeypatch.setattr(settling, "delete", killed)  # the file is gone, its offset is not
    with pytest.raises(Killed):
        settle_dead(store, tmp_path)
    assert counted(store) == (0 if moment == "count" else 5)
    monkeypatch.undo()
    settle_dead(store, tmp_path)
    assert counted(store) == 5 and list(tmp_path.glob("*.wal")) == []
    if moment != "forget":
        with store.connect() as connection:
            assert connection.execute(select(settled)).all() == []


def test_several_settle_the_same_folder_at_once(store: Engine, tmp_path: Path) -> None:
    for number in range(6):
        file = Wal(tmp_path)
        file.write([event(f"{number}.{inner}") for inner in range(50)] + [own(f"same-{inner}") for inner in range(50)])
        file.close()
    threads = [Thread(target=settle_dead, args=(store, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settle_dead(store, tmp_path)
    assert counted(store) == 6 * 50 + 50


def test_the_same_live_file_settled_by_two_threads(store: Engine, tmp_path: Path) -> None:
    file = Wal(tmp_path)
    file.write([event(number) for number in range(500)])
    threads = [Thread(target=settle, args=(store, *file.written())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted(store) == 500


def test_a_torn_end_is_said_and_damage_is_kept(
    sqlite_store: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "torn.wal").write_bytes(as_line(event(0)) + as_line(event(1))[:-9])
    (tmp_path / "damaged.wal").write_bytes(as_line(event(2)) + b"damage\n" + as_line(event(3)))
    with caplog.at_level(logging.WARNING):
        settle_dead(sqlite_store, tmp_path)
    assert counted(sqlite_store) == 3
    assert "no whole event" in caplog.text and "1 damaged lines" in caplog.text
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".db"].count("damaged.damaged") == 1
    assert not list(tmp_path.glob("*.wal"))


def test_a_meter_counts_what_a_dead_process_left(store: Engine, tmp_path: Path) -> None:
    file = Wal(tmp_path / "wal")
    file.write([event(0)])
    file.close()
    meter = Meter(store, tmp_path / "wal", every=60)
    assert counted(store) == 1
    meter.write([event(1)])
    meter.settle()
    assert counted(store) == 2
    meter.write([event(2)])
    meter.close()
    assert counted(store) == 3 and list((tmp_path / "wal").iterdir()) == []


def test_a_meter_goes_on_while_the_store_is_away(
    sqlite_store: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Meter(sqlite_store, tmp_path / "wal", every=0.01, largest=500)

    def away(*_: object) -> None:
        raise ConnectionError("the store is away")

    monkeypatch.setattr(settling, "count", away)
    for number in range(20):
        meter.write([event(number)])
    assert until(lambda: "away" in meter.problem)
    assert caplog.text.count("the store is away") == 1  # said once, not a hundred times a second
    monkeypatch.undo()
    assert until(lambda: counted(sqlite_store) == 20 and not meter.problem)
    meter.close()


def test_a_meter_that_cannot_settle_at_the_end_leaves_it_to_the_next(
    sqlite_store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Meter(sqlite_store, tmp_path / "wal", every=60)
    meter.write([event(0)])

    def away(*_: object) -> None:
        raise ConnectionError("the store is away")

    monkeypatch.setattr(settling, "count", away)
    meter.close()
    assert counted(sqlite_store) == 0
    monkeypatch.undo()
    Meter(sqlite_store, tmp_path / "wal", every=60).close()
    assert counted(sqlite_store) == 1
