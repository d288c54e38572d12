"""Fresh processes at the price of one: each is forked from a process that has imported and done nothing else.

What proves a thing that was saved may not see the memory of who saved it. Starting Python and importing torch takes
seconds, though; here it is done once. Where there is no safe fork, each question starts a process of its own.

``python -m tunesmith.bundle.fresh MODULE IMPORT...`` reads a question a line, as JSON, and writes a line with the exit
code for each. It ends with the process that asks, or when nothing was asked for a while.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FORKS = sys.platform == "linux"
"""Elsewhere there is none, or it is not safe once a library of the system is loaded."""
IDLE = 120.0
"""Seconds without a question after which it gives its memory back."""


class Fresh:
    """Runs a module's ``main`` in fresh processes, one after the other.

    Args:
        module: its name. Its ``main`` takes what follows in ``sys.argv`` and returns an exit code.
        imports: more modules to import once for all: those of them that are imported here by then.
    """

    def __init__(self, module: str, imports: Sequence[str] = ()) -> None:
        self._module = module
        self._imports = tuple(imports)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._environment: dict[str, str] = {}
        self._owner = 0
        atexit.register(self.close)

    def run(
        self, words: Sequence[str], environment: Mapping[str, str], timeout: float | None = None
    ) -> tuple[int, str]:
        """The exit code, negative for a signal, and what was said on stderr.

        Raises:
            TimeoutError: it took more than ``timeout`` seconds, and was killed.
        """
        # The process keeps the first question's file open: some file systems do not let its folder go.
        with self._lock, tempfile.TemporaryDirectory(prefix="tunesmith-", ignore_cleanup_errors=True) as folder:
            said = Path(folder, "stderr")
            said.touch()
            question = json.dumps({"words": list(words), "stderr": str(said), "folder": _here()})
            code = None
            if self._lives(environment):  # it may be ending right now, of idleness
                code = self._asked(question, timeout)
            if code is None:
                self._start(environment, said)
                code = self._asked(question, timeout)
            if code is None:
                code = (self._process.wait() if self._process else 1) or int(FORKS)  # one that forks ends by no answer
            return code, said.read_text("utf-8", "replace")

    def close(self) -> None:
        """End the process, and what it is running."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL) if FORKS else process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                stream and stream.close()

    def _lives(self, environment: Mapping[str, str]) -> bool:
        if self._process is None or self._owner != os.getpid():
            return False
        return self._process.poll() is None and self._environment == environment

    def _start(self, environment: Mapping[str, str], said: Path) -> None:
        self.close()
        known = [name for name in self._imports if name in sys.modules]
        # -P: a file named like a package in the user's folder must not be imported in its place.
        command = [sys.executable, "-P", "-m", __name__, self._module, *known]
        self._owner, self._environment = os.getpid(), dict(environment)
        with said.open("wb") as stderr:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                # numpy's threads would begin with the import, and threads do not go along in a fork.
                env={**environment, "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )

    def _asked(self, question: str, timeout: float | None) -> int | None:
        """The exit code; None: the process has ended."""
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        answered: list[str] = []
        read = process.stdout.readline
        try:
            print(question, file=process.stdin, flush=True)
            reader = threading.Thread(target=lambda: answered.append(read()), daemon=True)
            reader.start()
            reader.join(timeout)
            if not answered:
                raise TimeoutError
            return int(answered[0]) if answered[0] else None
        except BrokenPipeError:
            return None
        except BaseException:  # too late, or Ctrl-C: its answer must not be taken for that to the next question
            self.close()
            raise


def _here() -> str:
    """The working folder; the root where it is gone."""
    with contextlib.suppress(OSError):
        return os.getcwd()
    return os.sep


def serve(module: str, imports: Sequence[str]) -> None:
    """Answer questions from stdin until it ends, or none comes for a while."""
    if FORKS:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # who asks may ignore it, and that is inherited
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what others print is no answer
    for name in imports:
        importlib.import_module(name)
    program = importlib.import_module(module)
    while not FORKS or select.select([sys.stdin], [], [], IDLE)[0]:
        line = sys.stdin.readline()
        if not line:
            return
        question = json.loads(line)
        if not FORKS:
            sys.exit(_answer(program, question))
        child = os.fork()
        if not child:
            os.close(answers.fileno())
            os._exit(_answer(program, question))
        print(_ended(child), file=answers, flush=True)


def _ended(child: int) -> int:
    """The exit code of a child; if who asked ends before it, so do both."""
    while not (found := os.waitpid(child, os.WNOHANG))[0]:
        if select.select([0], [], [], 0.01)[0]:  # nothing is asked meanwhile: it is the end of the file
            os.killpg(0, signal.SIGKILL)
    return os.waitstatus_to_exitcode(found[1])


def _answer(program: Any, question: dict[str, Any]) -> int:
    """What the fresh process does."""
    try:
        with open(question["stderr"], "ab", buffering=0) as stderr, open(os.devnull, "rb") as nothing:
            for stream, file in ((0, nothing), (1, stderr), (2, stderr)):
                os.dup2(file.fileno(), stream)
        with contextlib.suppress(OSError):  # it may be gone; what is asked names whole paths
            os.chdir(question["folder"])
        return int(program.main(question["words"]))
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # a forked process may not go on with what its parent was doing
        traceback.print_exc()
        return 1
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])
