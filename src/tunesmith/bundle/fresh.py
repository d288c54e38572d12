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
        with self._lock, tempfile.TemporaryDirectory(prefix="tunesmith-") as folder:
            said = Path(folder, "stderr")
            said.touch()
            question = json.dumps({"words": list(words), "stderr": str(said), "folder": os.getcwd()})
            code = None
            if self._lives(environment):  # it may be ending right now, of idleness
                code = self._asked(question, timeout)
            if code is None:
                self._start(environment, said)
                code = self._asked(question, timeout)
            if code is None:
                code = self._process.wait() if self._process else 1
            return code, said.read_text("utf-8", "replace")

    def close(self) -> None:
        """End the process, and what it is running."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
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
        self._owner, self._environment = os.getpid(), dict(environment)

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
        except BrokenPipeError:
            return None
        except BaseException:  # Ctrl-C: its answer must not be taken for that to the next question
            self.close()
            raise
        if not answered:
            self.close()
            raise TimeoutError
        return int(answered[0]) if answered[0] else None


def serve(module: str, imports: Sequence[str]) -> None:
    """Answer questions from stdin until it ends, or none comes for a while."""
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
            print(_answer(program, question), file=answers, flush=True)
            return
        child = os.fork()
        if not child:
            os._exit(_answer(program, question))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=answers, flush=True)


def _answer(program: Any, question: dict[str, Any]) -> int:
    """What the fresh process does."""
    with open(question["stderr"], "ab", buffering=0) as stderr:
        for stream in (1, 2):
            os.dup2(stderr.fileno(), stream)
    os.chdir(question["folder"])
    try:
        return int(program.main(question["words"]))
    except BaseException:  # a forked process may not go on with what its parent was doing
        traceback.print_exc()
        return 1
    finally:
        sys.stderr.flush()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])
