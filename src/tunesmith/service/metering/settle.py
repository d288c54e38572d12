"""Write-ahead files are counted in the store, each event once, whatever is killed when.

A file's events and its new offset are stored in one transaction. If it is committed, the next one starts behind
them; if not, neither is there and it starts at the same place again. A file is removed only after its last byte is
counted, and its offset is forgotten only after that.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, select, update

from tunesmith.core.lock import WINDOWS
from tunesmith.service.metering.event import Event
from tunesmith.service.metering.wal import SUFFIX, UNBORN, owned, read_part, removed
from tunesmith.service.store.connect import unhurried, upsert, writing
from tunesmith.service.store.tables import seen, settled, usage

log = logging.getLogger(__name__)

COUNTED_FOR = 24 * 3600.0
"""Seconds for which a client's own request id is not counted again."""
KEPT_FOR = 2 * COUNTED_FOR
"""Longer, as the file of a dead process may be settled late."""
TORN_AT_MOST = 2**20
SUMS = ("requests", "failed", "rows", "tokens")


def settle(engine: Engine, path: Path, end: int | None = None) -> int:
    """Count what is new in a file, up to ``end``; returns how many events were read."""
    read = 0
    while True:
        with writing(engine) as connection:
            start = _offset(connection, path.name)
            part = read_part(path, start, end)
            if part.end == start:
                return read
            count(connection, part.events)
            connection.execute(update(settled).where(settled.c.file == path.name).values(offset=part.end))
        read += len(part.events)
        if part.damaged:
            log.error("%s: %d damaged lines between %d and %d", path, part.damaged, start, part.end)
            _keep(path)


def settle_dead(engine: Engine, folder: Path) -> int:
    """Count and remove the files of processes that are gone; returns how many events were read."""
    read = 0
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        gone = False
        with owned(path) as ours:
            if ours:
                read += settle(engine, path)
                _say_what_is_left(engine, path)
                gone = not WINDOWS and removed(path)
        # Windows removes no open file, and lets nobody open one in the moment when it is removed.
        if ours and (gone or (WINDOWS and removed(path))):
            with writing(engine) as connection:
                connection.execute(delete(settled).where(settled.c.file == path.name))
    for path in folder.glob(f"*{UNBORN}"):
        with owned(path) as ours:
            if ours and time.time() - path.stat().st_mtime > 60:
                path.unlink()
    return read


def count(connection: Connection, events: Sequence[Event]) -> None:
    """Add events to the usage; a client's own id that was counted in the last 24 hours is passed over."""
    fresh = [event for event in events if not event.retriable] + _not_seen(connection, events)
    sums = defaultdict[tuple[str, date, int, str, str], list[int]](lambda: [0] * len(SUMS))
    for event in fresh:
        at = datetime.fromtimestamp(event.at, UTC)
        failed = event.requests if event.status >= 400 else 0
        total = sums[event.key, at.date(), at.hour, event.product, event.version]
        for place, number in enumerate((event.requests, failed, event.rows, event.tokens)):
            total[place] += number
    columns = [column.name for column in usage.primary_key]
    # In one order everywhere, so that two processes on PostgreSQL never wait for each other in a circle.
    rows = [dict(zip((*columns, *SUMS), (*key, *total), strict=True)) for key, total in sorted(sums.items())]
    if rows:
        insert = upsert(connection, usage)
        added = {name: usage.c[name] + insert.excluded[name] for name in SUMS}
        connection.execute(insert.on_conflict_do_update(index_elements=columns, set_=added), rows)


def forget_seen(engine: Engine, now: float | None = None) -> None:
    """Drop request ids that are too old to matter."""
    with writing(engine) as connection:
        unhurried(connection)
        connection.execute(delete(seen).where(seen.c.at < (time.time() if now is None else now) - KEPT_FOR))


def _not_seen(connection: Connection, events: Iterable[Event]) -> list[Event]:
    """Those with a client's own id that was not counted in the 24 hours before, which are noted."""
    own: dict[tuple[str, str, str], Event] = {}
    for event in events:
        if event.retriable:
            own.setdefault((event.key, event.request_id, event.digest), event)
    if not own:
        return []
    insert = upsert(connection, seen)
    statement = insert.on_conflict_do_update(
        index_elements=[column.name for column in seen.primary_key],
        set_={"at": insert.excluded.at},
        where=insert.excluded.at - seen.c.at >= COUNTED_FOR,
    ).returning(seen.c.key, seen.c.request, seen.c.digest)
    rows = [
        {"key": key, "request": id, "digest": digest, "at": own[key, id, digest].at} for key, id, digest in sorted(own)
    ]
    return [own[row.key, row.request, row.digest] for row in connection.execute(statement, rows)]


def _say_what_is_left(engine: Engine, path: Path) -> None:
    """A torn last line was never acknowledged; more than that is a disk's fault, and is kept to be looked at."""
    with engine.connect() as connection:
        end = connection.execute(select(settled.c.offset).where(settled.c.file == path.name)).scalar_one()
    left = path.stat().st_size - end
    if left:
        log.warning("%s: its last %d bytes are no whole event; their request was not answered", path, left)
    if left > TORN_AT_MOST:
        _keep(path)


def _keep(path: Path) -> None:
    shutil.copyfile(path, path.with_suffix(".damaged"))


def _offset(connection: Connection, file: str) -> int:
    """How much of a file is counted. The row is locked until the end of the transaction."""
    connection.execute(upsert(connection, settled).values(file=file, offset=0).on_conflict_do_nothing())
    statement = select(settled.c.offset).where(settled.c.file == file).with_for_update()
    return int(connection.execute(statement).scalar_one())
