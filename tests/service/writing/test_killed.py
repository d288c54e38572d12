"""kill -9 while many stream: what clients have read to its end is counted, to the token."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from tunesmith.service.auth import KeyRing
from tunesmith.service.metering.meter import Meter
from tunesmith.service.store.migrate import open_store
from tunesmith.service.usage import usage

CLIENTS, KILLS = 4, 3

SERVER = """
import sys, types
from pathlib import Path
sys.path.insert(0, {tests!r})
from tests.service.writing.conftest import Opened, Parrot, Talker
import tunesmith.service.run as run
from tunesmith.service.settings import read_catalog

talker = Talker(Path({model!r}))
parrot = Parrot(talker, rows=8)
parrot.says, parrot.pause = "It is good, it is very good. 很好。", 0.002
run.Opening = lambda writing: Opened(talker, parrot)
run.serve(run.build(read_catalog({catalog!r})), lambda address: print(address, flush=True))
"""


def test_what_was_read_to_its_end_is_counted(llama: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/store.db"
    engine = open_store(store)
    ring = KeyRing(engine)
    key = ring.make("shop").text
    ring.close()
    server = {"port": 0, "open": False, "folder": str(tmp_path / "service")}
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(json.dumps({"products": {"chat": "parrot"}, "store": store, "server": server}), "utf-8")
    root = str(Path(__file__).parents[3])
    program = SERVER.format(tests=root, model=str(llama), catalog=str(catalog))
    acknowledged: list[int] = []
    for kill in range(KILLS):
        acknowledged += killed(program, key, 0.1 + 0.15 * kill)
    Meter(engine, tmp_path / "service" / "usage").close()
    (row,) = usage(engine, by=())
    most = max(acknowledged)
    assert len(acknowledged) <= row["requests"] <= len(acknowledged) + KILLS * CLIENTS
    assert sum(acknowledged) <= row["tokens"] <= sum(acknowledged) + KILLS * CLIENTS * most
    engine.dispose()


def killed(program: str, key: str, after: float) -> list[int]:
    """Tokens of the streams that were read to their end, until the server was killed."""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    found: list[int] = []
    clients = [threading.Thread(target=streams, args=(address, key, found)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    end = time.monotonic() + 30
    while len(found) < 3 and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(after)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for client in clients:
        client.join(10)
    assert len(found) >= 3
    return found


def streams(address: str, key: str, found: list[int]) -> None:
    body: Any = {"model": "chat", "messages": [{"role": "user", "content": "How is it?"}], "max_tokens": 60}
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    with httpx.Client(headers={"authorization": f"Bearer {key}"}, timeout=10) as client:
        while True:
            try:
                with client.stream("POST", f"{address}/v1/chat/completions", json=body) as answer:
                    lines = [line for line in answer.iter_lines() if line]
            except httpx.HTTPError:
                return
            if lines[-1] == "data: [DONE]":
                found.append(json.loads(lines[-2][6:])["usage"]["total_tokens"])
