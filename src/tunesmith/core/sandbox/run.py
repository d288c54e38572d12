"""Run a program with its tests where it can do no harm."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from tunesmith.core.errors import SandboxError
from tunesmith.core.runtime import cores
from tunesmith.core.sandbox.guards import NOBODY
from tunesmith.core.sandbox.limits import Limits
from tunesmith.core.sandbox.watch import watch

Status = Literal["passed", "failed", "error", "syntax", "ended", "timeout", "memory", "output", "folder", "killed"]
"""All tests passed; one failed; an exception; not Python; it ended before its tests did; or it went too far."""

GUARDS = ("network", "files", "calls")
PROBE = "import datetime, heapq, itertools, json, math, random, re, string\nprint(math.pi)"
_ROOT = Path(__file__).parents[3]
_IMPORT = "from tunesmith.core.sandbox.inside import main"
_START = f"import sys; sys.path.insert(0, {str(_ROOT)!r})\n{_IMPORT}\nsys.path.pop(0)\n"
_BY_SIGNAL = {-24: "timeout", -31: "error"}  # SIGXCPU, SIGSYS


@dataclass(frozen=True)
class Outcome:
    """What came of a program.

    Args:
        status: see ``Status``.
        detail: the error and the line that it came from.
        printed: the first of what it printed.
        seconds: of the clock, the start of the process included.
    """

    status: Status
    detail: str
    printed: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every test passed."""
        return self.status == "passed"


def run(program: str, tests: str = "", limits: Limits | None = None) -> Outcome:
    """Run ``program`` as an imported module is, then ``tests`` among its names, by this process's own Python.

    It has Python's own library, no other packages, no network, no environment, an empty folder without folders in it,
    threads but no processes. The guards keep the machine whole. They do not keep a program that sets out to cheat from
    forging its own result.

    Raises:
        SandboxError: a guard is not to be had here; nothing was run.
    """
    guards()
    return _run(program, tests, limits or Limits(), GUARDS)[0]


def run_all(
    jobs: Iterable[tuple[str, str]],
    limits: Limits | None = None,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Outcome]:
    """``run`` for pairs of program and tests, several at a time, in order.

    Args:
        workers: programs at a time; None: one a core.
        progress: called with the number that are done.
    """
    guards()
    found: list[Outcome] = []
    with ThreadPoolExecutor(workers or cores()) as pool:
        for result in pool.map(lambda job: _run(job[0], job[1], limits or Limits(), GUARDS)[0], jobs):
            found.append(result)
            if progress is not None:
                progress(len(found))
    return found


@cache
def guards() -> tuple[str, ...]:
    """The guards that hold on this machine, tried once: "limits", "user", "files", "calls", and "network" where it can.

    Raises:
        SandboxError: one that must hold does not.
    """
    outcome, held = _run(PROBE, "", Limits(seconds=20), GUARDS)
    if not outcome.passed:
        raise SandboxError(
            f"Python cannot be run under guard here: {outcome.status} {outcome.detail or outcome.printed[-200:]}",
            "Let the user that runs this read Python's own library.",
        )
    return tuple(held)


def _run(program: str, tests: str, limits: Limits, asked: Sequence[str]) -> tuple[Outcome, list[str]]:
    """What came of it, and the guards that held."""
    if not sys.platform.startswith("linux"):
        raise SandboxError(f"Code that a model wrote is not run on {sys.platform}.", "Use Linux, or a container of it.")
    started, word = time.monotonic(), secrets.token_hex(16)
    job = {"program": program, "tests": tests, "word": word, "guards": list(asked), **vars(limits)}
    with tempfile.TemporaryDirectory(prefix="tunesmith-run-") as name, tempfile.TemporaryFile() as told:
        told.write(json.dumps(job).encode())
        told.seek(0)
        if os.getuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        reading, writing = os.pipe()
        try:
            child = _start(writing, told.fileno(), name)
            os.close(writing)
            seen = watch(child, reading, Path(name), limits)
        finally:
            os.close(reading)
    lines = [line for line in map(_parsed, seen.report.splitlines()) if line is not None]
    held = next((line["guards"] for line in lines if "guards" in line), None)
    if held is None and not seen.why:
        raise _refused(lines, seen.printed, seen.code)
    printed = seen.printed.decode("utf-8", "replace")
    status, detail = _result(lines, word, seen.why, seen.code)
    return Outcome(status, detail, printed, time.monotonic() - started), held or []


def _start(report: int, job: int, folder: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-s", "-P", "-S", "-B", "-c", f"{_START}main({report})"],
        stdin=job,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env={"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"},
        pass_fds=(report,),
        start_new_session=True,
    )


def _result(lines: Sequence[dict[str, Any]], word: str, why: str, code: int) -> tuple[Status, str]:
    told = next((line for line in reversed(lines) if "status" in line), None)
    if why:
        return why, ""  # type: ignore[return-value]
    if told is None:
        status = _BY_SIGNAL.get(code, "killed" if code < 0 else "ended")
        return status, f"exit code {code}"  # type: ignore[return-value]
    if told["status"] == "passed" and told.get("word") != word:
        return "ended", "it told of itself that it had passed"
    return told["status"], str(told.get("detail", ""))


def _refused(lines: Sequence[dict[str, Any]], printed: bytes, code: int) -> SandboxError:
    why = next((line["refused"] for line in lines if "refused" in line), "")
    last = printed.decode("utf-8", "replace").strip().splitlines()[-1:]
    return SandboxError(
        f"Code that a model wrote is not run here, since not all guards hold: {why or last or f'exit code {code}'}.",
        "It needs Linux 5.13 or later with Landlock and seccomp, on x86-64 or 64-bit Arm.",
    )


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
