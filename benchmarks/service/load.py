"""A load generator in a process of its own: closed loop (N clients) or open loop (a fixed rate); prints JSON.

    python benchmarks/service/load.py --url http://127.0.0.1:8000/v1/predict/bank --texts test.csv --clients 64
    python benchmarks/service/load.py --url URL --texts test.csv --rate 2000 --seconds 120
    python benchmarks/service/load.py --url URL --texts test.csv --retry --acknowledged ids.txt --keys keys.txt

In an open loop a request's time runs from when it was due, not from when it could be sent: a server that stalls cannot
hide it. ``own`` tells what the generator itself used of a core, ``lag_ms`` how late it sent. It imports nothing heavy;
uvloop is used where it is installed. ``--retry`` asks again under the same Idempotency-Key until there is an answer,
and each id that was answered goes into ``--acknowledged`` as ``KEY_NUMBER ID``.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gc
import json
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from loops import Load


def bodies(given: argparse.Namespace) -> list[bytes]:
    """The JSON of each request: rows of the file in the seed's order."""
    csv.field_size_limit(1 << 30)
    with given.texts.open(encoding="utf-8-sig", newline="") as file:
        texts = [row[given.column] for row in csv.DictReader(file)]
    random.Random(given.seed).shuffle(texts)
    if given.rows == 1:
        return [json.dumps({"text": text}).encode() for text in texts]
    groups = [texts[at : at + given.rows] for at in range(0, len(texts), given.rows)]
    return [json.dumps({"rows": [{"text": text} for text in group]}).encode() for group in groups]


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]


def options(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--texts", type=Path, required=True, help="a CSV file")
    parser.add_argument("--column", default="text")
    parser.add_argument("--rows", type=int, default=1, help="rows in one request")
    parser.add_argument("--seed", type=int, default=13)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--clients", type=int, default=1, help="closed loop: so many, each with one request at a time")
    kind.add_argument("--rate", type=float, default=0.0, help="open loop: requests a second")
    parser.add_argument("--even", action="store_true", help="open loop: evenly, not as a Poisson process")
    parser.add_argument("--connections", type=int, default=2000, help="open loop: at most so many; more requests wait")
    parser.add_argument("--warmup", type=float, default=1.5)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--least", type=int, default=0, help="closed loop: go on until so many were answered ...")
    parser.add_argument("--most", type=float, default=3.0, help="... but no longer than so many times --seconds")
    parser.add_argument("--until", type=Path, help="closed loop: go on until this file is there")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds that an answer may take")
    parser.add_argument("--keys", type=Path, help="a file, a key a line; requests take them in turns")
    parser.add_argument("--retry", action="store_true", help="ask again under the same Idempotency-Key")
    parser.add_argument("--break", dest="breaks", type=float, default=0.0, help="share whose client leaves (--retry)")
    parser.add_argument("--prefix", default=f"load-{os.getpid()}", help="of the ids")
    parser.add_argument("--drain", type=float, default=30.0, help="seconds after the end for the last retries")
    parser.add_argument("--acknowledged", type=Path, help="append the ids that were answered to this file")
    parser.add_argument("--each", type=Path, help="write start, milliseconds and status of each to this CSV file")
    return parser.parse_args(words)


def main() -> None:
    """Run and print."""
    given = options()
    load = Load(given, bodies(given), _lines(given.keys) if given.keys else [])
    gc.freeze()
    gc.disable()
    try:
        import uvloop
    except ImportError:
        found = asyncio.run(load.run())
    else:
        found = uvloop.run(load.run())
    json.dump(found, sys.stdout, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
