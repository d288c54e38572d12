"""``tunesmith serve`` in a process of its own: what it answers is what ``predict`` answers, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
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
    yield from serving("out/whole", home)


def serving(what: str, home: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "tunesmith", "serve", what, "--port", "0", "--json", *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    lines: list[str] = []
    while line := process.stdout.readline():
        lines.append(line)
        if line.startswith("}"):
            break
    try:
        yield process, json.loads("".join(lines))["address"]
    finally:
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


def test_over_tls(told: Any, home: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("NOT TESTED HERE: there is no openssl to make a certificate with")
    make = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "tls.key", "-out", "tls.crt"]
    subprocess.run([*make, *names], cwd=home, check=True, capture_output=True)
    catalog = {"products": {"whole": "out/whole"}, "server": {"tls": {"certificate": "tls.crt", "key": "tls.key"}}}
    (home / "tls.yaml").write_text(json.dumps(catalog), "utf-8")
    service = serving("tls.yaml", home)
    process, address = next(service)
    assert address.startswith("https://127.0.0.1:")
    trusted = ssl.create_default_context(cafile=str(home / "tls.crt"))
    request = urllib.request.Request(f"{address}/v1/predict/whole", json.dumps({"text": TEXTS[0]}).encode())
    with urllib.request.urlopen(request, timeout=30, context=trusted) as answer:
        assert json.load(answer)["prediction"]["label"] and "max-age" in answer.headers["strict-transport-security"]
    service.close()
    assert process.poll() is not None
