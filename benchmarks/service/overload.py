"""Ten times more than the service can do, for two minutes: does it stay up, bounded, on time, and quick to say no?

    python benchmarks/service/overload.py --data FOLDER
    python benchmarks/service/overload.py --data FOLDER --form int8 --texts imdb --times 10 --seconds 120

What it can do is measured first, by 64 clients that wait for their answers. Then requests come at ten times that rate
as independent users do (Poisson), whatever became of those before. Meanwhile its memory is read twice a second, and
``/healthz`` asked. At the end one client asks again: it must be as quick as before.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import bundles
import serving
from bundles import TEXTS, TORCH, harness
from figures import percentile

NAME = "service_overload"
REFUSED_MS = 50.0
GROWTH = 1.1
"""The most memory of the last quarter against that of the second one."""
DEADLINE = 2.0


class Watch(threading.Thread):
    """Reads a server's memory and asks whether it is well, until told to stop."""

    def __init__(self, server: serving.Serving) -> None:
        super().__init__(daemon=True)
        self.server = server
        self.rss: list[float] = []
        self.health: list[float] = []
        self._end = threading.Event()

    def run(self) -> None:
        """Look, and look again."""
        while not self._end.wait(0.5):
            self.rss.append(self.server.memory()["rss"])
            start = time.perf_counter()
            if serving.status(f"{self.server.url}/healthz") == 200:
                self.health.append(1e3 * (time.perf_counter() - start))
            else:
                self.health.append(float("inf"))

    def stop(self) -> None:
        """Look no more."""
        self._end.set()
        self.join()


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """The whole trial on one server."""
    made = bundles.parent(given)
    bundle, file = bundles.form(made, given.form), bundles.texts(given, made.bundle, given.texts)
    folder = given.work / "run" / "overload"
    catalog = serving.catalog(folder, {"products": {"bank": str(bundle)}, "batching": {"deadline": given.deadline}})
    with serving.ours(catalog, folder) as server:
        url = f"{server.url}/v1/predict/bank"
        able = serving.load(url, file, "--clients", 64, "--seconds", given.able)
        before = serving.load(url, file, "--clients", 1, "--seconds", given.able / 2)
        watch = Watch(server)
        start = server.memory()["rss"]
        watch.start()
        rate = given.times * able["rate"]
        words = ["--rate", rate, "--seconds", given.seconds, "--warmup", 1, "--connections", 4000]
        over = serving.load(url, file, *words, "--timeout", 5 * given.deadline)
        alive = server.alive
        watch.stop()
        after = serving.load(url, file, "--clients", 1, "--seconds", given.able / 2) if alive else None
    finite = [one for one in watch.health if one != float("inf")]
    health = {"asked": len(watch.health), "failed": len(watch.health) - len(finite), "p99": percentile(finite, 0.99)}
    loads = {"able": able, "before": before, "over": over, "after": after}
    return {"about": bundles.about(made), **loads, "alive": alive, "rss": watch.rss, "start": start, "health": health}


def bounded(rss: Sequence[float]) -> tuple[float, float]:
    """The most memory in the second quarter of the time, and in the last one."""
    quarter = max(1, len(rss) // 4)
    return max(rss[quarter : 2 * quarter], default=0.0), max(rss[-quarter:], default=0.0)


def wanted(found: Mapping[str, Any], deadline: float) -> list[str]:
    """What was wanted, met or not."""
    over, failed = found["over"], found["over"]["failed"]
    second, last = bounded(found["rss"])
    good, refused = over["good"]["p99"], over["refused"]["p99"]
    told = ", ".join(f"{count:,} {status}" for status, count in failed.items()) or "no request was lost"
    sending = over["from_sending"]["refused"]["p99"]
    return [
        f"- No crash: **{_met(found['alive'] and not failed)}** ({told}).",
        f"- Memory bounded: **{_met(0 < last <= GROWTH * second)}** ({found['start']:,.0f} MiB before, at most "
        f"{second:,.0f} in the second quarter, {last:,.0f} in the last one).",
        f"- Accepted requests' p99 within the deadline of {deadline:g} s: "
        f"**{_met(good is not None and good <= 1e3 * deadline)}** ({_ms(good)}).",
        f"- The rest refused in under {REFUSED_MS:g} ms: **{_met(refused is not None and refused < REFUSED_MS)}** "
        f"(p99 {_ms(refused)}; {_ms(sending)} from when the load got to send it).",
    ]


def _met(whether: bool) -> str:
    return "met" if whether else "NOT met"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f} ms"


def page(one: Mapping[str, Any]) -> list[str]:
    """The loads in a table, and what was wanted."""
    found, settings = one["found"], one["settings"]
    header = ["load", "asked/s", "good/s", "p50 ms", "p99 ms", "refused/s", "p50 ms", "p99 ms", "other"]
    names = {
        "able": "64 clients", "before": "1 client, before", "over": f"{settings['times']:g} times that",
        "after": "1 client, after",
    }  # fmt: skip
    rows = []
    for key, name in names.items():
        if (load := found[key]) is not None:
            seconds, good, refused = load["seconds"], load["good"], load["refused"]
            figures = [good["p50"], good["p99"], refused["p50"], refused["p99"]]
            p50, p99, no50, no99 = ["-" if value is None else f"{value:,.1f}" for value in figures]
            asked, no = f"{load['requests'] / seconds:,.0f}", f"{refused['count'] / seconds:,.0f}"
            rows.append([name, asked, f"{load['rate']:,.0f}", p50, p99, no, no50, no99, sum(load["failed"].values())])
    health, over = found["health"], found["over"]
    lines = [
        f"{settings['form']}, texts of {settings['texts']}'s length, {settings['seconds']:g} s, a deadline of "
        f"{settings['deadline']:g} s. A request's time runs from when it was due.",
        "", found["about"], "", *harness.table(header, rows), "", *wanted(found, settings["deadline"]), "",
        f"`/healthz` was asked {health['asked']} times meanwhile, {health['failed']} without a good answer, p99 "
        f"{_ms(health['p99'])}. The load sent its requests late by {_ms(over['lag_ms']['p50'])} in the middle, "
        f"{_ms(over['lag_ms']['p99'])} at p99, and used {over['own']['us_per_request']:.0f} µs of a core for each.",
        "", *harness.context_lines(one), *harness.busy_note([one]),
    ]  # fmt: skip
    return lines


def main() -> None:
    """The command line."""
    given = options()
    settings = {key: getattr(given, key) for key in ("form", "texts", "times", "seconds", "deadline")}
    run = {**harness.context(), "others": harness.busy_cores(), "settings": settings}
    one = {**run, "found": measured(given)}
    harness.write(given.results, NAME, "The service: ten times too much", page(one), one)


def options() -> argparse.Namespace:
    """The command line's."""
    parser = bundles.options(__doc__)
    parser.add_argument("--form", default=TORCH, help="torch (default), onnx, int8, openvino")
    parser.add_argument("--texts", choices=TEXTS, default=TEXTS[0])
    parser.add_argument("--times", type=float, default=10.0, help="what it can do")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--deadline", type=float, default=DEADLINE, help="seconds, set in the catalog")
    given = bundles.parse(parser)
    given.able = 2.0 if given.quick else 8.0
    given.seconds = min(given.seconds, 4.0) if given.quick else given.seconds
    return given


if __name__ == "__main__":
    main()
