"""A service with one job, which tells how far it is; ``test_batches`` kills it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fastapi.testclient import TestClient
from tests.service.conftest import Asked, Length, Lengths
from tests.service.jobs.test_batches import upload

from tunesmith.bundle.predictor import Predictor
from tunesmith.service.app import make_app
from tunesmith.service.engine import Engine, Limits
from tunesmith.service.monitoring import Counts
from tunesmith.service.products import Products, Version
from tunesmith.service.services import Services
from tunesmith.service.settings import checked


def opened(name: str, path: Path, spec: Any, limits: Limits) -> Version:
    task: Any = Lengths()
    task.pause = 0.01
    bundle: Any = SimpleNamespace(task=task, manifest=SimpleNamespace(task=SimpleNamespace(name=task.name)), report={})
    runtime: Any = SimpleNamespace(name="stub")
    return Version(name, bundle, Engine(Predictor(task, None, runtime, max_length=64), limits), "stub", Asked, Length)


if __name__ == "__main__":
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    catalog = checked({"products": {"plain": "plain"}, "server": {"folder": str(folder)}}, "catalog")
    services = Services(catalog, Products(catalog.products, Limits(), None, opened), Counts())
    with TestClient(make_app(services)) as client:
        if not client.get("/v1/batches").json()["data"]:
            data = b"".join(json.dumps({"id": n, "text": f"row {n}"}).encode() + b"\n" for n in range(count))
            file = upload(client, data).json()["id"]
            client.post("/v1/batches", json={"product": "plain", "file": file})
        while True:
            (told,) = client.get("/v1/batches").json()["data"]
            print(told["request_counts"]["completed"], flush=True)
            if told["status"] == "completed":
                print("done", flush=True)
                break
            assert told["status"] in ("validating", "in_progress"), told
            time.sleep(0.01)
