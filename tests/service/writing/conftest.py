"""A product that chats: a tiny model, or a parrot that writes what the test says."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tunesmith.bundle.predictor import Predictor
from tunesmith.core.contracts import Decoding
from tunesmith.service.app import make_app
from tunesmith.service.monitoring import Counts
from tunesmith.service.products import Products
from tunesmith.service.services import Services
from tunesmith.service.settings import Batching, ProductSpec, checked
from tunesmith.service.version import Version
from tunesmith.service.writing.writer import Writer
from tunesmith.testing import tiny_llama, toy_talks

TALKS = [*toy_talks("en", 24), *toy_talks("zh", 24)]


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [f"<|{m['role']}|>\n{m['content']}" for row in TALKS for m in row["messages"]]
    return tiny_llama(tmp_path_factory.mktemp("models") / "llama", texts=texts, layers=1, max_length=256)


class Talker:
    """The task dialogue with its tokenizer, and its model where it is wanted."""

    def __init__(self, folder: Path) -> None:
        from tunesmith.models.load import load_processor
        from tunesmith.models.reference import resolve
        from tunesmith.tasks.dialogue import Dialogue

        self.folder = folder
        self.task = Dialogue(max_new_tokens=64)
        self.task.learn(TALKS)
        self.processor = self.task.adapt(load_processor(resolve(str(folder))))

    def model(self) -> Any:
        import torch
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(self.folder).eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            for parameter in model.parameters():
                parameter.data += 0.3 * torch.randn_like(parameter)
        return model

    def predictor(self, runtime: Any = None) -> Predictor:
        made = runtime or SimpleNamespace(name="torch")
        return Predictor(self.task, self.processor, made, max_length=128)


@pytest.fixture(scope="session")
def talker(llama: Path) -> Talker:
    return Talker(llama)


class Parrot:
    """Stands for a decoder: writes ``says``, a token a step, while its gate is open."""

    def __init__(self, talker: Talker, rows: int = 4, length: int = 160) -> None:
        self.rows, self.length = rows, length
        self.says = "It is good."
        self.gate = threading.Event()
        self.gate.set()
        self.steps = math.inf  # until the gate falls shut by itself
        self.pause = 0.0
        self.fails = False
        self.asked: list[tuple[list[int], Decoding]] = []
        self.most = 0
        self._tokenizer = talker.processor
        self._texts: list[Any] = []

    def add(self, prompt: list[int], decoding: Decoding) -> Any:
        self.asked.append((prompt, decoding))
        ids = [*self._tokenizer(self.says, add_special_tokens=False)["input_ids"], self._tokenizer.eos_token_id]
        self._texts.append(made := _Said(ids, decoding))
        self.most = max(self.most, len(self._texts))
        return made

    def step(self) -> list[tuple[Any, int, str]]:
        self.gate.wait(10)
        self.steps -= 1
        if not self.steps:
            self.gate.clear()
        time.sleep(self.pause)
        if self.fails:
            raise RuntimeError("a secret of ours")
        told = []
        for text in list(self._texts):
            text.ids.append(text.left.pop(0))
            most = len(text.ids) >= text.decoding.max_new_tokens
            text.finish = "stop" if not text.left else "length" if most else ""
            told.append((text, text.ids[-1], text.finish))
            if text.finish:
                self._texts.remove(text)
        return told

    def drop(self, text: Any) -> None:
        if text in self._texts:
            self._texts.remove(text)

    def __len__(self) -> int:
        return len(self._texts)


class _Said:
    def __init__(self, ids: list[int], decoding: Decoding) -> None:
        self.left, self.decoding, self.ids, self.finish = list(ids), decoding, list[int](), ""


@pytest.fixture
def parrot(talker: Talker) -> Parrot:
    return Parrot(talker)


class Opened:
    """Opens talkers; one whose folder is called "real" has a model."""

    def __init__(self, talker: Talker, parrot: Parrot) -> None:
        self.talker, self.parrot = talker, parrot

    def expect(self, paths: Any) -> None:
        pass

    def __call__(self, name: str, path: Path, spec: ProductSpec, limits: Batching) -> Version:
        task: Any = self.talker.task
        decoder: Any = self.parrot
        if path.name == "real":
            from tunesmith.models.decoder.decoder import Decoder

            decoder = Decoder(self.talker.model(), rows=4, own=True)
        manifest = SimpleNamespace(task=SimpleNamespace(name="dialogue"), max_length=128)
        bundle: Any = SimpleNamespace(path=path, task=task, manifest=manifest, report={})
        writer = Writer(self.talker.predictor(), decoder, limits, name)
        return Version(name, bundle, writer, "torch", task.request_model(), task.response_model())


@pytest.fixture
def made(talker: Talker, parrot: Parrot, tmp_path: Path) -> Callable[..., Services]:
    """Services of a catalog, given as it stands in the file."""

    def services(values: dict[str, Any] | None = None, **limits: Any) -> Services:
        catalog = checked({"products": {"chat": "parrot", "real": "real"}, **(values or {})}, "catalog.yaml")
        kept = tmp_path / "service" / "products.json"
        opener = Opened(talker, parrot)
        return Services(catalog, Products(catalog.products, Batching(**limits), kept, opener), Counts())

    return services


@pytest.fixture
def client(made: Callable[..., Services]) -> Iterator[TestClient]:
    with TestClient(make_app(made()), raise_server_exceptions=False) as asked:
        yield asked


def said(*texts: str) -> list[dict[str, str]]:
    roles = ["user", "assistant"] * len(texts)
    return [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
