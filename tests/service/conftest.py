"""A service over a predictor that is a few lines of Python: what is tested is the way there and back.

And a store on SQLite and on PostgreSQL, and a Redis: all real.
"""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sqlalchemy
import uvicorn
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.bundle.predictor import Predictor
from tunesmith.core.contracts import Column
from tunesmith.core.errors import DataError
from tunesmith.service.app import make_app
from tunesmith.service.engine import Engine
from tunesmith.service.monitoring import Counts
from tunesmith.service.products import Products
from tunesmith.service.run import layers_of
from tunesmith.service.services import Services
from tunesmith.service.settings import Batching, ProductSpec, checked
from tunesmith.service.store.connect import connect
from tunesmith.service.store.migrate import open_store
from tunesmith.service.version import Version
from tunesmith.tasks.text_embedding import EmbeddingRequest
from tunesmith.testing import servers


class Clock:
    """Seconds since 1970, as a test sets them."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1)


class Length(BaseModel):
    label: str
    score: float


class Lengths:
    """Answers how many characters a text has. "broken" cannot be read; a gate holds batches back."""

    name = "text-classification"
    columns = (Column("text", "text"),)

    def __init__(self, says: str = "") -> None:
        self.says = says
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.batches: list[list[int]] = []
        self.pause = 0.0

    def encode(self, rows: Sequence[Any], processor: Any, *, max_length: int, targets: bool) -> list[dict[str, Any]]:
        if any(row["text"] == "broken" for row in rows):
            raise DataError("This row is broken.")
        if any(row["text"] == "bug" for row in rows):
            raise RuntimeError("a secret of ours")
        parts = [(i, row["text"][at : at + 8]) for i, row in enumerate(rows) for at in range(0, len(row["text"]), 8)]
        return [{"row": i, "input_ids": np.arange(len(part))} for i, part in parts]

    def collate(self, features: Sequence[Any], processor: Any) -> Any:
        return features

    def infer(self, runtime: Any, batch: Any) -> list[np.ndarray]:
        self.entered.set()
        self.gate.wait(10)
        time.sleep(self.pause)
        self.batches.append([len(one["input_ids"]) for one in batch])
        return [np.array(len(one["input_ids"])) for one in batch]

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Any]) -> list[dict[str, Any]]:
        found: dict[int, int] = {}
        for array, feature in zip(outputs, features, strict=True):
            found[feature["row"]] = found.get(feature["row"], 0) + int(array)
        return [{"label": f"{self.says}{n}", "score": 1.0} for n in found.values()]

    def request_model(self) -> type[BaseModel]:
        return Asked

    def response_model(self) -> type[BaseModel]:
        return Length


class Vectors(Lengths):
    """A text's vector: whether it is about cats or dogs."""

    name = "text-embedding"
    state = {"kind": "pairs"}

    def encode(self, rows: Sequence[Any], processor: Any, *, max_length: int, targets: bool) -> list[dict[str, Any]]:
        return [{"row": i, "input_ids": np.arange(3), "text": row["text"]} for i, row in enumerate(rows)]

    def infer(self, runtime: Any, batch: Any) -> list[np.ndarray]:
        return [np.array([one["text"].count("cat"), one["text"].count("狗")], float) for one in batch]

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Any]) -> list[dict[str, Any]]:
        return [{"vector": one.tolist()} for one in outputs]

    def request_model(self) -> type[BaseModel]:
        return EmbeddingRequest


class Moods(Lengths):
    """How many of the words of a text are good."""

    labels = ["good", "bad"]

    def encode(self, rows: Sequence[Any], processor: Any, *, max_length: int, targets: bool) -> list[dict[str, Any]]:
        return [
            {"row": i, "input_ids": np.arange(3), "text": row["text"] + row.get("text_pair", "")}
            for i, row in enumerate(rows)
        ]

    def infer(self, runtime: Any, batch: Any) -> list[np.ndarray]:
        return [np.array((one["text"].count("good") + one["text"].count("好")) / 4) for one in batch]

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Any]) -> list[dict[str, Any]]:
        made = [{"good": float(one), "bad": 1 - float(one)} for one in outputs]
        return [{"label": max(one, key=one.__getitem__), "score": max(one.values()), "scores": one} for one in made]


KINDS: dict[str, type[Lengths]] = {"vectors": Vectors, "moods": Moods}


@pytest.fixture
def task() -> Lengths:
    return Lengths()


@pytest.fixture
def tasks() -> dict[str, Lengths]:
    """What computes each version, by the name of its folder."""
    return {}


class Opened:
    """Opens what is no bundle."""

    def __init__(self, tasks: dict[str, Lengths]) -> None:
        self.tasks = tasks

    def expect(self, paths: Any) -> None:
        pass

    def __call__(self, name: str, path: Path, spec: ProductSpec, limits: Batching) -> Version:
        kind = KINDS.get(path.name, Lengths)
        task: Any = self.tasks.setdefault(path.name, kind(path.name + "/" if path.name != "plain" else ""))
        manifest = SimpleNamespace(task=SimpleNamespace(name=task.name), max_length=64)
        bundle: Any = SimpleNamespace(path=path, task=task, manifest=manifest, report={})
        predictor = Predictor(task, None, SimpleNamespace(name="stub"), max_length=64)  # type: ignore[arg-type]
        return Version(name, bundle, Engine(predictor, limits, name), "stub", task.request_model(), Length)


@pytest.fixture
def opener(tasks: dict[str, Lengths]) -> Opened:
    return Opened(tasks)


@pytest.fixture
def made(opener: Opened, tmp_path: Path) -> Callable[..., Services]:
    """Services of a catalog, given as it stands in the file."""

    def services(values: dict[str, Any] | None = None, **limits: Any) -> Services:
        catalog = checked({"products": {"plain": "plain"}, **(values or {})}, "catalog.yaml")
        products = Products(catalog.products, Batching(**limits), tmp_path / "service" / "products.json", opener)
        return Services(catalog, products, Counts())

    return services


@pytest.fixture
def client(made: Callable[..., Services]) -> Iterator[TestClient]:
    with TestClient(make_app(made()), raise_server_exceptions=False) as asked:
        yield asked


NUMBERS = count()


def started(server: AbstractContextManager[str]) -> Iterator[str]:
    try:
        with server as url:
            yield url
    except servers.NoServer as error:
        pytest.skip(f"NOT TESTED HERE: {error}")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    yield from started(servers.postgresql())


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    yield from started(servers.redis())


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store."""
    return sqlite_url(tmp_path) if request.param == "sqlite" else new_database(request)


@pytest.fixture
def store(store_url: str) -> Iterator[sqlalchemy.Engine]:
    """A store with its tables, on SQLite and on PostgreSQL."""
    engine = open_store(store_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[sqlalchemy.Engine]:
    engine = open_store(sqlite_url(tmp_path))
    yield engine
    engine.dispose()


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """A Redis that holds nothing."""
    from redis import Redis

    Redis.from_url(redis_server.replace("redis+unix", "unix")).flushall()
    return redis_server


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder}/store.db"


def new_database(request: pytest.FixtureRequest) -> str:
    server: str = request.getfixturevalue("postgresql_server")
    name = f"test{next(NUMBERS)}"
    engine = connect(server).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture
def on_a_port() -> Iterator[Callable[[Services], str]]:
    """Runs services on a port, and gives the address."""
    stops = []

    def running(services: Services) -> str:
        place = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(layers_of(services), log_level="critical", timeout_graceful_shutdown=2)  # type: ignore[arg-type]
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([place],), daemon=True)
        thread.start()
        stops.append((server, thread))
        while not server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{place.getsockname()[1]}"

    yield running
    for server, thread in stops:
        server.should_exit = True
        thread.join(10)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = "NOT TESTED HERE: the page in a browser. On Debian: apt-get install chromium; pip install playwright"


@pytest.fixture(scope="module")  # longer, and its event loop would be in the way of other tests' own
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip(MISSING)
    api = pytest.importorskip("playwright.sync_api", reason=MISSING)
    with api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page; at the end nothing may have gone wrong in it, the CSP's refusals among that."""
    wrong: list[str] = []
    contexts = []

    def page_of(
        address: str, locale: str = "en-US", width: int = 1100, scheme: str = "light", allowed: str = "-"
    ) -> Any:
        context = browser.new_context(locale=locale, color_scheme=scheme, viewport={"width": width, "height": 800})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: m.type == "error" and not (allowed and allowed in m.text) and wrong.append(m.text))
        page.on("request", lambda r: r.url.startswith((address, "data:")) or wrong.append(r.url))
        page.goto(address)
        return page

    yield page_of
    for context in contexts:
        context.close()
    assert wrong == []
