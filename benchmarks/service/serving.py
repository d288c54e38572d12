"""A server in a process group of its own: started, waited for until it is ready, looked at, ended or killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PEERS = Path(__file__).with_name("peers.py")
HOST = "127.0.0.1"


class Serving:
    """A server under test; ``with`` starts it, waits until it is ready, and ends all of its processes.

    Args:
        command: what starts it.
        port: where it listens.
        ready: the path that answers 200 once it is ready.
        folder: where it runs: what it prints goes into ``server.log`` there.
        env: more environment.
        patience: seconds that it may take to become ready.
    """

    def __init__(
        self,
        command: Sequence[Any],
        port: int,
        ready: str,
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        patience: float = 180.0,
    ) -> None:
        self.command, self.port, self.ready, self.folder = [str(word) for word in command], port, ready, folder
        self.env, self.patience = {**os.environ, "TOKENIZERS_PARALLELISM": "false", **(env or {})}, patience
        if self.env.get("PYTHONPATH"):  # it runs elsewhere
            places = self.env["PYTHONPATH"].split(os.pathsep)
            self.env["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, places))
        self.process: subprocess.Popen[bytes] | None = None
        self.seconds = 0.0
        """From the start to ready."""

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it is ready.

        Raises:
            SystemExit: it ended, or is not ready in time; with the end of what it printed.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        began, printed = time.perf_counter(), self.folder / "server.log"
        with printed.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        while status(f"{self.url}{self.ready}") != 200:
            if self.process.poll() is not None or time.perf_counter() - began > self.patience:
                told = printed.read_text("utf-8", "replace")[-2000:]
                raise SystemExit(f"{' '.join(self.command)} is not ready (exit {self.process.poll()}):\n{told}")
            time.sleep(0.02)
        self.seconds = time.perf_counter() - began

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL to all of its processes, now."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            until = time.perf_counter() + 10
            while self.pids() and time.perf_counter() < until:  # the next server shall find idle cores
                time.sleep(0.02)

    def stop(self, patience: float = 20.0) -> float:
        """SIGTERM, and SIGKILL to what is left of its group; seconds until it had ended by itself."""
        began = time.perf_counter()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        seconds = time.perf_counter() - began
        self.kill()
        return seconds

    def pids(self) -> list[int]:
        """Of it and of all that it has started."""
        assert self.process is not None
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _session(pid) == self.process.pid]

    def memory(self) -> dict[str, float]:
        """MiB of all its processes: ``rss``, and ``pss``, where a page that several share counts by its share."""
        return memory(self.pids())


def memory(pids: Sequence[int]) -> dict[str, float]:
    """MiB that processes hold together."""
    found = {"rss": 0.0, "pss": 0.0}
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
                name, _, rest = line.partition(":")
                if name.lower() in found:
                    found[name.lower()] += int(rest.split()[0]) / 1024
    return {name: round(value, 1) for name, value in found.items()}


def _session(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[3])
    except (OSError, IndexError):
        return 0


def status(url: str) -> int:
    """The status of a GET; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, http.client.HTTPException):
        return 0


def call(method: str, url: str, value: Any = None, key: str = "") -> Any:
    """A call with JSON both ways.

    Raises:
        SystemExit: the answer is no success; with what it said.
    """
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    data = None if value is None else json.dumps(value).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=60) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{method} {url}: {error.code} {error.read().decode('utf-8', 'replace')}") from error


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as made:
        made.bind((HOST, 0))
        return int(made.getsockname()[1])


def ours(what: Path, folder: Path, *options: Any, env: Mapping[str, str] | None = None) -> Serving:
    """``tunesmith serve`` of a bundle or a catalog."""
    port = free_port()
    command = [sys.executable, "-m", "tunesmith", "serve", what, "--port", port, *options]
    return Serving(command, port, "/readyz", folder, env=env)


def catalog(folder: Path, values: Mapping[str, Any]) -> Path:
    """A ``catalog.yaml`` in a folder that holds nothing else yet; its store and its files are there, too."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / "catalog.yaml"
    path.write_text(json.dumps(values), "utf-8")  # JSON is YAML
    return path


def naive(bundle: Path, folder: Path) -> Serving:
    """FastAPI with ``transformers.pipeline``."""
    port = free_port()
    return Serving([sys.executable, PEERS, "naive", "--bundle", bundle, "--port", port], port, "/health", folder)


def litserve(bundle: Path, folder: Path, python: str, *options: Any) -> Serving:
    """LitServe, by the python that has it."""
    port = free_port()
    command = [python, PEERS, "litserve", "--bundle", bundle, "--port", port, *options]
    return Serving(command, port, "/health", folder, env={"PYTHONPATH": ""})


def load(url: str, texts: Path, *options: Any) -> dict[str, Any]:
    """What ``load.py`` said, run to its end."""
    return printed(loading(url, texts, *options))


def loading(url: str, texts: Path, *options: Any) -> subprocess.Popen[str]:
    """``load.py``, started."""
    command = [sys.executable, Path(__file__).with_name("load.py"), "--url", url, "--texts", texts, *options]
    return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True, encoding="utf-8")


def printed(load: subprocess.Popen[str]) -> dict[str, Any]:
    """What a load said at its end.

    Raises:
        SystemExit: it failed.
    """
    said, _ = load.communicate()
    if load.returncode:
        raise SystemExit(f"load.py failed (exit code {load.returncode})")
    found: dict[str, Any] = json.loads(said)
    return found
