"""The service on Ray Serve: the same answers, replicas that follow the load, and replicas that are killed.

    python benchmarks/operate/on_ray.py --data FOLDER                    # in an environment with the extra "ray"
    python benchmarks/operate/on_ray.py --data FOLDER --kills 10

One classifier is served by ``tunesmith serve`` and by ``tunesmith serve --on ray``, each asked about the same rows.
Then the load changes, and each half second the replicas are counted. At last clients with keys ask without a pause, and
replicas are killed (SIGKILL) at moments drawn by the seed; a request that was broken off is asked again under the same
Idempotency-Key. Usage is in a PostgreSQL of its own. ``tunesmith usage`` must name as many requests for each key as
were acknowledged.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "service"))
import accounts
import bundles
import kill
import serving
from bundles import TEXTS, harness
from serving import Serving, free_port

NAME = "operate_ray"
REPLICA = b"ServeReplica:tunesmith"
"""In the title of a replica's process."""
SETTINGS = {"least": 1, "most": 3, "ongoing": 8, "up": 1, "down": 8, "window": 3, "cpus": 0.25}
"""Quicker than a service's own, so that it fits into minutes; a quarter of a core for each, as there are only two."""


def replicas(server: Serving) -> list[int]:
    """Processes that are replicas of a server; Ray's own processes are below it, in sessions of their own."""
    assert server.process is not None
    parents, found = {}, []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with contextlib.suppress(OSError, IndexError):
            parents[pid] = int(Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[1])
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
            if title.startswith(b"ray::") and REPLICA in title:
                found.append(pid)

    def ours(pid: int) -> bool:
        while pid > 1 and pid != server.process.pid:
            pid = parents.get(pid, 0)
        return pid == server.process.pid

    return [pid for pid in found if ours(pid)]


def ran(server: Serving) -> dict[str, str]:
    """Which tunesmith the replicas import: its folder, and its commit. Asked with a replica's own environment."""
    pid = next(iter(replicas(server)))
    pairs = (one.partition("=") for one in Path(f"/proc/{pid}/environ").read_text("utf-8", "replace").split("\0"))
    words = [sys.executable, "-c", "import tunesmith; print(tunesmith.__path__[0])"]
    env = {name: value for name, _, value in pairs if name}
    folder = subprocess.run(words, env=env, cwd=f"/proc/{pid}/cwd", capture_output=True, text=True, check=True).stdout

    def git(*asked: str) -> str:
        told = subprocess.run(["git", "-C", folder.strip(), *asked], capture_output=True, text=True, check=False)
        return told.stdout.strip()

    commit = git("rev-parse", "--short", "HEAD") or "not a checkout"
    return {"folder": folder.strip(), "commit": commit + (" and changes" if git("status", "--porcelain", ".") else "")}


class Counted:
    """Counts replicas in a thread, each half second, while the block runs."""

    def __init__(self, server: Serving) -> None:
        self.seen: list[int] = []
        self._server, self._ended = server, threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True)

    def __enter__(self) -> Counted:
        self._thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._ended.set()
        self._thread.join()

    def _count(self) -> None:
        while not self._ended.wait(0.5):
            self.seen.append(len(replicas(self._server)))


@contextlib.contextmanager
def on_ray(folder: Path, values: Mapping[str, Any]) -> Iterator[Serving]:
    """``tunesmith serve --on ray`` of a catalog."""
    port = free_port()
    made = {**values, "server": {**values.get("server", {}), "port": port, "folder": str(folder / "files")}}
    path = serving.catalog(folder, {**made, "replicas": SETTINGS})
    command = [sys.executable, "-m", "tunesmith", "serve", path, "--on", "ray"]
    with Serving(command, port, "/readyz", folder, patience=600) as server:
        try:
            yield server
        finally:
            server.stop(60)


def same(one: str, other: str, texts: list[str]) -> dict[str, Any]:
    """How far the answers of two services are apart."""
    each = [asked(url, texts) for url in (one, other)]
    labels = sum(a["label"] != b["label"] for a, b in zip(*each, strict=True))
    return {
        "rows": len(texts),
        "labels": labels,
        "gap": max(abs(a["score"] - b["score"]) for a, b in zip(*each, strict=True)),
    }


def asked(url: str, texts: list[str]) -> list[dict[str, Any]]:
    """Answers in order, 50 rows a request."""
    found: list[dict[str, Any]] = []
    for at in range(0, len(texts), 50):
        rows = [{"text": text} for text in texts[at : at + 50]]
        found += serving.call("POST", url, {"rows": rows})["predictions"]
    return found


def load_changes(server: Serving, file: Path, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Few clients, many, few: replicas in each phase."""
    found = []
    for clients, seconds in ((1, given.phase), (48, 2 * given.phase), (1, 3 * given.phase)):
        with Counted(server) as counted:
            words = ["--clients", clients, "--warmup", 0, "--seconds", seconds]
            told = serving.load(f"{server.url}/v1/predict/bank", file, *words)
        found.append({"clients": clients, "load": told, "seen": counted.seen})
    return found


def killed(given: argparse.Namespace, folder: Path, bundle: Path, file: Path) -> dict[str, Any]:
    """Replicas killed under load; what was acknowledged, and what was metered, by key."""
    with kill.store("postgresql", folder) as url:
        values = {"products": {"bank": str(bundle)}, "server": {"open": False}, "store": url}
        with on_ray(folder, values) as server:
            keys = accounts.made_keys(url, given.keys)
            Path(folder, "keys.txt").write_text("\n".join(one["key"] for one in keys), "utf-8")
            ids, stop, drawn = folder / "ids.txt", folder / "stop", random.Random(given.seed)
            words = ["--clients", given.clients, "--keys", folder / "keys.txt", "--retry", "--acknowledged", ids]
            words += ["--warmup", 0, "--seconds", 1, "--until", stop, "--timeout", 60, "--drain", 120]
            running = serving.loading(f"{server.url}/v1/predict/bank", file, *words)
            kills = []
            with Counted(server) as counted:
                while len(kills) < given.kills:
                    time.sleep(drawn.uniform(*given.between))
                    alive = replicas(server)
                    if alive:
                        kills.append({"of": len(alive)})
                        os.kill(drawn.choice(alive), signal.SIGKILL)
                time.sleep(given.between[1])
                stop.touch()
                load = serving.printed(running)
            for pid in replicas(server)[:1]:  # so that nothing that was only in memory can help
                os.kill(pid, signal.SIGKILL)
            time.sleep(given.between[1])
        answered = kill.acknowledged(ids.read_text("utf-8").splitlines())
        counts = accounts.metered(url)
    by_key = [
        {"acknowledged": answered.get(number, 0), "metered": counts.get(one["id"], 0)}
        for number, one in enumerate(keys)
    ]
    strange = {key: n for key, n in counts.items() if key not in {one["id"] for one in keys}}
    return {"load": load, "kills": kills, "keys": by_key, "strange": strange, "seen": counted.seen}


HEAD = ["load", "replicas at first", "most", "at the end", "requests a second", "not answered"]


def phase_row(phase: Mapping[str, Any]) -> list[str]:
    """A line of the table."""
    seen, load = phase["seen"] or [0], phase["load"]
    failed = sum(load["statuses"].values()) - load["statuses"].get("200", 0)
    return [
        f"{phase['clients']} clients",
        *map(str, (seen[0], max(seen), seen[-1])),
        f"{load['rate']:,.0f}",
        f"{failed:,}",
    ]


def page(one: Mapping[str, Any]) -> list[str]:
    """Three parts."""
    apart, settings = one["same"], one["settings"]
    phases = [phase_row(phase) for phase in one["phases"]]
    found = one["killed"]
    sums = {name: sum(key[name] for key in found["keys"]) for name in ("acknowledged", "metered")}
    statuses = ", ".join(f"{count:,} {status}" for status, count in found["load"]["statuses"].items())
    return [
        f"`replicas`: {', '.join(f'{key} {value}' for key, value in settings.items())}.", "", one["about"], "",
        f"The replicas ran the tunesmith of `{one['ran']['folder']}`, commit {one['ran']['commit']}.", "",
        f"- **The same answers**: {apart['labels']} of {apart['rows']:,} labels differ from those of a single process; "
        f"the largest gap of a score is {apart['gap']:.2g}.",
        f"- **Killed**: {len(found['kills'])} replicas under load and one after it; {sums['acknowledged']:,} requests "
        f"acknowledged, {sums['metered']:,} metered, {found['load']['retries']:,} asked again, "
        f"{found['load']['unacknowledged']} never answered. Equal for each key: "
        f"**{'met' if kill.equal(found) else 'NOT met'}** (tries by status: {statuses}).",
        "", *harness.table(HEAD, phases),
        "", *harness.context_lines(one), f"ray {one['ray']}.", *harness.busy_note([one]),
    ]  # fmt: skip


def main() -> None:
    """The command line."""
    given = options()
    made = bundles.parent(given)
    bundle, file = bundles.form(made, given.form), bundles.texts(given, made.bundle, TEXTS[0])
    texts = [row["text"] for row in harness.rows_of(file)][: given.rows]
    one = {**harness.context(), "others": harness.busy_cores(), "settings": SETTINGS, "about": bundles.about(made)}
    one["ray"] = metadata.version("ray")
    values, folder = {"products": {"bank": str(bundle)}}, given.work / "run"
    with on_ray(folder / "ray", values) as server:
        one["ran"] = ran(server)
        with serving.ours(serving.catalog(folder / "one", values), folder / "one") as single:
            one["same"] = same(*(f"{each.url}/v1/predict/bank" for each in (single, server)), texts)
        one["phases"] = load_changes(server, file, given)
    one["killed"] = killed(given, folder / "ray-kill", bundle, file)
    harness.write(given.results, NAME, "The service on Ray Serve", page(one), one)


def options() -> argparse.Namespace:
    """The command line's."""
    parser = bundles.options(__doc__)
    parser.add_argument("--form", default="int8")
    parser.add_argument("--rows", type=int, default=1000, help="whose answers are compared")
    parser.add_argument("--phase", type=float, default=15.0, help="seconds of the shortest phase of the load")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--keys", type=int, default=3)
    parser.add_argument("--between", nargs=2, type=float, default=[4.0, 10.0], help="seconds of load before a kill")
    parser.add_argument("--seed", type=int, default=13)
    given = bundles.parse(parser)
    if given.quick:
        given.rows, given.kills, given.phase, given.form = 50, 1, 5.0, "torch"
    return given


if __name__ == "__main__":
    main()
