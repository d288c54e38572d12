from __future__ import annotations

import errno
import os
import random
from pathlib import Path
from typing import Any

import pytest

from tunesmith.service.metering import wal
from tunesmith.service.metering.event import Event, as_line, digest_of, of_line
from tunesmith.service.metering.wal import Wal, owned, read_part


def event(number: int = 0, **more: Any) -> Event:
    return Event(f"req_{number}", "k", "茶", "1", rows=1, tokens=7, **{"at": 1.5, **more})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = Wal(tmp_path)
    events = [event(number, at=1.5) for number in range(5)]
    file.write(events[:2])
    middle = file.written()[1]
    file.write(events[2:])
    path, size = file.written()
    assert read_part(path, 0).events == events
    assert read_part(path, middle).events == events[2:]
    assert read_part(path, 0, middle).events == events[:2]
    assert read_part(path, 0).end == size == path.stat().st_size
    assert read_part(path, 0, most=middle + 5).events == events[:2]


def test_one_write_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    write = os.write
    monkeypatch.setattr(wal.os, "write", lambda handle, data: calls.append(len(data)) or write(handle, data))
    Wal(tmp_path).write([event(number) for number in range(100)])
    assert len(calls) == 1


def test_a_line_cut_anywhere_is_recognised(tmp_path: Path) -> None:
    line = as_line(event(1))
    path = tmp_path / "one.wal"
    for cut in range(len(line)):
        path.write_bytes(as_line(event(0)) + line[:cut])
        part = read_part(path, 0)
        assert [found.request_id for found in part.events] == ["req_0"] and part.damaged == 0
        assert part.end == len(as_line(event(0)))


def test_a_changed_byte_is_recognised() -> None:
    line, draw = as_line(event(1, at=5.0)), random.Random(1)
    for place in range(len(line) - 1):
        changed = bytearray(line)
        changed[place] ^= 1 << draw.randrange(8)
        assert of_line(bytes(changed)) is None, place


def test_damage_in_the_middle_does_not_hide_what_follows(tmp_path: Path) -> None:
    path = tmp_path / "one.wal"
    path.write_bytes(as_line(event(0)) + b"\x00\r\xff\n" + as_line(event(1)))
    part = read_part(path, 0)
    assert [found.request_id for found in part.events] == ["req_0", "req_1"] and part.damaged == 1


def test_half_a_write_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: nothing of the failed write is left, and the next one stands where it stood."""
    file = Wal(tmp_path)
    file.write([event(0)])
    write = os.write
    monkeypatch.setattr(wal.os, "write", lambda handle, data: write(handle, data[:20]))
    with pytest.raises(OSError) as caught:
        file.write([event(1)])
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    file.write([event(2)])
    path, size = file.written()
    assert [found.request_id for found in read_part(path, 0).events] == ["req_0", "req_2"]
    assert size == path.stat().st_size


def test_where_it_cannot_be_taken_back_another_file_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Wal(tmp_path)
    file.write([event(0)])
    first, write = file.written()[0], os.write

    def fails(*_: Any) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(wal.os, "write", lambda handle, data: write(handle, data[:20]))
    monkeypatch.setattr(wal.os, "ftruncate", fails)
    with pytest.raises(OSError, match="No space"):
        file.write([event(1)])
    monkeypatch.undo()
    file.write([event(2)])
    assert file.written()[0] != first
    paths = sorted(tmp_path.glob("*.wal"), key=first.__ne__)
    assert [found.request_id for path in paths for found in read_part(path, 0).events] == ["req_0", "req_2"]


def test_a_file_is_owned_by_others_only_when_it_was_let_go(tmp_path: Path) -> None:
    file = Wal(tmp_path)
    file.write([event(0)])
    path = file.written()[0]
    with owned(path) as ours:
        assert not ours
    file.close()
    with owned(path) as ours, owned(path) as twice:
        assert ours and not twice
    path.unlink()
    with owned(path) as ours:
        assert not ours


def test_files_are_changed_when_they_are_large(tmp_path: Path) -> None:
    file = Wal(tmp_path, largest=300)
    for number in range(10):
        file.write([event(number)])
    paths = list(tmp_path.glob("*.wal"))
    assert len(paths) > 2
    assert sorted(found.request_id for path in paths for found in read_part(path, 0).events) == [
        f"req_{number}" for number in range(10)
    ]
    alive = []
    for path in paths:
        with owned(path) as ours:
            alive += [] if ours else [path]
    assert alive == [file.written()[0]]


def test_fsync_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(wal.os, "fsync", calls.append)
    Wal(tmp_path / "no").write([event(0)])
    assert calls == []
    Wal(tmp_path / "yes", fsync=True).write([event(0)])
    assert calls


def test_the_digest_is_of_the_question() -> None:
    assert digest_of([{"a": 1, "b": "好"}]) == digest_of([{"b": "好", "a": 1}])
    assert digest_of([{"a": 1}]) != digest_of([{"a": 2}])
    assert len(digest_of([{"what": object}])) == 24
