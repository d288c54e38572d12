"""Each question is answered by a process that knows nothing of the others, and imports are paid for once."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tunesmith.bundle.fresh import FORKS, Fresh
from tunesmith.testing.wait import until

PROGRAM = """
import os, pathlib, signal, sys, time
with open(os.environ["TIMES"], "a") as times:
    times.write("imported ")
seen = []

def main(words):
    print("noise on stdout", flush=True)
    seen.append(words)
    what, *rest = words
    if what == "count":
        pathlib.Path(rest[0]).write_text(f"{len(seen)} {os.environ.get('MOOD')} {os.getcwd()}")
    if what == "say":
        print("何かが違う", file=sys.stderr)
        return 3
    if what == "leave":
        sys.exit(5)
    if what == "ask":
        input()
    if what == "raise":
        raise ValueError("a broken bundle")
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "sleep":
        time.sleep(60)
    return 0
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "asked_freshly.py").write_text(textwrap.dedent(PROGRAM))
    return {**os.environ, "PYTHONPATH": str(tmp_path), "TIMES": str(tmp_path / "times"), "PYTHONUTF8": "1"}


@pytest.fixture
def fresh() -> Iterator[Fresh]:
    made = Fresh("asked_freshly")
    yield made
    made.close()


@pytest.fixture
def count(fresh: Fresh, tmp_path: Path) -> Callable[[dict[str, str]], list[str]]:
    def asked(environment: dict[str, str]) -> list[str]:
        assert fresh.run(["count", str(tmp_path / "out")], environment) == (0, "noise on stdout\n")
        return (tmp_path / "out").read_text().split()

    return asked


def test_nothing_is_remembered_and_imports_are_paid_for_once(
    count: Callable[[dict[str, str]], list[str]],
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [count(environment)[0] for _ in range(3)] == ["1", "1", "1"]
    assert (tmp_path / "times").read_text().split() == ["imported"] * (1 if FORKS else 3)
    monkeypatch.chdir(tmp_path)
    assert count(environment)[2] == str(tmp_path)


def test_another_environment_is_another_process(
    count: Callable[[dict[str, str]], list[str]], environment: dict[str, str]
) -> None:
    assert count(environment)[1] == "None"
    assert count({**environment, "MOOD": "good"})[1] == "good"


def test_how_it_ended(fresh: Fresh, environment: dict[str, str]) -> None:
    code, said = fresh.run(["say"], environment)
    assert (code, said.splitlines()[-1]) == (3, "何かが違う")
    assert fresh.run(["leave"], environment)[0] == 5
    code, said = fresh.run(["ask"], environment)
    assert (code, said.splitlines()[-1]) == (1, "EOFError: EOF when reading a line")
    code, said = fresh.run(["raise"], environment)
    assert (code, said.splitlines()[-1]) == (1, "ValueError: a broken bundle")


@pytest.mark.skipif(not FORKS, reason="a process of its own for each question")
def test_a_killed_one_is_not_asked_again(fresh: Fresh, environment: dict[str, str], tmp_path: Path) -> None:
    assert fresh.run(["die"], environment)[0] == -9
    assert fresh.run(["say"], environment)[0] == 3
    assert (tmp_path / "times").read_text().split() == ["imported"]


def test_too_slow_is_killed_and_the_next_is_answered(
    fresh: Fresh, count: Callable[[dict[str, str]], list[str]], environment: dict[str, str]
) -> None:
    with pytest.raises(TimeoutError):
        fresh.run(["sleep"], environment, timeout=0.5)
    assert count(environment)[0] == "1"


def test_it_comes_back_when_it_has_ended(
    fresh: Fresh, count: Callable[[dict[str, str]], list[str]], environment: dict[str, str]
) -> None:
    count(environment)
    assert fresh._process is not None
    fresh._process.kill()
    assert count(environment)[0] == "1"


def test_a_working_folder_that_is_gone_is_no_matter(
    fresh: Fresh, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert fresh.run(["say"], {**environment, "PYTHONSAFEPATH": "1"})[0] == 3


@pytest.mark.skipif(not FORKS, reason="killed by its session there")
def test_who_asked_is_killed_and_so_is_what_was_running(environment: dict[str, str], tmp_path: Path) -> None:
    code = (
        "from tunesmith.bundle.fresh import Fresh; import os; Fresh('asked_freshly').run(['sleep'], dict(os.environ))"
    )
    asking = subprocess.Popen([sys.executable, "-c", code], env=environment)

    def running() -> list[str]:
        found = []
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                told = place.read_bytes()
                if b"tunesmith.bundle.fresh\0asked_freshly" in told and str(tmp_path) in _environ(place.parent):
                    found.append(place.parent.name)
        return found

    assert until(lambda: len(running()) == 2, 20), "a process that imports, and one that sleeps"
    asking.kill()
    asking.wait()
    assert until(lambda: not running(), 20)


def _environ(process: Path) -> str:
    return (process / "environ").read_bytes().decode("utf-8", "replace")


def test_what_cannot_be_imported_says_why(environment: dict[str, str]) -> None:
    code, said = Fresh("no_such_module").run([], environment)
    assert code == 1 and "No module named 'no_such_module'" in said
