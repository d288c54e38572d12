"""What watching costs: CPU seconds of the service for 1,000 answers, and answers a second, with it and without.

    python benchmarks/operate/watching.py --data FOLDER

The bundle and the catalog of ``closed_loop.py``: a look at drift each 100 answers. Two servers, one that watches and
one that does not, are asked in turns, each by 32 clients, and only one at a time; the first turn gets them warm.
Answers a second move with all that this machine does, the CPU time of an answer hardly: the budget is held to that.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "service"))
import harness
from closed_loop import PRODUCT, Loop, loop_job
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
    return {"turns": found, "lost": lost(found)}


def page(found: dict[str, Any], job: dict[str, Any]) -> list[str]:
    """The table, and whether the budget holds."""
    means = {
        side: {name: mean(one[name] for one in found["turns"][side]) for name in ("cpu", "rate")} for side in WATCH
    }
    rows = [
        [side, f"{means[name]['cpu']:.2f}", f"{means[name]['rate']:.1f}"]
        for name, side in (("off", "not watched"), ("on", "watched"))
    ]
    cost = found["lost"]
    high = cost["cpu"]["lost"] + 2 * cost["cpu"]["error"]
    return [
        *harness.table(["", "CPU seconds for 1,000 answers", "answers a second"], rows),
        "",
        f"- CPU time: {cost['cpu']['lost']:+.1%}, standard error {cost['cpu']['error']:.1%}; budget {BUDGET:.0%}: "
        f"**{'met' if high <= BUDGET else 'NOT met'}** (two standard errors more: {high:.1%}).",
        f"- Answers a second: {cost['rate']['lost']:+.1%} fewer, standard error {cost['rate']['error']:.1%}.",
        "",
        f"{job['turns']} turns of {job['load_seconds']} s each, {CLIENTS} clients, one text a request; a look at drift "
        f"each {job['step']} answers. CPU time a turn: {', '.join(f'{one:+.1%}' for one in cost['cpu']['each'])}.",
        "",
        *harness.context_lines(found),
    ]


def main() -> None:
    """The command line."""
    parser = harness.parser(__doc__)
    parser.add_argument("--work", type=Path, default=Path("out/operate"), help="where bundles are kept (out/operate)")
    parser.add_argument("--set", nargs="*", default=["training.epochs=2"], help="overrides of tune")
    given = harness.parse(parser)
    place = (given.work / ("quick" if given.quick else "")).resolve()
    place.mkdir(parents=True, exist_ok=True)
    job = loop_job(given, place) | {"turns": 2 if given.quick else 24, "load_seconds": 1 if given.quick else 4}
    found = {**harness.child(__file__, job), **harness.context()}
    harness.write(given.results, NAME, "What watching costs", page(found, job), found)


if __name__ == "__main__":
    harness.entry(work, main)
