"""A folder that is whole or absent: written beside its place under a hidden name, made durable, renamed.

At any moment the place holds the old folder, the new one, or nothing; never a part of one. What a killed process
leaves is a hidden ``.name.<pid>.part``, which the next writer to the same place removes.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunesmith.core.durable import fsync
from tunesmith.core.errors import BundleError

AT_FDCWD, RENAME_EXCHANGE = -100, 2


@contextmanager
def part_folder(target: Path) -> Iterator[Path]:
    """A new hidden folder beside ``target``; gone at the end unless it was renamed by then.

    Raises:
        BundleError: another thread of this process is writing there.
        OSError: the folder cannot be made.
    """
    clean_stale(target)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.mkdir()
    except FileExistsError as error:
        raise BundleError(f"Another writer is at work on {target}.", "Wait for it, or name another folder.") from error
    lock = _lock(part)
    try:
        yield part
    finally:
        if lock is not None:
            os.close(lock)
        shutil.rmtree(part, ignore_errors=True)


def put_in_place(part: Path, target: Path) -> None:
    """Rename the finished folder to its place; a folder that is there is swapped out in the same instant.

    The old folder ends under the part's name. Where the system cannot swap, it is renamed aside first.
    """
    fsync_tree(part)
    if not target.exists() or not any(target.iterdir()):
        if target.is_dir():  # Windows renames over nothing, not even an empty folder
            target.rmdir()
        os.rename(part, target)
    elif not exchange(part, target):
        aside = target.with_name(f".{target.name}.{os.getpid()}.old")
        os.rename(target, aside)
        os.rename(part, target)
        shutil.rmtree(aside, ignore_errors=True)
    fsync(target.parent)


def exchange(one: Path, other: Path) -> bool:
    """Swap two names atomically with Linux's renameat2; False where that is not to be had."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0)


def fsync_tree(folder: Path) -> None:
    """Make every file and folder durable, the inner ones first."""
    for inner, _, names in os.walk(folder, topdown=False):
        for name in names:
            fsync(Path(inner, name))
        fsync(Path(inner))


def clean_stale(target: Path) -> list[Path]:
    """Remove what dead writers to ``target`` left beside it; bring back a folder that was only set aside.

    Returns:
        the folders removed.
    """
    pattern = re.compile(re.escape(f".{target.name}.") + r"(\d+)\.(part|old)")
    removed: list[Path] = []
    for path in sorted(target.parent.iterdir()):
        found = pattern.fullmatch(path.name)
        if found is None or not _is_dead(path, int(found[1])):
            continue
        if found[2] == "old" and not target.exists():
            os.rename(path, target)
            continue
        shutil.rmtree(path, ignore_errors=True)
        removed.append(path)
    return removed


def _is_dead(part: Path, pid: int) -> bool:
    """Whether nobody writes there: no living process of that id, or (ids recur in containers) no lock of ours."""
    if pid == os.getpid() or not _is_alive(pid):
        lock = _lock(part)
        if lock is not None:
            os.close(lock)
        return lock is not None
    return False


def _is_alive(pid: int) -> bool:
    if os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _lock(folder: Path) -> int | None:
    """A handle that holds the folder's lock until closed, or until the process dies; None: another has it."""
    if os.name == "nt":
        return os.open(os.devnull, os.O_RDONLY)
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        with contextlib.suppress(OSError):
            os.close(handle)
        return None
    return handle
