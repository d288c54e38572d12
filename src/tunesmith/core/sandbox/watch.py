"""A child that runs is watched from outside: what it prints and writes, and the clock."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tunesmith.core.sandbox.limits import Limits

_LOOK = 0.05
"""Seconds between two looks at the folder."""
_CHUNK = 65536
_START = 30.0
"""Seconds until the guards are on: a busy machine is not the program's fault, and no program runs yet."""


@dataclass
class Watched:
    """What was seen of a child.

    Args:
        report: what it told.
        printed: the first of what it printed.
        why: why it was killed: "timeout", "output", "folder"; "" where it ended by itself.
        code: its exit code, below 0 for a signal.
    """

    report: bytes
    printed: bytes
    why: str
    code: int


def watch(child: subprocess.Popen[bytes], report: int, folder: Path, limits: Limits) -> Watched:
    """Read what a child tells and prints until it ends or goes too far; afterwards nothing of it is left.

    The program's clock starts with the first line that the child tells.

    Args:
        child: leads a process group; its standard output is a pipe.
        report: the reading end of the pipe on which it tells what came of it.
        folder: that it may write, without folders in it.
    """
    until = time.monotonic() + _START
    told, printed, much, why = b"", b"", 0, ""
    assert child.stdout is not None
    with selectors.DefaultSelector() as ready:
        ready.register(report, selectors.EVENT_READ)
        ready.register(child.stdout, selectors.EVENT_READ)
        try:
            while ready.get_map() and not why:
                for key, _ in ready.select(min(_LOOK, max(0.0, until - time.monotonic()))):
                    chunk = os.read(key.fd, _CHUNK)
                    if not chunk:
                        ready.unregister(key.fileobj)
                    elif key.fd == report:
                        until = until if told else time.monotonic() + limits.seconds
                        told = (told + chunk)[:_CHUNK]
                    else:
                        much += len(chunk)
                        printed = (printed + chunk)[: limits.shown]
                why = _too_far(much, folder, until, limits)
            if not why:
                why = _ended(child, until)
        finally:
            kill(child)
    return Watched(told, printed, why, child.wait())


def kill(child: subprocess.Popen[bytes]) -> None:
    """The whole group and the child itself, if it is still there."""
    if child.returncode is None:  # not waited for: its number is still its own
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.kill()


def _too_far(printed: int, folder: Path, until: float, limits: Limits) -> str:
    if printed > limits.output:
        return "output"
    sizes = [_size(entry) for entry in os.scandir(folder)]
    if len(sizes) > limits.files or sum(sizes) > limits.folder:
        return "folder"
    return "timeout" if time.monotonic() >= until else ""


def _size(entry: os.DirEntry[str]) -> int:
    with suppress(OSError):
        return entry.stat(follow_symlinks=False).st_size
    return 0


def _ended(child: subprocess.Popen[bytes], until: float) -> str:
    """Both pipes are closed: it has ended, or has closed them and goes on."""
    try:
        child.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return "timeout"
    return ""
