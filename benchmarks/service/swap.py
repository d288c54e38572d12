"""Versions swapped back and forth under load: not one request may fail.

    python benchmarks/service/swap.py --data FOLDER
    python benchmarks/service/swap.py --data FOLDER --forms int8 openvino --seconds 60 --clients 64

Two versions of a product, two forms of one bundle. While clients ask without a pause, ``PUT /admin/products/NAME``
sends all requests to the other version. In the first half both stay loaded; in the second half the one that is left is
unloaded each time, and loaded again for the next swap. After each swap an answer must name the new version.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from subprocess import Popen
from typing import Any

import bundles
import serving
from bundles import TEXTS, harness, parents

NAME = "service_swap"
KINDS = ("both loaded", "loaded, routed, unloaded")


def swapped(url: str, versions: list[str], load: Popen[str], every: float, unload: bool) -> list[dict[str, Any]]:
    """Swap while a load runs: milliseconds of each swap, and whether the new version answered after it.

    Ends with the first version, and with both loaded.
    """
    product, ask, found = f"{url}/admin/products/bank", f"{url}/v1/predict/bank", list[dict[str, Any]]()
    while load.poll() is None or len(found) % 2:
        old, new = versions[len(found) % 2], versions[(len(found) + 1) % 2]
        start = time.perf_counter()
        serving.call("PUT", product, {"stable": new})
        took = 1e3 * (time.perf_counter() - start)
        answered = serving.call("POST", ask, {"text": "Where is my card?"})["version"]
        if unload:
            serving.call("DELETE", f"{product}/versions/{old}")
        found.append({"ms": took, "right": answered == new, "under_load": load.poll() is None})
        time.sleep(every)
    return [swap for swap in found if swap["under_load"]]


def measured(given: argparse.Namespace, made: parents.Parent) -> dict[str, Any]:
    """Both halves, on one server."""
    paths = [bundles.form(made, form) for form in given.forms]
    file, folder = bundles.texts(given, made.bundle, TEXTS[0]), given.work / "run" / "swap"
    versions = [str(i + 1) for i in range(len(paths))]
    product = {"versions": dict(zip(versions, map(str, paths), strict=True)), "stable": versions[0]}
    found: dict[str, Any] = {}
    with serving.ours(serving.catalog(folder, {"products": {"bank": product}}), folder) as server:
        for version in reversed(versions):  # both loaded, the first one answers
            serving.call("PUT", f"{server.url}/admin/products/bank", {"stable": version})
        for kind in KINDS:
            words = ["--clients", given.clients, "--seconds", given.seconds, "--warmup", 1]
            running = serving.loading(f"{server.url}/v1/predict/bank", file, *words)
            time.sleep(2)
            swaps = swapped(server.url, versions, running, given.every, kind == KINDS[1])
            found[kind] = {"load": serving.printed(running), "swaps": swaps}
        words[3:4] = [min(5.0, given.seconds)]
        found["no swap"] = {"load": serving.load(f"{server.url}/v1/predict/bank", file, *words), "swaps": []}
    return found


def page(one: Mapping[str, Any]) -> list[str]:
    """A line for each half."""
    header = ["versions", "swaps", "ms a swap", "longest", "new one answered", "good", "p50 ms", "p99 ms", "longest"]
    rows, lost = [], 0
    for kind, found in one["found"].items():
        load, swaps = found["load"], found["swaps"]
        took, good = [swap["ms"] for swap in swaps], load["good"]
        bad = load["requests"] - good["count"]
        lost += bad + sum(not swap["right"] for swap in swaps)
        figures = [f"{good[key]:,.1f}" for key in ("p50", "p99", "max")]
        times = [f"{statistics.median(took):,.0f}", f"{max(took):,.0f}"] if took else ["-", "-"]
        right = f"{sum(swap['right'] for swap in swaps)} of {len(swaps)}"
        rows.append([kind, len(swaps), *times, right, f"{good['count']:,}", *figures, bad])
    swaps = sum(len(found["swaps"]) for found in one["found"].values())
    return [
        f"{one['settings']['clients']} clients; version 1 is {one['settings']['forms'][0]}, version 2 "
        f"{one['settings']['forms'][1]}.",
        "", one["about"], "", *harness.table([*header, "failed"], rows), "",
        f"- No failed request over {swaps} swaps: **{'met' if swaps and not lost else 'NOT met'}**.",
        "", *harness.context_lines(one), *harness.busy_note([one]),
    ]  # fmt: skip


def main() -> None:
    """The command line."""
    given = options()
    made = bundles.parent(given)
    settings = {key: getattr(given, key) for key in ("forms", "clients", "seconds", "every")}
    run = {**harness.context(), "others": harness.busy_cores(), "settings": settings}
    one = {**run, "about": bundles.about(made), "found": measured(given, made)}
    harness.write(given.results, NAME, "The service: versions swapped under load", page(one), one)


def options() -> argparse.Namespace:
    """The command line's."""
    parser = bundles.options(__doc__)
    parser.add_argument("--forms", nargs=2, default=["int8", "onnx"])
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each half")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between swaps")
    given = bundles.parse(parser)
    if given.quick:
        given.forms, given.seconds = ["int8", "torch"], 4.0
    return given


if __name__ == "__main__":
    main()
