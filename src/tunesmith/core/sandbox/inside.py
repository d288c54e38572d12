"""The child's side: guards on, then the program, then its tests; what came of it goes to a pipe as lines of JSON.

Started as ``python -s -P -S -B -c "..."`` by ``run.py``, in a fresh folder and without an environment, with the job as
JSON on the standard input.
"""

from __future__ import annotations

import json
import linecache
import os
import sys
import types
from contextlib import suppress
from pathlib import Path
from typing import Any

from tunesmith.core.sandbox import guards, landlock, seccomp

LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo", "/dev/urandom")
SHOWN = 500
"""Characters of an error that are told."""


def main(report: int) -> None:
    """Read the job, put the guards on, run it, and tell the file ``report``."""
    job = json.load(sys.stdin)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 - the program's own, to the end
    try:
        _tell(report, {"guards": guarded(job)})
    except (OSError, ValueError) as error:
        _tell(report, {"refused": str(error) or repr(error)})
        return
    told = outcome(job)
    with suppress(BaseException):  # the program may have put anything in its place
        sys.stdout.flush()
    _tell(report, told)
    os._exit(0)  # threads that the program started are not waited for


def guarded(job: dict[str, Any]) -> list[str]:
    """Put on every guard of ``job["guards"]``; the ones that hold.

    Raises:
        OSError: one that must hold does not.
    """
    asked, held = set(job["guards"]), []
    library = Path(os.__file__).parent
    guards.limit(job["seconds"], job["memory"], job["file_size"])
    alone = "network" in asked and guards.without_network(own_user=False)
    reading = guards.become_nobody(library)
    if not alone and not reading and "network" in asked:
        alone = guards.without_network(own_user=True)
        guards.lay_down_capabilities()
    guards.limit_threads(job["threads"])
    guards.end_with_parent()
    held += ["limits", "user", *(["network"] if alone else [])]
    if "files" in asked:
        readable = [*LIBRARIES, str(library), f"{sys.base_prefix}/lib"]
        landlock.put_on(read=readable, write=[".", "/dev/null"])
        held.append("files")
    if "calls" in asked:
        seccomp.put_on()
        held.append("calls")
    missing = [name for name in ("files", "calls") if name not in held]
    if missing:
        raise OSError(f"without {' and '.join(missing)}")
    return held


def outcome(job: dict[str, Any]) -> dict[str, str]:
    """Run the program, then its tests among its names: ``{"status", "detail"}``; the job's word where all passed.

    The program is run as if its tests imported it: what it does as ``__main__`` only, like asking for input, it does
    not do. Its tests are ``__main__``.
    """
    module = types.ModuleType("program")
    sys.modules["__main__"] = sys.modules["program"] = module
    sys.argv = ["program.py"]
    os.environ.clear()
    try:
        _execute(job["program"], "program.py", module)
        module.__name__ = "__main__"
        _execute(job["tests"], "tests.py", module)
    except SystemExit:
        return {"status": "ended", "detail": "the program ended before its tests did"}
    except MemoryError:
        return {"status": "memory", "detail": "MemoryError"}
    except SyntaxError as error:
        return {"status": "syntax", "detail": _words(error)}
    except AssertionError as error:
        return {"status": "failed", "detail": _words(error)}
    except BaseException as error:  # whatever the program raises is its result
        return {"status": "error", "detail": _words(error)}
    return {"status": "passed", "detail": "", "word": job["word"]}


def _execute(source: str, name: str, module: types.ModuleType) -> None:
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), module.__dict__)


def _words(error: BaseException) -> str:
    """The error's kind, its text and the line of program or tests that it came from."""
    line, trace = "", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name in ("program.py", "tests.py"):
            line = f" ({name}:{trace.tb_lineno}: {linecache.getline(name, trace.tb_lineno).strip()})"
        trace = trace.tb_next
    text = "its text cannot be had"
    with suppress(BaseException):  # the program's own __str__
        text = str(error)
    return f"{type(error).__name__}: {text:.200}{line}"[:SHOWN]


def _tell(report: int, what: dict[str, Any]) -> None:
    os.write(report, json.dumps(what).encode() + b"\n")
