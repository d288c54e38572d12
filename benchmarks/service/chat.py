"""A SmolLM2 bundle that chats, streamed: time to the first token and tokens/s with 1 and 8 clients.

    python benchmarks/service/chat.py --data FOLDER
    python benchmarks/service/chat.py --data FOLDER --servers "ours bf16" "ours int8" --clients 1 8 16

The bundle is SmolLM2-135M-Instruct tuned by LoRA on a few rows of instruct_demo; ours serves it in torch (fp32, bf16)
and as the int8 graph that ``tunesmith shrink`` makes of it. The peer is what everybody writes first: ``generate`` with
a TextIteratorStreamer in a thread, behind FastAPI, on the same weights. Prompts are instructions of instruct_demo that
nothing was tuned on; every answer has the same number of tokens, the likeliest ones. Load comes from a process of its
own. All servers are measured one after the other, ``--rounds`` times; the middle one counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bundles
import serving
from bundles import harness

NAME = "service_chat"
PEER, OURS = ("generate fp32", "generate bf16"), ("ours fp32", "ours bf16", "ours int8")
HERE = Path(__file__).parent
TUNED = 64
"""Rows: enough for a bundle that was proven; how well it answers is not what is measured."""


def bundle(given: argparse.Namespace) -> Path:
    """The bundle, tuned now unless it is there."""
    place = Path(given.work, "smollm2")
    if not (place / "tunesmith.json").is_file():
        rows = instructions(given.data)
        train, test = (write(place.with_suffix(f".{name}.jsonl"), some) for name, some in split(rows).items())
        settings = ["method=lora", "training.epochs=1", "model.max_length=256", "evaluation.baselines=false"]
        harness.verb("tune", train, f"data.test={test}", "model=smollm2", f"bundle={place}", *settings)
    return place


def int8(made: Path) -> Path:
    """Its int8 graph, made now unless it is there."""
    place = made.with_name(f"{made.name}-int8")
    if not (place / "tunesmith.json").is_file():
        words = ["--to", "int8", "--max-loss", "1", "--min-agreement", "0"]
        harness.verb("shrink", made, f"bundle={place}", "--replace", *words)
    return place


def instructions(data: Path) -> list[dict[str, str]]:
    """English rows of instruct_demo with short answers, in the file's order."""
    rows: list[dict[str, str]] = json.loads(Path(data, "instruct_demo", "alpaca_en.json").read_text("utf-8"))
    return [row for row in rows if len(row["output"]) < 400 and len(row["instruction"] + row["input"]) < 400]


def split(rows: Sequence[dict[str, str]]) -> dict[str, Sequence[dict[str, str]]]:
    """To tune on, and to test on."""
    return {"train": rows[:TUNED], "test": rows[TUNED : TUNED + 8]}


def prompts(given: argparse.Namespace) -> Path:
    """Questions that nothing was tuned on."""
    rows = instructions(given.data)[TUNED + 8 :][: given.requests]
    asked = [row["instruction"] + ("\n" + row["input"] if row["input"] else "") for row in rows]
    made = [{"messages": [{"role": "user", "content": text}]} for text in asked]
    return write(Path(given.work, "prompts.jsonl"), made)


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def server(given: argparse.Namespace, name: str, most: int) -> serving.Serving:
    """A server by its name, not started."""
    folder, (kind, precision) = given.work / "run" / name.replace(" ", "-"), name.split()
    made = bundle(given)
    if kind == "generate":
        port = serving.free_port()
        command = [sys.executable, HERE / "chat_peer.py", "--model", made, "--precision", precision, "--port", port]
        return serving.Serving(command, port, "/health", folder)
    writing = {"together": max(2, most), **({} if precision == "int8" else {"precision": precision})}
    product = int8(made) if precision == "int8" else made
    values = {"products": {"chat": str(product)}, "writing": writing, "batching": {"deadline": 300}}
    return serving.ours(serving.catalog(folder, values), folder)


def load(url: str, file: Path, clients: int, given: argparse.Namespace) -> dict[str, Any]:
    """What the clients saw."""
    words = ["--url", f"{url}/v1/chat/completions", "--prompts", file, "--clients", clients, "--tokens", given.tokens]
    requests = max(clients, given.requests if clients > 1 else given.requests // 2)
    command = [sys.executable, HERE / "chat_load.py", *words, "--requests", requests]
    said = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(said)
    return found


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """Each server, round by round: by name and clients what each round saw."""
    file, found = prompts(given), {name: dict[str, Any]() for name in given.servers}
    for _ in range(given.rounds):
        for name in given.servers:
            with server(given, name, max(given.clients)) as running:
                for clients in given.clients:
                    one = load(running.url, file, clients, given)
                    one |= running.memory()
                    found[name].setdefault(str(clients), []).append(one)
                    print(name, clients, one["tokens_per_second"], one["first"]["p50"], file=sys.stderr, flush=True)
    return found


def middle(rounds: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The round whose tokens/s are the median."""
    ordered = sorted(rounds, key=lambda one: float(one["tokens_per_second"]))
    return ordered[len(ordered) // 2]


def page(one: Mapping[str, Any]) -> list[str]:
    """A line for each server and number of clients."""
    header = ["server", "clients", "first token p50 ms", "p95", "tokens/s", "of one stream", "gap p50 ms", "p99"]
    rows = []
    for name, by_clients in one["found"].items():
        for clients, rounds in by_clients.items():
            best = middle(rounds)
            times = [f"{best[what][at]:,.0f}" for what, at in (("first", "p50"), ("first", "p95"))]
            gaps = [f"{best['gap'][at]:,.1f}" for at in ("p50", "p99")]
            speed = [f"{best['tokens_per_second']:,.1f}", f"{best['each']:,.1f}"]
            rows.append([name, clients, *times, *speed, *gaps, f"{best['rss']:,.0f}", best["failed"]])
    return [
        f"{one['settings']['requests']} questions of instruct_demo (half as many for one client), "
        f"{one['settings']['tokens']} tokens each, greedy.",
        "", *harness.table([*header, "MiB", "failed"], rows), "",
        *times_as_fast(one["found"]), *same(one["found"]),
        "", *harness.context_lines(one), *harness.busy_note([one]),
    ]  # fmt: skip


def times_as_fast(found: Mapping[str, Any]) -> list[str]:
    """Ours against the peer of the same precision."""
    lines = []
    for ours, peer in (("ours fp32", PEER[0]), ("ours bf16", PEER[1]), ("ours int8", PEER[0])):
        for clients in found.get(ours, {}) if peer in found else ():
            mine, theirs = middle(found[ours][clients]), middle(found[peer][clients])
            speed = mine["tokens_per_second"] / theirs["tokens_per_second"]
            first = theirs["first"]["p50"] / mine["first"]["p50"]
            lines.append(
                f"- {ours} against {peer}, {clients} client{'s' * (clients != '1')}: {speed:.1f}x tokens/s, the first "
                f"token {first:.1f}x sooner."
            )
    return lines


def same(found: Mapping[str, Any]) -> list[str]:
    """How many texts of one client are those of ``generate`` in fp32, to the letter."""
    if PEER[0] not in found:
        return []
    wanted = [text.strip() for text in middle(found[PEER[0]]["1"])["texts"]]
    lines = []
    for name in found:
        texts = [text.strip() for text in middle(found[name]["1"])["texts"]]
        if name != PEER[0]:
            equal = statistics.mean(a == b for a, b in zip(texts, wanted, strict=True))
            lines.append(f"- {name}: {equal:.0%} of the texts are those of {PEER[0]}, to the letter.")
    return lines


def main() -> None:
    """The command line."""
    given = options()
    bundle(given)
    if OURS[2] in given.servers:
        int8(bundle(given))
    settings = {key: getattr(given, key) for key in ("servers", "clients", "requests", "tokens", "rounds")}
    run = {**harness.context(), "others": harness.busy_cores(), "settings": settings}
    found = measured(given)
    one = {**run, "found": found}
    lines = page(one)
    for rounds in (some for by_clients in found.values() for some in by_clients.values()):
        for seen in rounds:
            seen["texts"] = seen["texts"][:2]  # enough to look at
    harness.write(given.results, NAME, "The service: chat, streamed", lines, one)


def options() -> argparse.Namespace:
    """The command line's."""
    parser = bundles.options(__doc__)
    parser.add_argument("--servers", nargs="+", choices=[*PEER, *OURS], default=[*PEER, *OURS])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--requests", type=int, default=48)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    given = bundles.parse(parser)
    if given.quick:
        given.requests, given.tokens, given.rounds = 8, 16, 1
    return given


if __name__ == "__main__":
    main()
