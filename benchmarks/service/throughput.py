"""Requests a second and latency under load: ours by runtime, beside a naive server and LitServe.

    python benchmarks/service/throughput.py --data FOLDER --litserve-python PYTHON
    python benchmarks/service/throughput.py --data FOLDER --only "ours, int8" --clients 64

One classifier, in its forms; a server at a time, the load from a second process on the same cores. The bare runtime is
measured in a process of its own in the same run: one row after the other, and batches. LitServe's batch size, waiting
time, workers and queue are tried first at 64 clients, and its best ones kept. It goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import accounts
import bundles
import serving
from bundles import TEXTS, harness
from verdicts import wanted

NAME = "service_throughput"
NAIVE = "naive"
LITSERVE = "LitServe"
OURS = "ours"
FORMS = ("torch", "onnx", "int8", "openvino")
AS_SOLD = f"{OURS}, int8, metered"
"""It asks for a key, and counts each request in a store."""
CONTENDERS = (
    NAIVE, *(f"{LITSERVE}, {form}" for form in ("torch", "int8")), *(f"{OURS}, {form}" for form in FORMS), AS_SOLD,
)  # fmt: skip
CLIENTS = (1, 8, 64, 256)
LONG_CLIENTS = (1, 64)
"""With texts of IMDB's length."""
TRIES = (
    ["--batch", 64, "--wait", 0.005], ["--batch", 32, "--wait", 0.005], ["--batch", 64, "--wait", 0.02],
    ["--batch", 32, "--wait", 0.001],
)  # fmt: skip
"""Of LitServe; the best one is then tried with two workers of a thread each, and with the other queue."""
MORE = (["--workers", 2, "--threads", 1], ["--fast-queue"])
SIZES = (8, 16, 32, 64)
"""Batches of the bare runtime; its best one counts."""
ASKED = 40
"""Texts that all servers are asked, to see that they answer alike."""
VERSIONS = ("fastapi", "uvicorn", "uvloop", "httptools", "onnxruntime", "openvino", "tokenizers")


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: the bare runtime, without HTTP."""
    return {name: bare(job["bundle"], Path(file), job["seconds"]) for name, file in job["texts"].items()}


def bare(bundle: str, file: Path, seconds: float) -> dict[str, Any]:
    """Milliseconds of one row, rows a second in batches; ``forward`` alone, and ``whole`` with tokens and answers."""
    import statistics
    import time
    from itertools import cycle

    from tunesmith.bundle.read import read_bundle

    predictor = read_bundle(bundle).predictor()
    task = predictor.task
    rows = [{"text": row["text"]} for row in harness.rows_of(file, 512)]
    features = [task.encode([row], predictor.processor, max_length=predictor.max_length, targets=False) for row in rows]
    ready = [task.collate(one, predictor.processor) for one in features]

    def times(call: Any, things: list[Any]) -> list[float]:
        for thing in things[:20]:
            call(thing)
        found, until = [], time.perf_counter() + seconds
        for thing in cycle(things):
            start = time.perf_counter()
            call(thing)
            found.append(time.perf_counter() - start)
            if time.perf_counter() > until:
                return found
        return found

    def rate(call: Any, things: list[Any]) -> float:
        call(things[0])
        done, start = 0, time.perf_counter()
        for thing in cycle(things):
            call(thing)
            done += len(thing)
            if time.perf_counter() > start + seconds:
                break
        return done / (time.perf_counter() - start)

    flat = [feature for one in features for feature in one]
    waiting = [flat[at : at + 64] for at in range(0, len(flat) - 63, 64)]  # as many as 64 clients have waiting
    found = {"one_forward_ms": 1e3 * statistics.median(times(lambda one: task.infer(predictor.runtime, one), ready))}
    found["one_whole_ms"] = 1e3 * statistics.median(times(lambda row: predictor.predict([row]), rows))
    by_size = {}
    for size in SIZES:
        predictor.batch_size = size
        by_size[size] = rate(predictor.infer, waiting)
    predictor.batch_size = max(by_size, key=lambda size: by_size[size])
    chunks = [rows[at : at + 64] for at in range(0, len(rows) - 63, 64)]
    found |= {"many_forward": by_size[predictor.batch_size], "many_whole": rate(predictor.predict, chunks)}
    return {**{key: round(value, 3) for key, value in found.items()}, "batch": predictor.batch_size}


def server(given: argparse.Namespace, name: str, made: Path, chosen: list[Any]) -> tuple[serving.Serving, str, str]:
    """A contender's server, not yet started, its path, and a key for it ("" where none is asked for)."""
    kind, form = name.split(", ")[0], form_of(name)
    folder = given.work / "run" / name.replace(", ", "-")
    if kind == NAIVE:
        return serving.naive(made, folder), "/predict", ""
    if kind == LITSERVE:
        runtime = ["--runtime", "torch" if form == "torch" else "onnx"]
        return serving.litserve(made, folder, given.litserve_python, *runtime, *chosen), "/predict", ""
    if name != AS_SOLD:
        return serving.ours(made, folder, "--name", "bank"), "/v1/predict/bank", ""
    store = f"sqlite:///{folder / 'store.db'}"
    values = {
        "products": {"bank": str(made)},
        "store": store,
        "server": {"open": False, "folder": str(folder / "files")},
    }
    catalog = serving.catalog(folder, values)
    key = accounts.made_keys(store, 1)[0]["key"]
    return serving.ours(catalog, folder), "/v1/predict/bank", key


def form_of(name: str) -> str:
    """The form that a contender serves."""
    return (name.split(", ") + [bundles.TORCH])[1]


def tuned(given: argparse.Namespace, name: str, made: Path, file: Path) -> dict[str, Any]:
    """LitServe's best options, and what all that were tried did."""
    tried: list[tuple[list[Any], float]] = []

    def rate(chosen: list[Any]) -> float:
        one, path, _ = server(given, name, made, chosen)
        with one:
            found = serving.load(one.url + path, file, "--clients", 64, "--seconds", given.seconds / 2, "--warmup", 1)
        tried.append((chosen, found["rate"]))
        return float(found["rate"])

    best = max(TRIES[: 1 if given.quick else None], key=rate)
    for more in MORE[: 0 if given.quick else None]:
        rate([*best, *more])
    chosen = max(tried, key=lambda one: one[1])[0]
    return {"chosen": chosen, "tried": {" ".join(map(str, words)): found for words, found in tried}}


def measured(given: argparse.Namespace, name: str, one: dict[str, Any], made: Path, files: Mapping[str, Path]) -> None:
    """All cells of a contender that are not there yet, one server for them all."""
    missing = [(text, n) for text in files for n in clients(given, text) if cell(name, text, n) not in one["cells"]]
    if not missing:
        return
    if name.startswith(LITSERVE) and name not in one["tuning"]:
        one["tuning"][name] = tuned(given, name, made, files[TEXTS[0]])
    others = harness.busy_cores()
    running, path, key = server(given, name, made, one["tuning"].get(name, {}).get("chosen", []))
    keys = given.work / "key.txt"
    keys.write_text(key, "utf-8")
    with running:
        one["ready"][name] = round(running.seconds, 2)
        one["labels"][name] = labels(running.url + path, files[TEXTS[0]], key)
        for text, n in missing:
            words = ["--clients", n, "--seconds", given.seconds, "--least", 3 * n, *(["--keys", keys] if key else [])]
            found = serving.load(running.url + path, files[text], *words)
            one["cells"][cell(name, text, n)] = {**found, **running.memory(), "others": others}
            write(given, one)


def labels(url: str, file: Path, key: str) -> list[str]:
    """What a server answers to some texts, one by one."""
    answers = [serving.call("POST", url, {"text": row["text"]}, key) for row in harness.rows_of(file, ASKED)]
    return [answer.get("prediction", answer)["label"] for answer in answers]


def cell(name: str, text: str, clients: int) -> str:
    """Its key."""
    return f"{name} | {text} | {clients}"


def clients(given: argparse.Namespace, text: str) -> list[int]:
    """How many ask, with texts of a length."""
    return [n for n in given.clients if text == TEXTS[0] or n in LONG_CLIENTS]


def page(one: Mapping[str, Any]) -> list[str]:
    """A table for each length, and what was wanted."""
    lines = [
        "Closed loop: each client asks one text, waits for the answer, asks the next, on a connection that stays. "
        "Requests/s are good answers; a request's milliseconds run from sending to the last byte. Server and load "
        "share the cores. MiB: all processes of the server, shared pages by their share.",
        "",
        one["about"],
    ]
    for text, told in one["texts"].items():
        header = ["server", "clients", "requests/s", "p50 ms", "p95 ms", "p99 ms", "failed", "MiB"]
        rows = []
        for key, found in one["cells"].items():
            name, of, n = key.split(" | ")
            if of == text:
                good, bad = found["good"], sum(found["failed"].values()) + found["refused"]["count"]
                figures = ["-" if good[p] is None else f"{good[p]:,.1f}" for p in ("p50", "p95", "p99")]
                rows.append([name, n, f"{found['rate']:,.1f}", *figures, bad, f"{found['pss']:,.0f}"])
        about = f"{told['rows']:,} texts, {told['median']} tokens in the middle, at most {told['longest']}."
        lines += ["", f"## Texts of {text}'s length", "", about, "", *harness.table(header, rows)]
        header = ["the bare runtime", "one row, ms", "with tokens", "rows/s in batches", "with tokens", "best batch"]
        rows = []
        for form, found in one["bare"].items():
            figures = [f"{found[text][key]:,.2f}" for key in ("one_forward_ms", "one_whole_ms")]
            figures += [f"{found[text][key]:,.0f}" for key in ("many_forward", "many_whole")]
            rows.append([form, *figures, found[text]["batch"]])
        lines += ["", *harness.table(header, rows)]
    lines += ["", "## What was wanted", "", *wanted(one)]
    if not one["tuning"]:
        lines += ["", "LitServe was left out: no `--litserve-python` was given."]
    for name, found in one["tuning"].items():
        tried = "; ".join(f"`{words}` {rate:,.0f}/s" for words, rate in found["tried"].items())
        lines += ["", f"{name}, tried at 64 clients: {tried}."]
    lines += ["", alike(one["labels"])]
    own = [found["own"]["us_per_request"] for found in one["cells"].values()]
    lines += [f"The load used at most {max(own, default=0):,.0f} µs of a core for a request."]
    lines += ["", *harness.context_lines(one), f"Servers: {one['servers']}."]
    return lines + harness.busy_note([*one["cells"].values(), *one["bare"].values()])


def alike(found: Mapping[str, list[str]]) -> str:
    """Whether all servers do the same work."""
    if not found:
        return ""
    first, *rest = found
    same = [f"{name} {sum(map(str.__eq__, found[first], found[name]))}" for name in rest]
    return f"Of {len(found[first])} texts, answered as {first} answers them: {', '.join(same) or '-'}."


def litserve_version(given: argparse.Namespace) -> str:
    """Of its own environment; also a look at whether that is there."""
    command = [given.litserve_python, "-c", "from importlib.metadata import version; print(version('litserve'))"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def write(given: argparse.Namespace, one: Mapping[str, Any]) -> None:
    """The page and the figures so far."""
    harness.write(given.results, NAME, "The service: throughput and latency", page(one), one)


def main() -> None:
    """The command line."""
    given = options()
    made = bundles.parent(given)
    forms = dict.fromkeys(form_of(name) for name in given.only)
    places = {name: bundles.form(made, name) for name in forms}
    files = {name: bundles.texts(given, made.bundle, name) for name in TEXTS}
    one: dict[str, Any] = harness.kept(given.results / f"{NAME}.json", {})
    settings = {"parent": made.told["settings"], "seconds": given.seconds}
    if one.get("settings") != settings:
        told = {name: bundles.lengths(made.bundle, file) for name, file in files.items()}
        servers = ", ".join(f"{name} {metadata.version(name)}" for name in VERSIONS)
        servers += f", litserve {litserve_version(given)}" if given.litserve_python else ""
        one = {**harness.context(), "settings": settings, "about": bundles.about(made), "texts": told}
        one |= {"servers": servers, "cells": {}, "bare": {}, "tuning": {}, "labels": {}, "ready": {}}
    for name, place in places.items():
        if name not in one["bare"]:
            job = {"bundle": str(place), "texts": {key: str(file) for key, file in files.items()}}
            one["bare"][name] = harness.child(__file__, {**job, "seconds": given.seconds / 3})
    for name in given.only:
        measured(given, name, one, places[form_of(name)], files)
    write(given, one)


def options() -> argparse.Namespace:
    """The command line's."""
    parser = bundles.options(__doc__)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="SERVER")
    parser.add_argument("--clients", nargs="+", type=int, default=list(CLIENTS))
    parser.add_argument("--seconds", type=float, default=6.0, help="of a cell, after its warm-up")
    parser.add_argument("--litserve-python", help="of an environment with litserve; without it LitServe is left out")
    given = bundles.parse(parser)
    if given.litserve_python:
        given.litserve_python = os.path.abspath(given.litserve_python)  # links kept: they are what makes it a venv's
    else:
        given.only = [name for name in given.only if not name.startswith(LITSERVE)]
    if given.quick:
        given.clients, given.seconds = [n for n in given.clients if n in LONG_CLIENTS], 1.0
    return given


if __name__ == "__main__":
    harness.entry(work, main)
