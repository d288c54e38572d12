"""kill -9 under load, ten times: what was metered must be what was acknowledged, key by key.

    python benchmarks/service/kill.py --data FOLDER
    python benchmarks/service/kill.py --data FOLDER --stores sqlite --kills 10 --form int8

Clients with several keys ask without a pause; some go away before they are answered. After a broken connection, a
refusal or an error they ask again under the same Idempotency-Key until there is an answer; each id that was answered is
written down. The service is killed with
SIGKILL at moments drawn by the seed, and started again; a last time when the load has ended, so that nothing that was
only in memory can help. Then ``tunesmith usage`` must name the very numbers of the ids, for each key. On SQLite, and on
a PostgreSQL cluster in a folder of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import accounts
import bundles
import serving
from bundles import TEXTS, harness

NAME = "service_kill"
STORES = ("sqlite", "postgresql")


@contextlib.contextmanager
def store(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty store."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'store.db'}"
        return
    from tunesmith.testing.servers import postgresql

    with postgresql() as url:
        yield url


def acknowledged(lines: Iterable[str]) -> dict[int, int]:
    """Number of a key -> how many different ids were answered.

    >>> acknowledged(["0 a", "1 b", "0 c", "0 c"])
    {0: 2, 1: 1}
    """
    ids = {tuple(line.split()) for line in lines if line.strip()}
    return dict(sorted(Counter(int(key) for key, _ in ids).items()))


def trial(given: argparse.Namespace, kind: str, bundle: Path, file: Path) -> dict[str, Any]:
    """All kills on one store."""
    folder = given.work / "run" / f"kill-{kind}"
    product = {"products": {"bank": str(bundle)}, "server": {"open": False, "folder": str(folder / "files")}}
    serving.catalog(folder, {})  # empty
    with store(kind, folder) as url:
        catalog = serving.catalog(folder, {**product, "store": url})
        keys = accounts.made_keys(url, given.keys)
        Path(folder, "keys.txt").write_text("\n".join(one["key"] for one in keys), "utf-8")
        ids, stop = folder / "ids.txt", folder / "stop"
        server, drawn, kills = serving.ours(catalog, folder), random.Random(given.seed), []
        try:
            server.start()
            words = ["--clients", given.clients, "--keys", folder / "keys.txt", "--retry", "--acknowledged", ids]
            words += ["--warmup", 0, "--seconds", 1, "--until", stop, "--timeout", 20, "--drain", 60]
            words += ["--break", given.breaks]
            running = serving.loading(f"{server.url}/v1/predict/bank", file, *words)
            for _ in range(given.kills):
                time.sleep(drawn.uniform(*given.between))
                server.kill()
                server.start()
                kills.append(server.seconds)
            time.sleep(given.between[0])
            stop.touch()
            load = serving.printed(running)
            server.kill()
            server.start()
        finally:
            server.stop()
        answered = acknowledged(ids.read_text("utf-8").splitlines())
        counted = accounts.metered(url)
    by_key = [
        {"acknowledged": answered.get(number, 0), "metered": counted.get(one["id"], 0)}
        for number, one in enumerate(keys)
    ]
    strange = {key: n for key, n in counted.items() if key not in {one["id"] for one in keys}}
    return {"load": load, "restarts": kills, "keys": by_key, "strange": strange}


def equal(found: Mapping[str, Any]) -> bool:
    """Whether each key has what was acknowledged, nothing was lost, and nobody else was counted."""
    same = all(one["acknowledged"] == one["metered"] for one in found["keys"])
    return same and not found["strange"] and not found["load"]["unacknowledged"]


def page(one: Mapping[str, Any]) -> list[str]:
    """A line for each store, and the keys."""
    header = ["store", "kills", "acknowledged", "metered", "asked again", "never answered", "keys that differ"]
    rows = []
    for kind, found in one["found"].items():
        sums = [f"{sum(key[name] for key in found['keys']):,}" for name in ("acknowledged", "metered")]
        different = sum(key["acknowledged"] != key["metered"] for key in found["keys"])
        load = found["load"]
        again = f"{load['retries']:,}"
        rows.append([kind, len(found["restarts"]) + 1, *sums, again, load["unacknowledged"], different])
    lines = [
        f"{one['settings']['clients']} clients with {one['settings']['keys']} keys; of "
        f"{one['settings']['breaks']:.0%} of the requests the client goes away. The last kill is after the load.",
        "", one["about"], "", *harness.table(header, rows), "",
    ]  # fmt: skip
    for kind, found in one["found"].items():
        told = ", ".join(f"{count:,} {status}" for status, count in found["load"]["statuses"].items())
        restarts = found["restarts"]
        lines += [
            f"- Metered counts equal acknowledged answers on {kind}: **{'met' if equal(found) else 'NOT met'}** "
            f"(tries by status: {told}; {min(restarts):.1f} to {max(restarts):.1f} s from kill to ready)."
        ]
    return [*lines, "", *harness.context_lines(one), *harness.busy_note([one])]


def main() -> None:
    """The command line."""
    given = options()
    made = bundles.parent(given)
    bundle, file = bundles.form(made, given.form), bundles.texts(given, made.bundle, TEXTS[0])
    settings = {key: getattr(given, key) for key in ("form", "kills", "clients", "keys", "between", "breaks", "seed")}
    one = {**harness.context(), "others": harness.busy_cores(), "settings": settings, "about": bundles.about(made)}
    one["found"] = {kind: trial(given, kind, bundle, file) for kind in given.stores}
    harness.write(given.results, NAME, "The service: kill -9 under load, and what was metered", page(one), one)


def options() -> argparse.Namespace:
    """The command line's."""
    parser = bundles.options(__doc__)
    parser.add_argument("--stores", nargs="+", choices=STORES, default=list(STORES))
    parser.add_argument("--form", default="int8")
    parser.add_argument("--kills", type=int, default=10, help="under load; one more comes after it")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--keys", type=int, default=4)
    parser.add_argument("--between", nargs=2, type=float, default=[1.0, 4.0], help="seconds of load before a kill")
    parser.add_argument("--breaks", type=float, default=0.02, help="share of requests whose client goes away")
    parser.add_argument("--seed", type=int, default=13)
    given = bundles.parse(parser)
    if given.quick:
        given.kills, given.between = 2, [1.0, 2.0]
    return given


if __name__ == "__main__":
    main()
