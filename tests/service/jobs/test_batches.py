"""Files and jobs over HTTP, and jobs that are interrupted, also by kill -9."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from tests.service.conftest import Lengths

from tunesmith.service.app import make_app
from tunesmith.service.caller import Caller
from tunesmith.service.jobs import places
from tunesmith.service.jobs.batch import Batch
from tunesmith.service.jobs.jobs import jobs_of
from tunesmith.service.metering.settle import settle_dead
from tunesmith.service.problems import Refused
from tunesmith.service.services import Services
from tunesmith.service.store.migrate import open_store

ROWS = [{"text": f"{'长' * (n % 7)}row {n}", "id": n} for n in range(150)]


class Ring:
    """Keys without a store: the header is the key's id."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()
        self.away = 0
        """How often it cannot tell yet."""

    def start(self) -> None:
        pass

    def find(self, header: str | None) -> Caller:
        return Caller(str(header), products=frozenset({"plain"}))

    def of(self, id: str) -> Caller:
        if self.away:
            self.away -= 1
            raise Refused(503, "keys_unavailable", "ask again", retry_after=0.01)
        if id in self.revoked:
            raise Refused(401, "revoked_api_key", "revoked")
        return self.find(id)

    def close(self) -> None:
        pass


@pytest.fixture
def services(made: Callable[..., Services], tmp_path: Path) -> Services:
    services = made({"server": {"folder": str(tmp_path / "service")}})
    services.keys = Ring()
    return services


@pytest.fixture
def asked(services: Services) -> Iterator[TestClient]:
    with TestClient(make_app(services), raise_server_exceptions=False, headers={"authorization": "k1"}) as client:
        yield client


def lines(rows: Any) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def upload(client: TestClient, data: bytes, name: str = "评论.jsonl", **more: Any) -> Any:
    return client.post("/v1/files", files={"file": (name, data)}, data={"purpose": "batch"}, **more)


def begun(client: TestClient, data: bytes, name: str = "评论.jsonl", **more: Any) -> str:
    file = upload(client, data, name).json()["id"]
    made = client.post("/v1/batches", json={"product": "plain", "file": file, **more})
    assert made.status_code == 200, made.text
    return str(made.json()["id"])


def ended(client: TestClient, batch: str, seconds: float = 20) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        told: dict[str, Any] = client.get(f"/v1/batches/{batch}").json()
        if told["status"] in ("completed", "failed", "cancelled"):
            return told
        time.sleep(0.02)
    raise AssertionError(told)


def answers(client: TestClient, batch: str) -> list[dict[str, Any]]:
    said = client.get(f"/v1/batches/{batch}/output")
    assert said.status_code == 200, said.text
    return [json.loads(line) for line in said.text.splitlines()]


def test_every_row_is_answered_once_and_in_order(asked: TestClient) -> None:
    batch = begun(asked, lines(ROWS), metadata={"for": "me"})
    told = ended(asked, batch)
    assert (
        told["status"] == "completed"
        and told["metadata"] == {"for": "me"}
        and told["completed_at"] >= told["created_at"]
    )
    assert told["request_counts"] == {"total": 150, "completed": 150, "failed": 0} and told["usage"]["tokens"] > 0
    found = answers(asked, batch)
    assert [(one["id"], one["label"]) for one in found] == [(row["id"], str(len(str(row["text"])))) for row in ROWS]
    by_file = asked.get(f"/v1/files/{told['output_file_id']}/content")
    assert len(by_file.text.splitlines()) == 150


def test_how_long_a_job_takes_is_not_how_quick_the_service_is(asked: TestClient, services: Services) -> None:
    """Its rows wait for all that is live; an alert on slow requests would be raised by each job."""
    ended(asked, begun(asked, lines(ROWS[:20])))
    page = asked.get("/metrics").text
    assert "tunesmith_rows_total{" in page and 'stage="total"' in page
    timed = [line for line in page.splitlines() if line.startswith("tunesmith_seconds_count{")]
    assert timed and all(line.endswith(" 0.0") for line in timed)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.txt", "a.json"])
def test_other_formats(asked: TestClient, name: str) -> None:
    texts = ["好的", "fine", "longer text"]
    data = {
        "a.csv": "review,n\n" + "".join(f"{t},1\n" for t in texts),
        "a.tsv": "review\tn\n" + "".join(f"{t}\t1\n" for t in texts),
        "a.txt": "\n".join(texts),
        "a.json": json.dumps([{"review": t} for t in texts]),
    }
    raw = data[name.removesuffix(".gz")].encode()
    more = {} if name == "a.txt" else {"columns": {"text": "review"}}
    batch = begun(asked, gzip.compress(raw, mtime=0) if name.endswith(".gz") else raw, name, **more)
    assert ended(asked, batch)["status"] == "completed"
    assert [one["label"] for one in answers(asked, batch)] == ["2", "4", "11"]


def test_bad_rows_have_an_error_and_the_others_an_answer(asked: TestClient) -> None:
    """One without a text, one that the task refuses, one on which it breaks, one that is no JSON."""
    rows = [{"text": t} for t in ("ok", "", "broken", "bug", None, *["fine"] * 20)]
    batch = begun(asked, lines(rows) + b"{no json\n")
    told = ended(asked, batch)
    assert told["request_counts"] == {"total": 26, "completed": 21, "failed": 5}
    found = answers(asked, batch)
    assert len(found) == 26 and [one.get("error") is None for one in found[:5]] == [True, False, False, False, False]
    assert found[0]["label"] == "2" and found[2]["label"] is None and "broken" in found[2]["error"]
    assert "secret" not in found[3]["error"] and "line" in found[-1]


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"a,b\n1,2\n", "x.exe", "unknown_format"),
        (b"a,b\n1,2\n", "", "no_file"),
        (b"", "x.csv", "empty_file"),
        (gzip.compress(b"x", mtime=0)[:12], "x.csv.gz", "unreadable_file"),
        (gzip.compress(b"text\n" + b"0" * 30_000_000, mtime=0), "x.csv.gz", "too_large"),
        (b"x" * 2_100_000, "x.csv", "too_large"),
    ],
)
def test_files_that_are_refused(asked: TestClient, services: Services, data: bytes, name: str, code: str) -> None:
    jobs = jobs_of(services)
    jobs.files.settings = jobs.settings.model_copy(update={"megabytes": 2})
    said = upload(asked, data, name)
    assert said.json()["error"]["code"] == code and 400 <= said.status_code < 500
    assert asked.get("/v1/files").json()["data"] == []
    assert list(jobs.files.base.rglob("data*")) == []


def test_a_workbook_that_unpacks_to_too_much(asked: TestClient, services: Services) -> None:
    jobs = jobs_of(services)
    jobs.files.settings = jobs.settings.model_copy(update={"megabytes": 2})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"0" * 30_000_000)
    assert upload(asked, packed.getvalue(), "x.xlsx").json()["error"]["code"] == "too_large"


def test_names_are_never_paths(asked: TestClient, services: Services, tmp_path: Path) -> None:
    for name in ("../../../etc/x.csv", "/etc/x.csv", "..\\x.csv", "a/../../x.csv", "\u202e~$x.csv"):
        told = upload(asked, b"text\na\n", name).json()
        assert "/" not in told["filename"] and "\\" not in told["filename"] and told["filename"].endswith("x.csv")
    made = [path for path in tmp_path.rglob("*.csv")]
    assert {path.name for path in made} == {"data.csv"} and len(made) == 5
    assert all(jobs_of(services).files.base in path.parents for path in made)
    for id in ("..", "../../x", "file_" + "0" * 24, "%2e%2e", "file_..", "batch_" + "0" * 24):
        for path in (f"/v1/files/{id}", f"/v1/files/{id}/content", f"/v1/batches/{id}", f"/v1/batches/{id}/output"):
            assert asked.get(path).status_code == 404


def test_jobs_that_fail_as_a_whole_say_why(asked: TestClient) -> None:
    told = ended(asked, begun(asked, b'{"a": 1}\n{"a": 2}\n', columns={"text": "评论"}))
    assert told["status"] == "failed" and told["output_file_id"] is None
    (error,) = told["errors"]["data"]
    assert error["code"] == "no_such_column" and "评论" in error["message"]
    assert asked.get(f"/v1/batches/{told['id']}/output").status_code == 404
    broken = ended(asked, begun(asked, b"{no\n{no\n{no\n", "评论.jsonl"))
    (error,) = broken["errors"]["data"]
    assert error["code"] == "unreadable_file" and "评论.jsonl" in error["message"] and "/" not in error["message"]


def test_what_is_asked_wrongly(asked: TestClient) -> None:
    file = upload(asked, lines(ROWS[:1])).json()["id"]
    for body, status in (
        ({"product": "plain", "file": "file_" + "0" * 24}, 404),
        ({"product": "absent", "file": file}, 404),
        ({"product": "plain"}, 422),
        ({"product": "plain", "file": file, "endpoint": "/v1/predict/plain"}, 422),
        ({"endpoint": "/etc/passwd", "input_file_id": file}, 422),
    ):
        assert asked.post("/v1/batches", json=body).status_code == status, body
    assert asked.post("/v1/files", content=b"x").status_code == 415
    assert asked.post("/v1/files", content=b"x", headers={"content-type": "multipart/form-data"}).status_code == 400


def test_each_key_sees_only_its_own(asked: TestClient) -> None:
    batch = begun(asked, lines(ROWS[:3]))
    told = ended(asked, batch)
    other = {"authorization": "k2"}
    for method, path in (
        ("GET", f"/v1/batches/{batch}"),
        ("GET", f"/v1/batches/{batch}/output"),
        ("POST", f"/v1/batches/{batch}/cancel"),
        ("GET", f"/v1/files/{told['input_file_id']}"),
        ("GET", f"/v1/files/{told['input_file_id']}/content"),
        ("GET", f"/v1/files/{told['output_file_id']}/content"),
        ("DELETE", f"/v1/files/{told['input_file_id']}"),
    ):
        assert asked.request(method, path, headers=other).status_code == 404, path
    stolen = {"product": "plain", "file": told["input_file_id"]}
    assert asked.post("/v1/batches", json=stolen, headers=other).status_code == 404
    assert asked.get("/v1/batches", headers=other).json()["data"] == []
    assert asked.get("/v1/files", headers=other).json()["data"] == []
    assert len(asked.get("/v1/batches").json()["data"]) == 1


def test_the_official_client_works_unchanged(asked: TestClient, tmp_path: Path) -> None:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(api_key="k1", base_url="http://testserver/v1", http_client=asked)
    path = tmp_path / "评论.jsonl"
    path.write_bytes(lines(ROWS[:5]))
    asked.headers.pop("authorization")
    file = client.files.create(file=path, purpose="batch")
    made = client.batches.create(input_file_id=file.id, endpoint="/v1/predict/plain", completion_window="24h")
    while (told := client.batches.retrieve(made.id)).status not in ("completed", "failed"):
        time.sleep(0.02)
    assert told.status == "completed" and told.request_counts.completed == 5
    assert [one.id for one in client.batches.list()] == [made.id]
    assert len(client.files.content(told.output_file_id).text.splitlines()) == 5
    assert client.files.delete(file.id).deleted and list(client.files.list()) == []


def test_a_job_that_is_asked_for_again_under_its_key_is_the_same(asked: TestClient, services: Services) -> None:
    file = upload(asked, lines(ROWS[:3])).json()["id"]

    def made(own: str, who: str = "k1", **more: Any) -> Any:
        headers = {"authorization": who, "Idempotency-Key": own}
        return asked.post("/v1/batches", json={"product": "plain", "file": file, **more}, headers=headers)

    first, again, other = made("order-7"), made("order-7"), made("order-8")
    assert first.json()["id"] == again.json()["id"] != other.json()["id"]
    assert len(asked.get("/v1/batches").json()["data"]) == 2
    differs = made("order-7", metadata={"for": "another"})
    assert differs.status_code == 409 and differs.json()["error"]["code"] == "idempotency_key_reused"
    assert made("order-7", who="k2").status_code == 404  # another's key: its own names, and no such file
    half = places.folder_of(jobs_of(services).files.base, "k1", "batches") / first.json()["id"]
    assert ended(asked, first.json()["id"])["status"] == "completed"
    (half / "about.json").unlink()  # as after kill -9 in the middle of making it
    being = made("order-7")
    assert being.status_code == 409 and being.json()["error"]["code"] == "batch_being_made"
    os.utime(half, (1, 1))
    assert (
        made("order-7").json()["id"] == first.json()["id"] and ended(asked, first.json()["id"])["status"] == "completed"
    )


def test_lists_come_in_pages(asked: TestClient) -> None:
    made = [upload(asked, b"text\na\n", f"{n}.csv").json()["id"] for n in range(5)]
    first = asked.get("/v1/files?limit=2").json()
    rest = asked.get(f"/v1/files?limit=9&after={first['last_id']}").json()
    assert first["has_more"] and not rest["has_more"]
    assert {one["id"] for one in first["data"] + rest["data"]} == set(made)


def test_live_requests_go_first_and_a_cancelled_job_keeps_its_answers(
    asked: TestClient, tasks: dict[str, Lengths]
) -> None:
    tasks["plain"].pause = 0.02
    batch = begun(asked, lines([{"text": "x" * 30}] * 2000))
    while asked.get(f"/v1/batches/{batch}").json()["request_counts"]["completed"] == 0:
        time.sleep(0.02)
    began = time.monotonic()
    assert asked.post("/v1/predict/plain", json={"text": "now"}).json()["prediction"]["label"] == "3"
    assert time.monotonic() - began < 2
    assert asked.get(f"/v1/batches/{batch}/output").status_code == 409
    assert asked.post(f"/v1/batches/{batch}/cancel").json()["status"] == "cancelling"
    told = ended(asked, batch)
    assert told["status"] == "cancelled" and 0 < told["request_counts"]["completed"] < 2000
    assert len(answers(asked, batch)) == told["request_counts"]["completed"]
    assert asked.post(f"/v1/batches/{batch}/cancel").status_code == 409


def test_a_key_that_is_revoked_ends_its_job(asked: TestClient, services: Services, tasks: dict[str, Lengths]) -> None:
    tasks["plain"].pause = 0.02
    batch = begun(asked, lines([{"text": "x" * 30}] * 2000))
    services.keys.revoked.add("k1")  # type: ignore[union-attr]
    assert ended(asked, batch)["errors"]["data"][0]["code"] == "revoked_api_key"


def test_a_job_waits_for_a_store_that_is_away(asked: TestClient, services: Services) -> None:
    services.keys.away = 2  # type: ignore[union-attr]
    assert ended(asked, begun(asked, lines(ROWS)))["request_counts"]["completed"] == 150


def test_a_job_waits_for_its_quota(asked: TestClient, services: Services) -> None:
    class Allowance:
        left = 1

        async def admit(self, caller: Caller, product: str) -> None:
            if self.left <= 0:
                self.left = 2
                raise Refused(429, "quota", "used up", retry_after=0.05)
            self.left -= 1

        async def first(self, caller: Caller, question: str) -> bool:
            return True

        async def spend(self, caller: Caller, product: str, tokens: int) -> None:
            pass

    services.allowance = Allowance()
    batch = begun(asked, lines(ROWS))
    assert ended(asked, batch)["request_counts"] == {"total": 150, "completed": 150, "failed": 0}


def test_old_files_and_jobs_are_removed(asked: TestClient, services: Services) -> None:
    batch = begun(asked, lines(ROWS[:3]))
    told = ended(asked, batch)
    jobs = jobs_of(services)
    assert jobs.batches.purge() == jobs.files.purge() == 0
    later = time.time() + 8 * 86_400
    jobs.batches._clock = jobs.files._clock = lambda: later
    assert jobs.batches.purge() == jobs.files.purge() == 1
    assert asked.get(f"/v1/batches/{batch}").status_code == 404
    assert asked.get(f"/v1/files/{told['input_file_id']}").status_code == 404
    assert list(jobs.files.base.rglob("*.jsonl")) == []


def test_what_was_written_and_does_not_count_is_written_anew(services: Services) -> None:
    """A process died after it had written lines and before it said so."""
    with TestClient(make_app(services), headers={"authorization": "k1"}) as client:
        jobs_of(services).runner._locked = lambda: False  # nobody runs jobs yet
        batch = begun(client, lines(ROWS))
        path = jobs_of(services).batches.path("k1", batch)
        half = lines({**row, "label": "before", "score": 1.0} for row in ROWS[:64])
        (path / places.OUTPUT).write_bytes(half + b'{"text": "torn')
        found = Batch.read(path)
        assert found is not None
        found.now(status="in_progress", done=64, bytes=len(half), total=150, began=1.0).write(path)
        del jobs_of(services).runner._locked
        assert ended(client, batch)["request_counts"]["completed"] == 150
        said = answers(client, batch)
    assert [one["id"] for one in said] == [row["id"] for row in ROWS]
    assert [one["label"] == "before" for one in said] == [True] * 64 + [False] * 86


def test_a_job_goes_on_after_kill_9(tmp_path: Path) -> None:
    """A real process is killed again and again; each time the next one goes on where the last one was."""
    folder, count = tmp_path / "service", 1000
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])}
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(folder), str(count)]
    kills, counts = 0, [0]
    for _ in range(40):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "done":
                break
            if int(line) > counts[-1] + 200:
                counts.append(int(line))
                break
        else:
            raise AssertionError("the process ended by itself")
        if line.strip() == "done":
            process.wait(20)
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    (output,) = folder.rglob(places.OUTPUT)
    ids = [json.loads(one)["id"] for one in output.read_text("utf-8").splitlines()]
    assert kills >= 3 and ids == list(range(count))
    store = open_store(f"sqlite:///{folder}/store.db")
    settle_dead(store, folder / "usage")
    with store.connect() as connection:
        rows, requests = connection.execute(text("SELECT sum(rows), sum(requests) FROM usage")).one()
    store.dispose()
    assert rows == count and requests == -(-count // 64)  # a chunk that was computed twice is counted once
