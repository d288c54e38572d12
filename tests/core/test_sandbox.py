"""What a program that a model wrote could do to this machine, and does not."""

from __future__ import annotations

import os
import platform
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tunesmith.core.errors import SandboxError
from tunesmith.core.sandbox import calls, seccomp
from tunesmith.core.sandbox.limits import MB, Limits
from tunesmith.core.sandbox.run import _run, guards, run, run_all

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="guards are Linux's")
AMPLE = Limits(seconds=30)
"""For what ends by itself, on a busy machine, too."""


def test_a_program_passes_or_fails_its_tests() -> None:
    program = "def double(x):\n    print('seen', x)\n    return x * 2"
    right = run(program, "assert double(2) == 4\nassert double('安') == '安安'")
    assert right.passed and right.printed == "seen 2\nseen 安\n"
    wrong = run(program, "assert double(2) == 4\nassert double(3) == 7, 'not seven'")
    assert wrong.status == "failed"
    assert "not seven (tests.py:2: assert double(3) == 7" in wrong.detail
    assert run("def 加(甲, 乙):\n    return 甲 + 乙", "assert 加(1, 2) == 3").passed


def test_a_program_is_imported_and_its_tests_are_main() -> None:
    program = (
        "import dataclasses, pickle\n@dataclasses.dataclass\nclass A:\n    x: 'int'\n"
        "if __name__ == '__main__':\n    print(int(input()))"
    )
    tests = "assert pickle.loads(pickle.dumps(A(1))) == A(1)\nif __name__ == '__main__':\n    print('tested')"
    outcome = run(program, tests)
    assert outcome.passed and outcome.printed == "tested\n", outcome


@pytest.mark.parametrize(
    ("program", "status", "detail"),
    [
        ("def f(: pass", "syntax", "program.py, line 1"),
        ("1 / 0", "error", "ZeroDivisionError: division by zero (program.py:1: 1 / 0)"),
        ("def f(x): return f(x)\nf(1)", "error", "RecursionError"),
        ("class E(Exception):\n    def __str__(self): raise SystemExit\nraise E", "error", "cannot be had"),
        ("input()", "error", "EOFError"),
        ("import numpy", "error", "ModuleNotFoundError"),
    ],
)
def test_what_went_wrong_is_told(program: str, status: str, detail: str) -> None:
    outcome = run(program, "assert True")
    assert outcome.status == status and detail in outcome.detail


@pytest.mark.parametrize(
    "program",
    [
        "import sys; sys.exit(0)",
        "raise SystemExit",
        "import os; os._exit(0)",
        'import os\nfor n in range(3, 64):\n    try: os.write(n, b\'{"status": "passed"}\\n\')\n'
        "    except OSError: pass\nos._exit(0)",
    ],
)
def test_a_program_that_ends_before_its_tests_has_failed(program: str) -> None:
    assert run(program, "assert True").status == "ended"


def test_threads_files_and_asyncio_work() -> None:
    program = """
import asyncio, os, tempfile, threading
async def one(): await asyncio.sleep(0.001); return 1
assert asyncio.run(one()) == 1
made = []
thread = threading.Thread(target=made.append, args=[1]); thread.start(); thread.join()
with open("a.txt", "w") as file: file.write("一")
os.rename("a.txt", "b.txt")
with tempfile.TemporaryFile() as file: file.write(b"2")
assert made == [1] and open("b.txt").read() == "一" and os.listdir() == ["b.txt"] and not os.environ
"""
    outcome = run(program)
    assert outcome.passed, outcome


def test_a_fork_bomb() -> None:
    outcome = run("import os\nwhile True:\n    os.fork()", limits=AMPLE)
    assert outcome.status == "error" and "Operation not permitted" in outcome.detail


def test_an_endless_loop() -> None:
    started = time.monotonic()
    assert run("while True: pass", limits=Limits(seconds=0.5)).status == "timeout"
    assert run("import time\nwhile True: time.sleep(9)", limits=Limits(seconds=0.5)).status == "timeout"
    assert run("import os\nos.closerange(0, 64)\nwhile True: pass", limits=Limits(seconds=0.5)).status == "timeout"
    assert time.monotonic() - started < 20


def test_ten_gigabytes() -> None:
    assert run("held = bytearray(10 << 30)", limits=AMPLE).status == "memory"
    assert run("held = []\nwhile True: held.append(bytearray(1 << 20))", limits=AMPLE).status == "memory"
    assert run("import mmap\nmmap.mmap(-1, 10 << 30)", limits=AMPLE).status == "error"


def test_many_threads() -> None:
    program = """
import threading, time
threading.stack_size(32768)
for _ in range(100000): threading.Thread(target=time.sleep, args=[99]).start()
"""
    outcome = run(program, limits=AMPLE)
    assert outcome.status == "error" and "can't start new thread" in outcome.detail


def test_a_gigabyte_of_output() -> None:
    outcome = run("while True: print('x' * 100000)", limits=Limits(seconds=30, output=2 * MB, shown=100))
    assert outcome.status == "output"
    assert outcome.printed == "x" * 100
    assert run("import sys\nprint('x' * 5000, file=sys.stderr)").printed == "x" * 4096


def test_a_full_disk() -> None:
    one = run("with open('a', 'wb') as file:\n    while True: file.write(bytes(1 << 20))", limits=AMPLE)
    assert one.status == "error" and "File too large" in one.detail
    write = "with open(str(n), 'wb') as file: file.write(bytes(1 << 22))"
    many = run(f"import time\nfor n in range(9999):\n    {write}\n    time.sleep(0.01)", limits=AMPLE)
    assert many.status == "folder"
    make = "open(str(n), 'w').close()"
    none = run(f"import time\nfor n in range(10**9):\n    {make}\n    time.sleep(0.001)", limits=AMPLE)
    assert none.status == "folder"


class Listening:
    """Sockets that wait to be reached, and programs that reach them where nothing holds them back."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o777)
        path, hidden = str(folder / "s"), f"\0tunesmith-{os.getpid()}"
        self.open = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
        self.open[1].bind(("127.0.0.1", 0))
        for name in (path, hidden):
            self.open.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            self.open[-1].bind(name)
        os.chmod(path, 0o777)
        tcp, udp = (s.getsockname()[1] for s in self.open[:2])
        self.programs = {
            "tcp": f"import socket\nsocket.create_connection(('127.0.0.1', {tcp}), 1).close()",
            "udp": "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
            f".sendto(b'here', ('127.0.0.1', {udp}))",
            "unix": f"import socket\nsocket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'here', {path!r})",
            "abstract": f"import socket\nsocket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'here', {hidden!r})",
            "pair": "import socket\nsocket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b'here', "
            f"{path!r})\nraise OSError('joined sockets reach nobody else')",
        }
        for s in self.open:
            s.settimeout(0.1)

    def reached(self) -> int:
        found = 0
        for s in self.open:
            try:
                _ = s.accept() if s.type == socket.SOCK_STREAM else s.recv(9)
                found += 1
            except TimeoutError:
                pass
        return found

    def close(self) -> None:
        for s in self.open:
            s.close()


def test_a_socket(tmp_path: Path) -> None:
    listening = Listening(tmp_path)
    try:
        for kind, program in listening.programs.items():
            for asked in (("network", "files", "calls"), ("files", "calls")):
                outcome = _run(program, "", AMPLE, asked)[0]
                assert outcome.status == "error" and "Error" in outcome.detail, (kind, outcome)
        assert listening.reached() == 0
        for kind in ("tcp", "udp", "unix", "abstract"):  # without guards they are reached: the test can fail
            subprocess.run([sys.executable, "-c", listening.programs[kind]], check=True)
        assert listening.reached() == 4
    finally:
        listening.close()


def test_files_of_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    secret = tmp_path / "secret"
    secret.write_text("kept")
    secret.chmod(0o666)
    attempts = [
        "open('/etc/shadow').read()",
        "open('/etc/passwd').read()",
        f"open({str(secret)!r}).read()",
        f"open({str(secret)!r}, 'w')",
        f"open({str(tmp_path / 'new')!r}, 'w')",
        f"os.open({str(secret)!r}, os.O_RDONLY | os.O_TRUNC)",
        f"os.truncate({str(secret)!r}, 0)",
        f"os.remove({str(secret)!r})",
        f"os.rename({str(secret)!r}, 'mine')",
        f"os.link({str(secret)!r}, 'mine')",
        f"os.symlink({str(secret)!r}, 'mine')",
        f"os.chmod({str(secret)!r}, 0o777)",
        f"os.utime({str(secret)!r})",
        f"os.setxattr({str(secret)!r}, 'user.a', b'b')",
        f"os.mkdir({str(tmp_path / 'made')!r})",
        "os.mkdir('inside')",
        "os.mkfifo('pipe')",
        f"open('/proc/{os.getpid()}/environ').read()",
        "open('/proc/self/status').read()",
        f"open({__file__!r}).read()",
        "os.listdir('/')",
        "os.chroot('.')",
    ]
    lines = "\n".join(
        f"try:\n    {attempt}\n    print({attempt!r})\nexcept OSError: pass" for attempt in attempts
    )  # fmt: skip
    outcome = run(f"import os\n{lines}")
    assert outcome.passed and outcome.printed == ""
    assert secret.read_text() == "kept" and sorted(p.name for p in tmp_path.iterdir()) == ["secret"]


def test_other_processes() -> None:
    attempts = [
        "os.system('true') == 0 or refuse()",
        "subprocess.run(['true'])",
        "os.execv('/bin/true', ['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "os.kill(os.getppid(), 0)",
        "os.kill(-1, 0)",
        "os.setsid()",
        "os.setuid(0)",
        "os.sched_setaffinity(os.getppid(), {0})",
        "os.memfd_create('m')",
        "os.pidfd_open(os.getppid())",
        "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)",
        "fcntl.fcntl(1, fcntl.F_SETOWN, os.getppid())",
        "ctypes.CDLL(None, use_errno=True).fork() == -1 and refuse()",
        "ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == -1 and refuse()",
        "ctypes.CDLL(None, use_errno=True).ptrace(16, os.getppid(), 0, 0) == -1 and refuse()",
        "multiprocessing.Process(target=print).start()",
    ]
    lines = "\n".join(
        f"try:\n    {attempt}\n    print({attempt!r})\nexcept (OSError, ValueError): pass" for attempt in attempts
    )  # fmt: skip
    names = "import ctypes, fcntl, multiprocessing, os, resource, signal, subprocess\n"
    outcome = run(f"{names}def refuse(): raise OSError\n{lines}\nos.kill(os.getpid(), 0); signal.raise_signal(0)")
    assert outcome.passed and outcome.printed == "", outcome


def test_nothing_survives() -> None:
    """It takes no SIGTERM, tries to get a child out of its group, and goes on."""
    program = """
import os, signal, time
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
try:
    if os.fork() == 0:
        os.setsid()
        if os.fork(): os._exit(0)
except OSError: pass
print("pid", os.getpid(), flush=True)
while True: time.sleep(9)
"""
    outcome = run(program, limits=Limits(seconds=0.5))
    assert outcome.status == "timeout"
    pids = re.findall(r"pid (\d+)", outcome.printed)
    assert pids and not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    wait = "import time\nprint('here', flush=True)\ntime.sleep(30)"
    start = f"from tunesmith.core.sandbox.run import run, Limits\nrun({wait!r}, limits=Limits(seconds=30))"
    root = Path(seccomp.__file__).parents[3]
    parent = subprocess.Popen([sys.executable, "-c", start], env={**os.environ, "PYTHONPATH": str(root)})
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    until = time.monotonic() + 20
    found: list[str] = []
    while not found and time.monotonic() < until:
        found = [pid for pid in children.read_text().split() if _sleeps(pid)]
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    assert found
    while any(Path(f"/proc/{pid}").exists() for pid in found) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(Path(f"/proc/{pid}").exists() for pid in found)


def _sleeps(pid: str) -> bool:
    """All guards are on: the filter of calls is the last."""
    try:
        return "Seccomp:\t2" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_guards_are_told_and_without_one_nothing_runs(tmp_path: Path) -> None:
    assert {"limits", "user", "files", "calls"} <= set(guards())
    place = tmp_path / "ran"
    tmp_path.chmod(0o777)
    for without in ("files", "calls"):
        asked = [name for name in ("network", "files", "calls") if name != without]
        with pytest.raises(SandboxError, match=f"without {without}"):
            _run(f"open({str(place)!r}, 'w')", "", AMPLE, asked)
    assert not place.exists()


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.core.sandbox.run.sys.platform", "darwin")
    with pytest.raises(SandboxError, match="not run on darwin"):
        _run("", "", AMPLE, ())
    with pytest.raises(OSError, match="riscv"):
        seccomp.program("riscv64", 1)


def test_many_programs_in_order() -> None:
    done: list[int] = []
    jobs = [("import time\ntime.sleep(0.2)", ""), ("1/0", ""), ("x = 1", "assert x == 2")]
    assert [o.status for o in run_all(jobs, workers=3, progress=done.append)] == ["passed", "error", "failed"]
    assert done == [1, 2, 3]


def test_root_is_nobody_within() -> None:
    outcome = run("import os\nprint(os.getresuid(), os.getgroups(), os.getcwd())")
    assert outcome.passed and "(0" not in outcome.printed


def test_numbers_of_calls_are_the_kernels() -> None:
    table = {**calls.REFUSED, **calls.SOMETIMES}
    asked = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm-generic/unistd.h")
    if not all(path.is_file() for path in asked) or platform.machine() != "x86_64":
        pytest.skip("the kernel's headers are not installed")
    for column, path in enumerate(asked):
        found = {m[1]: int(m[2]) for m in re.finditer(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", path.read_text())}
        wrong = {name: numbers[column] for name, numbers in table.items() if numbers[column] != found.get(name)}
        assert not wrong
