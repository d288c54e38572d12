"""kill -9 at random moments: what is counted is what was acknowledged."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, func, select

from tunesmith.service.metering.meter import Meter
from tunesmith.service.store.tables import seen, settled, usage

KILLS = int(os.environ.get("TUNESMITH_KILLS", "6"))
IN_FLIGHT = 3  # the most events of one write in ``killed``


class Victim:
    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder, self.draw = process, folder, random.Random(7)

    def killed(self, first: int, version: str, own: bool) -> list[int]:
        """Let it work, kill it, and say what it had acknowledged."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{first} {version} {'own' if own else 'ours'}\n")
        self.process.stdin.flush()
        child = int(self.process.stdout.readline())
        path = self.folder / f"acknowledged-{version}-{first}"
        end = time.monotonic() + 30
        while not (path.exists() and path.stat().st_size) and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(self.draw.uniform(0, 0.08))
        os.kill(child, signal.SIGKILL)
        assert self.process.stdout.readline() == "dead\n"
        # a torn last line was not acknowledged
        return [int(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


@contextmanager
def victim(url: str, folder: Path) -> Iterator[Victim]:
    program = [sys.executable, str(Path(__file__).with_name("killed.py")), url, str(folder)]
    process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Victim(process, folder)
    finally:
        process.communicate()


def test_what_was_acknowledged_is_counted_once(store: Engine, store_url: str, tmp_path: Path) -> None:
    with victim(store_url, tmp_path) as process:
        acknowledged = {str(kill): process.killed(0, str(kill), own=False) for kill in range(KILLS)}
    Meter(store, tmp_path / "wal").close()
    for version, numbers in acknowledged.items():
        with store.connect() as connection:
            columns = (func.sum(usage.c.requests), func.sum(usage.c.tokens))
            counted, tokens = connection.execute(select(*columns).where(usage.c.version == version)).one()
        assert numbers == list(range(len(numbers))) and numbers
        # all that was acknowledged, and at most the one write that was in flight
        assert len(numbers) <= counted <= len(numbers) + IN_FLIGHT
        assert tokens == sum(range(int(counted)))  # these very ids, none twice
    assert_nothing_is_left(store, tmp_path)


def test_with_retries_under_the_same_id_the_count_is_exact(store: Engine, store_url: str, tmp_path: Path) -> None:
    """A client asks again, with the same id, whatever it got no answer to."""
    first = 0
    with victim(store_url, tmp_path) as process:
        for _ in range(KILLS):
            first = process.killed(first, "1", own=True)[-1] + 1
    Meter(store, tmp_path / "wal").close()
    with store.connect() as connection:
        counted, tokens = connection.execute(select(func.sum(usage.c.requests), func.sum(usage.c.tokens))).one()
        ids = connection.execute(select(func.count()).select_from(seen)).scalar_one()
    assert first <= counted <= first + IN_FLIGHT  # the last kill has no retry
    assert counted == ids and tokens == sum(range(int(counted)))
    assert_nothing_is_left(store, tmp_path)


def assert_nothing_is_left(store: Engine, folder: Path) -> None:
    assert [path.name for path in (folder / "wal").iterdir() if path.suffix != ".new"] == []
    with store.connect() as connection:
        # a kill between a file's removal and the removal of its offset may leave a row, which means nothing
        assert len(connection.execute(select(settled)).all()) <= KILLS
