"""10,000 malformed requests against a running service: no answer of 500, none that does not come.

    python benchmarks/service/fuzz.py --data FOLDER
    python benchmarks/service/fuzz.py --data FOLDER --bundles out/reviews out/embeddings --count 20000 --seed 7

The requests are made from the service's own OpenAPI description (``tunesmith.testing.malformed``), so they get beyond
the first door; beside them there are pieces of HTTP that are none. The service has a store, a policy and files, as one
that is sold has. After it all it must answer a right request as before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import bundles
import figures
import serving
from bundles import harness

from tunesmith.testing.malformed import Malformed, malformed

NAME = "service_fuzz"
PATIENCE = 15.0
"""Seconds after which an answer counts as one that does not come."""
POLICY = {
    "limits": {"characters": 50_000},
    "prompts": [{"name": "words", "words": ["idiot", "笨蛋"], "action": "mask"}],
}
HEAD = b"POST /v1/predict/bank HTTP/1.1\r\nhost: x\r\n"
NO_HTTP = (
    b"\r\n\r\n", b"\x00" * 100, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200, b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n", b"GET  / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nhost\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5000 + b"\r\n",
    HEAD + b"content-length: -1\r\n\r\n{}", HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    HEAD + b"content-length: 99999999999999999999\r\n\r\n{}", HEAD + b"content-length: 100\r\n\r\n{",
    HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", HEAD + b"transfer-encoding: gzip\r\n\r\n{}",
    HEAD + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    HEAD + b"transfer-encoding: chunked\r\n\r\nfffffffff\r\n{",
    HEAD + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n",
)  # fmt: skip


async def answered(url: str, requests: Iterator[Malformed], clients: int) -> list[dict[str, Any]]:
    """What became of each request, asked by so many clients at once."""
    import httpx

    found: list[dict[str, Any]] = []

    async def ask(client: httpx.AsyncClient) -> None:
        for one in requests:
            headers = {name: value.encode("latin-1") for name, value in one.headers.items()}
            began = time.perf_counter()
            try:
                said = await client.request(one.method, url + one.path, content=one.body, headers=headers)
                told = {"status": said.status_code, "shape": one.method == "HEAD" or right_shape(said)}
            except httpx.TimeoutException:
                told = {"status": "no answer", "shape": False}
            except httpx.LocalProtocolError:
                told = {"status": "cannot be sent", "shape": True}
            except httpx.TransportError as error:  # the server closed what is no request
                told = {"status": "closed", "shape": True, "how": type(error).__name__}
            found.append(
                {**told, "ms": 1e3 * (time.perf_counter() - began), "why": one.why, "request": repr(one)[:400]}
            )

    async with httpx.AsyncClient(timeout=PATIENCE, limits=httpx.Limits(max_connections=clients)) as client:
        await asyncio.gather(*(ask(client) for _ in range(clients)))
    return found


def right_shape(said: Any) -> bool:
    """Whether a refusal has the one shape, and shows nothing of our inside."""
    if said.status_code < 400:
        return True
    if said.headers.get("content-type", "").startswith("text/plain"):  # uvicorn's own, to what is no HTTP
        return len(said.text) < 100
    try:
        error = json.loads(said.text)["error"]
    except (ValueError, KeyError, TypeError):
        return False
    return {"message", "type", "code"} <= error.keys() and "Traceback" not in said.text


def no_http(port: int) -> list[dict[str, Any]]:
    """What became of bytes that are no request: the first words of the answer, or how the connection ended."""
    found = []
    for number, piece in enumerate(NO_HTTP):
        began, said = time.perf_counter(), b""
        with socket.create_connection((serving.HOST, port), timeout=60) as client:
            try:
                client.sendall(piece)
                while part := client.recv(65536):
                    said += part
                    if b"\r\n\r\n" in said:
                        break
            except TimeoutError:
                said = b"- no answer"
            except OSError:
                pass
        status = said.split(b" ", 2)[1].decode("latin-1") if b" " in said else "closed"
        ms = 1e3 * (time.perf_counter() - began)
        found.append(
            {"status": status, "ms": ms, "why": f"no HTTP {number}", "shape": True, "request": repr(piece[:200])}
        )
    return found


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """All of it, on one server."""
    paths = given.bundles or [bundles.parent(given).bundle]
    products = {"bank" if not i else f"p{i}": {"versions": {"1": str(p)}, "policy": "strict", "unproven": True}
                for i, p in enumerate(paths)}  # fmt: skip
    folder = given.work / "run" / "fuzz"
    values = {"products": products, "policies": {"strict": POLICY}, "store": f"sqlite:///{folder}/store.db"}
    with serving.ours(serving.catalog(folder, values), folder, "--open") as server:
        row = {"text": "Where is my card?"}
        before = serving.call("POST", f"{server.url}/v1/predict/bank", row)["prediction"]
        began, memory = time.perf_counter(), server.memory()
        description = serving.call("GET", f"{server.url}/openapi.json")
        requests = malformed(description, given.count, given.seed)
        found = asyncio.run(answered(server.url, requests, given.clients))
        found += no_http(server.port)
        seconds = time.perf_counter() - began
        after = serving.call("POST", f"{server.url}/v1/predict/bank", row)["prediction"]
        grown = server.memory()["rss"] - memory["rss"]
        log = (folder / "server.log").read_text("utf-8", "replace")
        alive = server.alive
    return {
        "answers": found, "seconds": seconds, "same": before == after, "alive": alive, "grown": grown,
        "tracebacks": log.count("Traceback"), "paths": len(description["paths"]),
    }  # fmt: skip


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the page says: by kind of fault, and what must be none."""
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for one in found["answers"]:
        kinds["no HTTP" if one["why"].startswith("no HTTP") else one["why"]][str(one["status"])] += 1
    bad = [one for one in found["answers"] if str(one["status"]) == "500" or not one["shape"]]
    silent = [one for one in found["answers"] if one["status"] in ("no answer", "-")]
    times = [one["ms"] for one in found["answers"] if not one["why"].startswith("no HTTP")]
    return {
        **{name: found[name] for name in ("seconds", "same", "alive", "grown", "tracebacks", "paths")},
        "requests": len(found["answers"]),
        "statuses": dict(sorted(Counter(str(one["status"]) for one in found["answers"]).items())),
        "kinds": {kind: dict(sorted(counts.items())) for kind, counts in sorted(kinds.items())},
        "bad": bad[:20],
        "bad_count": len(bad),
        "silent": silent[:20],
        "p50": figures.percentile(times, 0.5),
        "p99": figures.percentile(times, 0.99),
        "longest": max(times),
    }


def page(one: Mapping[str, Any]) -> list[str]:
    """Statuses by kind of fault, and the verdict."""
    found = one["found"]
    statuses = list(found["statuses"])
    rows = [[kind, *(counts.get(status, "") for status in statuses)] for kind, counts in found["kinds"].items()]
    rows.append(["all", *found["statuses"].values()])
    met = (
        not found["bad_count"] and not found["silent"] and found["same"] and found["alive"] and not found["tracebacks"]
    )
    wrong = [f"  - {bad['status']}: `{bad['request']}`" for bad in [*found["bad"], *found["silent"]]]
    return [
        f"{found['requests']:,} requests on {found['paths']} paths, {one['settings']['clients']} at once, in "
        f"{found['seconds']:.0f} s.",
        "", *harness.table(["what is wrong with it", *statuses], rows), "",
        f"- Not so: {found['bad_count']} of 500 or of another shape, {found['tracebacks']} stack traces in the log.",
        f"- No hang: {len(found['silent'])} had no answer within {PATIENCE:g} s. "
        f"p50 {found['p50']:.1f} ms, p99 {found['p99']:.0f} ms, the longest {found['longest']:.0f} ms.",
        f"- After it a right request is answered as before: {'yes' if found['same'] and found['alive'] else 'NO'}; "
        f"resident memory grew by {found['grown']:.0f} MiB.",
        *wrong,
        f"- No 500, no hang: **{'met' if met else 'NOT met'}**.",
        "", *harness.context_lines(one), *harness.busy_note([one]),
    ]  # fmt: skip


def main() -> None:
    """The command line."""
    parser = bundles.options(__doc__)
    parser.add_argument("--bundles", nargs="+", help="what is served (default: the classifier of all scripts here)")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seed", type=int, default=13)
    given = bundles.parse(parser)
    if given.quick:
        given.count = 500
    settings = {key: getattr(given, key) for key in ("bundles", "count", "clients", "seed")}
    run = {**harness.context(), "others": harness.busy_cores(), "settings": settings}
    one = {**run, "found": summary(measured(given))}
    harness.write(given.results, NAME, "The service: malformed requests", page(one), one)


if __name__ == "__main__":
    main()
