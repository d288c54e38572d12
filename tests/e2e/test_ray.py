"""``tunesmith serve --on ray`` on a Ray of this machine: the same answers, replicas that come, go, and are killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import pytest
from tests.e2e.test_serve import TEXTS, post, serving

from tunesmith.testing.wait import until

pytestmark = pytest.mark.skipif(
    find_spec("ray") is None, reason='NOT TESTED HERE: Ray Serve; pip install -c constraints.txt -e ".[ray]"'
)

QUICK = {"least": 1, "most": 3, "ongoing": 2, "up": 0.2, "down": 2, "window": 1, "cpus": 0}


def replicas(above: int) -> list[int]:
    """Processes of replicas that a process has started."""
    parents, found = {}, []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            parents[pid] = int(Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[1])
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
            if title.startswith(b"ray::") and b"ServeReplica:tunesmith" in title:
                found.append(pid)
        except (OSError, IndexError):
            continue

    def below(pid: int) -> bool:
        while pid > 1 and pid != above:
            pid = parents.get(pid, 0)
        return pid == above

    return [pid for pid in found if below(pid)]


@pytest.fixture
def on_ray(told: Any, home: Path) -> Iterator[tuple[Any, str]]:
    catalog = {"products": {"whole": "out/whole"}, "replicas": QUICK, "server": {"folder": "ray-files"}}
    (home / "ray.yaml").write_text(json.dumps(catalog), "utf-8")
    for process, address in serving("ray.yaml", home, "--on", "ray"):
        yield process, address
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_replicas_answer_as_one_process_does(on_ray: tuple[Any, str], tunesmith: Callable[..., Any]) -> None:
    process, address = on_ray
    url = f"{address}/v1/predict/whole"
    local = tunesmith("predict", "out/whole", *TEXTS, "--json").json["predictions"]
    together = post(url, {"rows": [{"text": text} for text in TEXTS]})["predictions"]
    for other, mine in zip(together, local, strict=True):
        assert other["label"] == mine["label"] and other["score"] == pytest.approx(mine["score"], abs=1e-4)
    (first,) = replicas(process.pid)

    ending = False

    def ask(number: int) -> int:
        """Ask without a pause; again, where the replica that was to answer was killed."""
        answered = 0
        while not ending:
            try:
                post(url, {"rows": [{"text": text} for text in TEXTS * 8]})
                answered += 1
            except (HTTPError, URLError, ConnectionError):
                time.sleep(0.1)
        return answered

    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(ask, number) for number in range(12)]
        try:
            assert until(lambda: len(replicas(process.pid)) == 3, 60), "no more replicas came with the load"
            os.kill(first, signal.SIGKILL)
            assert until(lambda: len(set(replicas(process.pid)) - {first}) == 3, 60), "no other came in its place"
        finally:
            ending = True
        assert all(one.result() for one in asked)
    assert until(lambda: len(replicas(process.pid)) == 1, 60), "they did not go with the load"
    assert post(url, {"text": TEXTS[0]})["prediction"]["label"] == local[0]["label"]
