"""What watching costs: CPU seconds of the service for 1,000 answers, and answers a second, with it and without.

    python benchmarks/operate/watching.py --data FOLDER

The bundle and the catalog of ``closed_loop.py``: a look at drift each 100 answers. Two servers, one that watches and
one that does not, are asked in turns, each by 32 clients, and only one at a time; the first turn gets them warm.
Both move with all that a shared machine does, more than watching costs; so the watch is also measured by itself: the
CPU time that it takes for a row, of all its threads, as a share of what the service takes to answer one.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "service"))
import harness
from closed_loop import PRODUCT, Loop, parsed
from serving import Serving, free_port, load

NAME = "operate_watching"
BUDGET = 0.03
CLIENTS = 32
WATCH: dict[str, dict[str, Any]] = {"on": {}, "off": {"drift": None}}


def cpu_seconds(pids: Sequence[int]) -> float:
    """What processes have had of the CPUs so far, user and system."""
    ticks = 0
    for pid in pids:
        told = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        ticks += int(told[11]) + int(told[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def asked(server: Serving, texts: Path, seconds: float) -> dict[str, float]:
    """CPU seconds for 1,000 answers, and answers a second."""
    pids = server.pids()
    before = cpu_seconds(pids)
    told = load(f"{server.url}/v1/predict/{PRODUCT}", texts, "--clients", CLIENTS, "--warmup", 0, "--seconds", seconds)
    count = told["good"]["count"]
    if count < told["requests"]:
        raise SystemExit(f"not all were answered: {told['statuses']}")
    return {"cpu": 1000 * (cpu_seconds(pids) - before) / count, "rate": told["rate"]}


def lost(found: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, Any]]:
    """Of each measure the share that watching takes, a turn; their mean, and its standard error."""
    made: dict[str, dict[str, Any]] = {}
    pairs = list(zip(found["on"], found["off"], strict=True))
    each = {
        "cpu": [on["cpu"] / off["cpu"] - 1 for on, off in pairs],
        "rate": [1 - on["rate"] / off["rate"] for on, off in pairs],
    }
    for name, values in each.items():
        made[name] = {"lost": mean(values), "error": stdev(values) / len(values) ** 0.5, "each": values}
    return made


class Counts:
    """Where looks go."""

    looks = 0

    def drifted(self, *told: Any) -> None:
        """Count one."""
        self.looks += 1


def alone(bundle: Path, texts: Path, step: int, rows: int) -> dict[str, float]:
    """Milliseconds of CPU that the watch takes for a row, its thread's among them, and how many looks there were."""
    from tunesmith.bundle.read import read_bundle
    from tunesmith.service.watching.settings import Drift
    from tunesmith.service.watching.watch import Watch

    predictor = read_bundle(bundle).predictor(device="cpu")
    asked = [{"text": row["text"]} for row in harness.rows_of(texts)]
    features, answers = predictor.encode(asked), predictor.predict(asked)
    counts = Counts()
    watch: Any = Watch(Drift(step=step, per_second=1e6), counts, lambda alert: None)  # type: ignore[arg-type]
    try:
        begun = time.process_time()
        for number in range(rows):
            i = number % len(asked)
            watch.saw(PRODUCT, "1", bundle, asked[i : i + 1], features[i : i + 1], answers[i : i + 1])
            if not number % 500:  # its queue holds 2,000
                watch.flush()
        watch.flush()
        seconds = time.process_time() - begun
    finally:
        watch.close()
    return {"milliseconds": 1e3 * seconds / rows, "looks": counts.looks, "rows": rows}


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child."""
    found: dict[str, list[dict[str, float]]] = {side: [] for side in WATCH}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        loop = Loop(job, place, Path(job["work"]), "http://127.0.0.1:9/")
        loop.tune_served()
        texts = loop.old["train"]
        ports = {side: free_port() for side in WATCH}
        servers = {
            side: Serving(loop.serving(port, **WATCH[side]), port, "/readyz", place / side)
            for side, port in ports.items()
        }
        with servers["on"], servers["off"]:
            for turn in range(-1, job["turns"]):
                for side in ("on", "off") if turn % 2 else ("off", "on"):
                    told = asked(servers[side], texts, job["load_seconds"])
                    if turn >= 0:
                        found[side].append(told)
        by_itself = alone(loop.bundle, texts, job["step"], 500 if job["quick"] else 10_000)
    return {"turns": found, "lost": lost(found), "alone": by_itself}


def page(found: dict[str, Any], job: dict[str, Any]) -> list[str]:
    """The table, and whether the budget holds."""
    means = {
        side: {name: mean(one[name] for one in found["turns"][side]) for name in ("cpu", "rate")} for side in WATCH
    }
    rows = [
        [side, f"{means[name]['cpu']:.2f}", f"{means[name]['rate']:.1f}"]
        for name, side in (("off", "not watched"), ("on", "watched"))
    ]
    cost, own = found["lost"], found["alone"]
    share = own["milliseconds"] / means["off"]["cpu"]  # seconds for 1,000 are milliseconds for one
    middle = median(cost["cpu"]["each"])
    high = {name: found["lost"][name]["lost"] + 2 * found["lost"][name]["error"] for name in ("cpu", "rate")}
    return [
        *harness.table(["", "CPU seconds for 1,000 answers", "answers a second"], rows),
        "",
        f"- The watch by itself: {own['milliseconds']:.2f} ms of CPU a row ({own['rows']:,} rows, {own['looks']:,} "
        f"looks), {share:.1%} of an answer; budget {BUDGET:.0%}: **{judged(share)}**.",
        f"- In turns, CPU time: {cost['cpu']['lost']:+.1%}, standard error {cost['cpu']['error']:.1%}, median "
        f"{middle:+.1%}; with two standard errors {high['cpu']:+.1%}: **{judged(high['cpu'])}**.",
        f"- In turns, answers a second: {-cost['rate']['lost']:+.1%}, standard error {cost['rate']['error']:.1%}; with "
        f"two standard errors {-high['rate']:+.1%}: **{judged(high['rate'])}**.",
        "- Watching is drift here; metrics and logs are on in both servers.",
        "",
        f"{job['turns']} turns of {job['load_seconds']} s each, {CLIENTS} clients, one text a request; a look at drift "
        f"each {job['step']} answers. CPU time a turn: {', '.join(f'{one:+.1%}' for one in cost['cpu']['each'])}.",
        "",
        *harness.context_lines(found),
    ]


def judged(cost: float) -> str:
    return "met" if cost <= BUDGET else "NOT met"


def main() -> None:
    """The command line."""
    given, job = parsed(__doc__)
    job |= {"turns": 2, "load_seconds": 1} if given.quick else {"turns": 60, "load_seconds": 1.5}
    found = {**harness.child(__file__, job), **harness.context()}
    harness.write(given.results, NAME, "What watching costs", page(found, job), found)


if __name__ == "__main__":
    harness.entry(work, main)
