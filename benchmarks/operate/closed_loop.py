"""The closed loop: served, watched, labelled, learned again, gated, put out as a canary, promoted or rolled back.

    python benchmarks/operate/closed_loop.py --data FOLDER

A classifier of hotel reviews (online_shopping_10_cats) is tuned and served by ``tunesmith serve``. It is asked about
10,000 hotel reviews that it was not tuned on: each look that raises drift is a false alarm. Then about books: how many
requests until it says so? The right answers come in as feedback; ``tunesmith feedback propose``, ``learn``, ``gate``
and ``feedback canary`` do the rest, each as a user would call it. A candidate whose labels were flipped must be
refused; put out all the same, it must be rolled back. Reviews are cut at 60 characters, so that the whole loop fits
into a quarter of an hour. What watching costs is measured by ``watching.py``.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "service"))
import harness
from serving import Serving, free_port

SET, MODEL, PRODUCT = "online_shopping_10_cats", "e5-small", "reviews"
OLD, NEW = "酒店", "书籍"
CUT, LENGTH = 60, 64
Rows = list[dict[str, str]]


class Hook(BaseHTTPRequestHandler):
    """Takes alerts."""

    got: list[dict[str, Any]] = []

    def do_POST(self) -> None:
        """Remember one."""
        Hook.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class Client:
    """Asks the service, some requests at a time.

    Args:
        port: of the service.
        threads: requests at a time.
    """

    def __init__(self, port: int, threads: int = 8) -> None:
        self._port, self._local = port, threading.local()
        self._pool = ThreadPoolExecutor(threads)

    def ask(self, rows: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
        """Answers in order, each a body."""
        return list(self._pool.map(lambda row: self._post(f"/v1/predict/{PRODUCT}", {"text": row["text"]}), rows))

    def say(self, rows: Sequence[dict[str, str]], answers: Sequence[dict[str, Any]]) -> None:
        """Tell what would have been right."""
        said = [{"request_id": a["request_id"], "right": r["label"]} for r, a in zip(rows, answers, strict=True)]
        list(self._pool.map(lambda one: self._post("/v1/feedback", one), said))

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if not hasattr(self._local, "line"):
            self._local.line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        line, sent = self._local.line, (path, json.dumps(body).encode(), {"content-type": "application/json"})
        try:
            line.request("POST", *sent)
            answer = line.getresponse()
        except ConnectionError:  # the service closed a line that was idle while the bundle learned
            line.close()
            line.request("POST", *sent)
            answer = line.getresponse()
        found: dict[str, Any] = json.loads(answer.read())
        if answer.status >= 300:
            raise SystemExit(f"{path}: {answer.status} {found}")
        return found


def domain(folder: Path, name: str) -> Rows:
    """All rows of a domain, each text once, cut, in the seed's order."""
    found: dict[str, str] = {}
    for split in ("train", "dev", "test"):
        for row in harness.rows_of(folder / SET / f"{split}.csv"):
            if row["domain"] == name and row["text"].strip():
                found.setdefault(row["text"][:CUT], row["label"])
    rows = [{"text": text, "label": label} for text, label in found.items()]
    random.Random(13).shuffle(rows)
    return rows


def shared(sizes: dict[str, int], rows: Rows, place: Path, name: str) -> dict[str, Any]:
    """Files and rows of each part, one after the other; what is left is "stream"."""
    made, at = {}, 0
    for part, size in sizes.items():
        some = rows[at : at + size]
        at += size
        made[part] = harness.write_rows(place / f"{name}_{part}.csv", some)
    return {**made, "stream": rows[at:]}


def verb(*words: Any, fine: Sequence[int] = (0,)) -> dict[str, Any]:
    """A verb's JSON, its exit code among it."""
    command = [sys.executable, "-m", "tunesmith", *map(str, words), "--json"]
    made = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    if made.returncode not in fine:
        raise SystemExit(f"{' '.join(command)}: {made.stdout}")
    return {**json.loads(made.stdout), "exit": made.returncode}


def accuracy(gated: dict[str, Any], when: str) -> dict[str, Any]:
    """Of the bundle "before" or "after", as the gate measured it on both domains."""
    return {name: gated[rows][when]["accuracy"] for name, rows in (("hotels", "protected"), ("books", "held"))}


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: the whole loop."""
    Hook.got = []
    with HTTPServer(("127.0.0.1", 0), Hook) as hook, tempfile.TemporaryDirectory() as folder:
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        loop = Loop(job, Path(folder), Path(job["work"]), f"http://127.0.0.1:{hook.server_port}/")
        try:
            return loop.go()
        finally:
            hook.shutdown()


class Loop:
    """The stages, in order; what they share.

    Args:
        job: sizes.
        place: a folder for all files.
        work: where bundles are kept; those that are there are not made again.
        hook: URL that alerts go to.
    """

    def __init__(self, job: dict[str, Any], place: Path, work: Path, hook: str) -> None:
        self.job, self.place, self.hook, self.found = job, place, hook, {}
        data, sizes = Path(job["data"]), job["sizes"]
        self.old = shared(sizes["old"], domain(data, OLD), place, "old")
        self.new = shared(sizes["new"], domain(data, NEW), place, "new")
        self.bundle, self.better, self.bad = (work / name for name in ("one", "two", "bad"))
        self.store = f"sqlite:///{place}/store.db"
        self.draw = random.Random(7)
        self.canary_rows = harness.rows_of(self.new["canary"])
        self.tests = {"hotels": self.old["test"], "books": self.new["test"]}

    def go(self) -> dict[str, Any]:
        """All of it."""
        self.tune_served()
        self.tune_wrong()
        port = free_port()
        with Serving(self.serving(port), port, "/readyz", self.place / "served") as server:
            self.url, self.client = server.url, Client(port)
            self.watch()
            self.learn()
            self.canary()
        return self.found

    def every(self) -> list[str]:
        """What all bundles are tuned with."""
        return [
            "task=text-classification", f"model={MODEL}", f"model.max_length={LENGTH}", "evaluation.baselines=false",
            *self.job["settings"],
        ]  # fmt: skip

    def tune_served(self) -> None:
        """The bundle that is served."""
        self.made(
            self.bundle, "tune", self.old["train"], f"data.validation={self.old['validation']}",
            f"data.test={self.old['baseline']}",
            "evaluation.calibrate={error: 0.05}", "data.clean.duplicates=false",
            *self.every(),
        )  # fmt: skip

    def tune_wrong(self) -> None:
        """The bundle that must not be: its labels are flipped."""
        flipped = {"positive": "negative", "negative": "positive"}
        wrong = [{**row, "label": flipped[row["label"]]} for row in harness.rows_of(self.new["wrong"])]
        bad = harness.write_rows(self.place / "wrong.csv", wrong)
        self.made(self.bad, "tune", bad, *self.every())

    def made(self, bundle: Path, *words: Any) -> None:
        """A bundle, unless an earlier run made it."""
        if not (bundle / "tunesmith.json").is_file():
            told = verb(*words, f"bundle={bundle}")
            self.found.setdefault("seconds", {})[bundle.name] = told["seconds"]

    def serving(self, port: int, **watch: Any) -> list[str]:
        """The command that serves it."""
        catalog = {
            "products": {PRODUCT: {"versions": {"1": str(self.bundle)}, "policy": "kept"}},
            "policies": {"kept": {"keep": True}},
            "store": self.store if "drift" not in watch else f"sqlite:///{self.place}/store-{port}.db",
            "server": {"port": port, "folder": str(self.place / f"service-{port}")},
            "watch": {
                "drift": {"rows": self.job["window"], "step": self.job["step"], "per_second": 1e6},
                "alerts": {"webhook": self.hook, "cooldown": 0},
                **watch,
            },
        }
        path = self.place / f"catalog-{port}.yaml"
        path.write_text(json.dumps(catalog), "utf-8")
        return [sys.executable, "-m", "tunesmith", "serve", str(path)]

    def drifts(self) -> list[dict[str, Any]]:
        """Alerts of drift so far; what is on its way is waited for."""
        time.sleep(1.0)
        return [one for one in Hook.got if one["alert"] == "drift"]

    def watch(self) -> None:
        """Old rows, then new ones, until the service says so."""
        begun = time.perf_counter()
        stream = [self.draw.choice(self.old["stream"]) for _ in range(self.job["requests"])]
        answers = self.client.ask(stream)
        false = len(self.drifts())
        seconds = time.perf_counter() - begun
        asked: Rows = []
        said: list[dict[str, Any]] = []
        books = self.new["stream"][: self.job["labels"]]
        while len(asked) < len(books):
            some = books[len(asked) : len(asked) + self.job["step"]]
            said += self.client.ask(some)
            asked += some
            if len(self.drifts()) > false:
                break
        drifts = self.drifts()[false:]
        delay = drifts[0]["rows"] - self.job["requests"] if drifts else None
        said += self.client.ask(books[len(asked) :])
        self.books, self.said = books, said
        self.found["drift"] = {
            "requests": len(stream), "false_alarms": false, "looks": self.looks(len(stream)), "delay": delay,
            "of": sorted(drifts[0]["sizes"].items(), key=lambda pair: -pair[1])[:4] if drifts else [],
            "seconds": seconds, "distinct": len(self.old["stream"]),
            "right_old": share_right(stream, answers), "right_new": share_right(books, said),
            "abstained_old": abstained(answers), "abstained_new": abstained(said),
        }  # fmt: skip

    def looks(self, rows: int) -> int:
        """How often the window was looked at."""
        return max(0, (rows - self.job["window"]) // self.job["step"] + 1)

    def learn(self) -> None:
        """Labels come in; the loop proposes, learns, gates."""
        self.client.say(self.books, self.said)
        rows = self.place / "new.jsonl"
        told = verb(
            "feedback", "propose", PRODUCT, "-o", rows, "--queue", self.place / "queue.jsonl", "--store", self.store,
            "--bundle", self.bundle, "--protect", self.old["train"], "--service", self.url, "--volume", 10_000_000,
            "--least", 20,
        )  # fmt: skip
        self.made(
            self.better, "learn", self.bundle, rows, "--protect", self.old["train"], "evaluation.baselines=false",
            *self.job["settings"],
        )  # fmt: skip
        self.found["propose"] = {key: told.get(key) for key in ("propose", "why", "rows", "to_label", "command")}
        for name, bundle in (("gate", self.better), ("gate_bad", self.bad)):
            gated = verb(
                "gate", bundle, "--against", self.bundle, "--held", self.tests["books"], "--protect",
                self.tests["hotels"], fine=(0, 2),
            )  # fmt: skip
            self.found["before"] = accuracy(gated, "before")
            self.found["after" if name == "gate" else "bad"] = accuracy(gated, "after")
            self.found[name] = {key: gated[key] for key in ("accepted", "reasons", "words", "exit")}

    def canary(self) -> None:
        """The better one goes out; then the bad one, against all advice."""
        from tunesmith.feedback.admin import Admin

        admin = Admin(self.url)
        self.found["canary"] = self.tried(admin, "1", "2", self.better)
        stable = admin.product(PRODUCT)["route"]["stable"]
        self.found["canary_bad"] = self.tried(admin, stable, "3", self.bad)
        self.found["route"] = admin.product(PRODUCT)["route"]

    def tried(self, admin: Any, stable: str, version: str, bundle: Path) -> dict[str, Any]:
        """A version with half of the requests, judged again and again until there is a verdict."""
        admin.load(PRODUCT, version, str(bundle))
        admin.route(PRODUCT, stable, (version, 0.5))
        began, asked, told = time.time(), 0, {}
        for _ in range(self.job["rounds"]):
            some = [self.draw.choice(self.canary_rows) for _ in range(self.job["step"])]
            self.client.say(some, self.client.ask(some))
            asked += len(some)
            days = (time.time() - began + 1) / 86_400
            told = verb(
                "feedback", "canary", PRODUCT, "--service", self.url, "--store", self.store, "--days", days, "--act"
            )
            if told["what"] != "wait":
                break
        return {"requests": asked, **{key: told[key] for key in ("what", "difference", "low", "high", "words")}}


def share_right(rows: Rows, answers: Sequence[dict[str, Any]]) -> float:
    return sum(a["prediction"]["label"] == r["label"] for a, r in zip(answers, rows, strict=True)) / max(1, len(rows))


def abstained(answers: Sequence[dict[str, Any]]) -> float:
    return sum(bool(a["prediction"].get("abstain")) for a in answers) / max(1, len(answers))


def parsed(about: str | None) -> tuple[argparse.Namespace, dict[str, Any]]:
    """The command line, and sizes of all parts."""
    parser = harness.parser(about)
    parser.add_argument("--work", type=Path, default=Path("out/operate"), help="where bundles are kept (out/operate)")
    parser.add_argument("--set", nargs="*", default=["training.epochs=2"], help="overrides of tune and learn")
    given = harness.parse(parser)
    work = (given.work / ("quick" if given.quick else "")).resolve()
    work.mkdir(parents=True, exist_ok=True)
    job: dict[str, Any] = {
        "work": str(work), "data": str(given.data), "settings": given.set, "quick": given.quick,
        "requests": 10_000, "window": 500,
        "step": 100, "labels": 800, "rounds": 12,
        "sizes": {
            "old": {"train": 600, "validation": 300, "baseline": 400, "test": 200},
            "new": {"wrong": 200, "test": 300, "canary": 300},
        },
    }  # fmt: skip
    if given.quick:
        job |= {"requests": 100, "window": 50, "step": 25, "labels": 100, "rounds": 2}
        job["settings"] = [*given.set, "training.max_steps=2", "evaluation.resamples=100"]
        job["sizes"] = {
            "old": {"train": 80, "validation": 60, "baseline": 60, "test": 30},
            "new": {"wrong": 30, "test": 30, "canary": 40},
        }
    return given, job


def main() -> None:
    """The command line."""
    given, job = parsed(__doc__)
    found = {
        **harness.child(__file__, job),
        **harness.context(),
        "job": {k: v for k, v in job.items() if k not in ("data", "work")},
    }
    harness.write(given.results, "operate_closed_loop", "The closed loop", page(found), found)


def raised(drift: dict[str, Any], asked: int) -> str:
    """When drift was raised, and by what."""
    if drift["delay"] is None:
        return f"drift is NOT raised within {asked} requests."
    furthest = ", ".join(f"{name} ({size:.2f})" for name, size in drift["of"])
    return f"drift is raised {drift['delay']} requests after the change; furthest off: {furthest}."


def page(found: dict[str, Any]) -> list[str]:
    """What happened, stage by stage."""
    drift, job = found["drift"], found["job"]
    stages = [("served at first", "before"), ("learned, protected", "after"), ("with flipped labels", "bad")]
    table = harness.table(
        ["bundle", "accuracy on hotels (old)", "accuracy on books (new)"],
        [[name, *(harness.interval(found[key][side]) for side in ("hotels", "books"))] for name, key in stages],
    )
    canaries = harness.table(
        ["canary", "requests until a verdict", "verdict", "difference"],
        [
            [name, found[key]["requests"], found[key]["what"],
             f"{found[key]['difference']:+.3f} [{found[key]['low']:+.3f}, {found[key]['high']:+.3f}]"]
            for name, key in (("learned", "canary"), ("flipped", "canary_bad"))
        ],
    )  # fmt: skip
    lines = [
        f"`{MODEL}`, reviews of hotels, then of books, cut at {CUT} characters.",
        "",
        f"- **Old domain**: {drift['requests']:,} requests (drawn from {drift['distinct']:,} reviews that were neither "
        f"trained on nor in the baseline), {drift['looks']} looks at the last {job['window']}: "
        f"{drift['false_alarms']} false alarms.",
        "- **New domain**: " + raised(drift, job["labels"]),
        f"- Answers that abstain: {drift['abstained_old']:.1%} on the old, {drift['abstained_new']:.1%} on the new "
        f"domain; {found['propose']['to_label']:,} rows were queued for a person, {found['propose']['rows']:,} labels "
        "came in.",
        f"- **Proposed**: {'; '.join(found['propose']['why']) or 'nothing'}.",
        "",
        *table,
        "",
        f"- **Gate**, the learned one: {found['gate']['words']}",
        f"- **Gate**, the one with flipped labels: {found['gate_bad']['words']}",
        "",
        *canaries,
        "",
        f"The route at the end: {json.dumps(found['route'])}.",
    ]  # fmt: skip
    return [*lines, "", f"{found['wall']:,.0f} s in all.", "", *harness.context_lines(found)]


if __name__ == "__main__":
    harness.entry(work, main)
