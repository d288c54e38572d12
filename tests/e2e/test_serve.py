"""``tunesmith serve`` in a process of its own: what it answers is what ``predict`` answers, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tunesmith.testing import toy_rows

TEXTS = [row["text"] for language in ("en", "zh") for row in toy_rows(language, 12, seed=5)]


@pytest.fixture
def served(told: Any, home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service of the tuned bundle, and its address."""
    command = [sys.executable, "-m", "tunesmith", "serve", "out/whole", "--port", "0", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    lines: list[str] = []
    while line := process.stdout.readline():
        lines.append(line)
        if line.startswith("}"):
            break
    yield process, json.loads("".join(lines))["address"]
    process.kill()
    process.wait()


def post(url: str, body: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_a_served_answer_is_the_local_one(
    served: tuple[subprocess.Popen[str], str], tunesmith: Callable[..., Any]
) -> None:
    _, address = served
    local = tunesmith("predict", "out/whole", *TEXTS, "--json").json["predictions"]
    with ThreadPoolExecutor(8) as pool:  # in batches of whatever comes together
        answers = list(pool.map(lambda text: post(f"{address}/v1/predict/whole", {"text": text}), TEXTS))
    together = post(f"{address}/v1/predict/whole", {"rows": [{"text": text} for text in TEXTS]})["predictions"]
    for one, other, mine in zip(answers, together, local, strict=True):
        assert one["prediction"]["label"] == other["label"] == mine["label"]
        assert one["prediction"]["score"] == pytest.approx(mine["score"], abs=1e-4)
        assert other["score"] == pytest.approx(mine["score"], abs=1e-4)


def test_after_sigterm_what_was_asked_is_answered(served: tuple[subprocess.Popen[str], str]) -> None:
    process, address = served
    rows = [{"text": text} for text in TEXTS * 40]
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(post, f"{address}/v1/predict/whole", {"rows": rows}) for _ in range(4)]
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert all(len(one.result()["predictions"]) == len(rows) for one in asked)
    assert process.wait(20) in (0, -signal.SIGTERM)


def test_a_taken_port_and_no_bundle_are_two_lines(
    served: tuple[subprocess.Popen[str], str], tunesmith: Callable[..., Any]
) -> None:
    port = served[1].rpartition(":")[2]
    ended = tunesmith("serve", "out/whole", "--port", port)
    assert ended.code == 2 and "cannot listen" in ended.err and "hint: " in ended.err
    ended = tunesmith("serve", "out/nothing", "--port", "0")
    assert ended.code == 2 and "no bundle" in ended.err
