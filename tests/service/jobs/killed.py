"""A service with one job, which tells how far it is; ``test_batches`` kills it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from fastapi.testclient import TestClient
from tests.service.conftest import Lengths, Opened
from tests.service.jobs.test_batches import upload

from tunesmith.service.app import make_app
from tunesmith.service.metering.meter import Meter
from tunesmith.service.metering.tick import TickMeter
from tunesmith.service.monitoring import Counts
from tunesmith.service.products import Products
from tunesmith.service.services import Services
from tunesmith.service.settings import Batching, checked
from tunesmith.service.store.migrate import open_store

if __name__ == "__main__":
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    catalog = checked({"products": {"plain": "plain"}, "server": {"folder": str(folder)}}, "catalog")
    slow = Lengths()
    slow.pause = 0.01
    services = Services(catalog, Products(catalog.products, Batching(), None, Opened({"plain": slow})), Counts())
    folder.mkdir(exist_ok=True)
    services.store = open_store(f"sqlite:///{folder}/store.db")
    services.meter = TickMeter(Meter(services.store, folder / "usage"))
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
