"""Every test has its own Tunesmith cache, an empty Hugging Face cache, and no network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tunesmith.testing import tiny_bert, toy_rows

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    return tmp_path


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return [row["text"] for language in ("en", "zh") for row in toy_rows(language, 60)]


@pytest.fixture
def bert(tmp_path: Path, texts: list[str]) -> Path:
    """A tiny folder, this test's own to spoil."""
    return tiny_bert(tmp_path / "bert", texts=texts)


@pytest.fixture
def commit() -> str:
    return COMMIT


@pytest.fixture
def cached_original(isolated: Path, bert: Path) -> Path:
    """A snapshot of the original of ``minilm`` as huggingface_hub leaves it, with tiny weights."""
    repository = isolated / "hub" / "models--sentence-transformers--all-MiniLM-L6-v2"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    snapshot = repository / "snapshots" / COMMIT
    snapshot.parent.mkdir()
    bert.rename(snapshot)
    return snapshot


class FakeHub:
    """A hub of one model on this machine; ``asked`` lists what was fetched."""

    def __init__(self, hub_id: str, folder: Path) -> None:
        self.hub_id, self.folder, self.asked = hub_id, folder, list[str]()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                self.answer(body=True)

            def answer(self, body: bool) -> None:
                data, headers = hub.page(self.path.partition("?")[0])
                self.send_response(200 if data is not None else 404)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                if body and data:
                    self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def names(self) -> list[str]:
        return [p.relative_to(self.folder).as_posix() for p in sorted(self.folder.rglob("*")) if p.is_file()]

    def page(self, path: str) -> tuple[bytes | None, dict[str, str]]:
        if path.startswith(f"/api/models/{self.hub_id}/tree"):
            tree = [{"type": "file", "path": n, "size": 1, "oid": "0"} for n in self.names()]
            return json.dumps(tree).encode(), {"Content-Type": "application/json"}
        if path.startswith(f"/api/models/{self.hub_id}"):
            info = {"id": self.hub_id, "modelId": self.hub_id, "sha": COMMIT, "private": False, "tags": []}
            siblings = [{"rfilename": name} for name in self.names()]
            return json.dumps({**info, "siblings": siblings}).encode(), {"Content-Type": "application/json"}
        prefix = f"/{self.hub_id}/resolve/{COMMIT}/"
        if path.startswith(prefix) and (file := self.folder / path.removeprefix(prefix)).is_file():
            self.asked.append(path.removeprefix(prefix))
            return file.read_bytes(), {"ETag": f'"{path.removeprefix(prefix)}"', "X-Repo-Commit": COMMIT}
        return None, {"X-Error-Code": "RepoNotFound"}


@pytest.fixture
def hub(bert: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    from huggingface_hub import constants

    fake = FakeHub("somebody/tiny", bert)
    monkeypatch.setattr(constants, "ENDPOINT", fake.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", fake.url + "/{repo_id}/resolve/{revision}/{filename}")
    yield fake
    fake.server.shutdown()
    fake.server.server_close()
