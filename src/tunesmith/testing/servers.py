"""Real servers for tests and benchmarks: PostgreSQL, Redis and Prometheus, each in a new folder, gone at the end.

The first two listen on a unix socket; Prometheus can only on a port.
"""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

INSTALL = "on Debian: apt-get install postgresql redis-server prometheus"
START_SECONDS = 60.0


class NoServer(Exception):
    """Its program is not on this machine."""


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a new, empty cluster.

    PostgreSQL refuses to run as root; root starts it as the user of Debian's package, or as nobody.

    Raises:
        NoServer: there is no initdb.
    """
    programs = _postgresql_programs()
    user = _unprivileged()
    with _folder(user) as folder:
        data = folder / "data"
        init: list[str | Path] = [
            programs / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]
        subprocess.run(init, check=True, stdout=subprocess.DEVNULL, user=user, cwd=folder)
        # fsync guards against a loss of power, which no test here makes
        options = ["-c", "fsync=off", "-c", "listen_addresses=", "-k", folder]
        command = [str(programs / "postgres"), "-D", str(data), *map(str, options)]
        ready: list[str | Path] = [programs / "pg_isready", "-q", "-h", folder]
        with _running(command, folder, user, lambda: subprocess.run(ready).returncode == 0):
            yield f"postgresql://postgres@/postgres?host={folder}"


@contextmanager
def redis() -> Iterator[str]:
    """The URL of a new, empty Redis that keeps nothing.

    Raises:
        NoServer: there is no redis-server.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise NoServer(f"no redis-server; {INSTALL}")
    with _folder(None) as folder:
        place = folder / "redis.sock"
        command = [program, "--port", "0", "--unixsocket", str(place), "--save", "", "--appendonly", "no"]
        with _running(command, folder, None, lambda: _listens(place)):
            yield f"redis+unix://{place}"


def _listens(place: Path) -> bool:
    """Whether somebody takes connections there: the file is made a moment before."""
    with socket.socket(socket.AF_UNIX) as tried:
        return tried.connect_ex(str(place)) == 0


@contextmanager
def prometheus(config: Path) -> Iterator[str]:
    """The URL of a new Prometheus.

    Args:
        config: a ``prometheus.yml``; files that it names are relative to its folder.

    Raises:
        NoServer: there is no prometheus.
    """
    program = shutil.which("prometheus")
    if program is None:
        raise NoServer(f"no prometheus; {INSTALL}")
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with _folder(None) as folder:
        places = [f"--config.file={config}", f"--storage.tsdb.path={folder}"]
        command = [program, *places, f"--web.listen-address=127.0.0.1:{port}"]
        with _running(command, folder, None, lambda: _answers(f"{url}/-/ready")):
            yield url


def _free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def _postgresql_programs() -> Path:
    on_path = shutil.which("initdb")
    found = [Path(on_path)] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if not found:
        raise NoServer(f"no initdb of PostgreSQL; {INSTALL}")
    return found[-1].resolve().parent


def _version(initdb: Path) -> float:
    return float(initdb.parts[-3])


def _unprivileged() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


@contextmanager
def _folder(user: str | None) -> Iterator[Path]:
    """A short path, as a socket's path may have 107 bytes; and not under a folder that only root may enter."""
    folder = Path(tempfile.mkdtemp(prefix="ts-", dir="/tmp"))
    try:
        shutil.chown(folder, user or getpass.getuser())
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(command: list[str], folder: Path, user: str | None, ready: Callable[[], bool]) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, user=user, stdout=log, stderr=log)
        try:
            _wait(process, ready, folder / "log")
            yield
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # PostgreSQL's "fast" shutdown; Redis stops, too
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:  # somebody who forgot to close goes on connecting
        process.send_signal(signal.SIGQUIT)  # nothing in it is wanted any more
        process.wait(START_SECONDS)


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{process.args!r} did not start: {log.read_text('utf-8', 'replace')[-2000:]}")
        time.sleep(0.02)
