"""How fast the best of 100,000 items are found: exactly, in int8, and by an approximate index on disk.

    python benchmarks/retrieval_speed.py --data FOLDER
    python benchmarks/retrieval_speed.py --data FOLDER --only exact service

Vectors are drawn around centres by the seed, as those of items of a few thousand kinds. Each contender finds 200 items
for each of many questions, one at a time and in batches. ``recall`` is the share of the exact 200 that it finds. The
last rows ask the whole recommender, from a user's name to ten items with reasons. LanceDB is asked where it is
installed: ``pip install lancedb``.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import harness

CONTENDERS = {
    "exact": "NumPy, exact, in blocks (ours)",
    "partition": "NumPy, exact, argpartition of all",
    "int8": "int8 by torch, exact on rounded vectors",
    "lancedb": "LanceDB, IVF-PQ on disk, 40 of 316 lists, refined",
    "service": "the whole recommender",
}
BATCHES = (1, 16, 64)
FOUND = 200
WANTED = 1000
"""Requests a second."""


def vectors(items: int, dim: int, seed: int = 13) -> tuple[np.ndarray, np.ndarray]:
    """Items and questions, of length 1: float32 [items, dim] and [2048, dim]."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(2000, dim))

    def some(count: int) -> np.ndarray:
        made = centres[draw.integers(0, len(centres), count)] + 0.7 * draw.normal(size=(count, dim))
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)

    return some(items), some(2048)


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: one contender, at every size of a batch."""
    if job["contender"] == "service":
        return whole(job)
    items, questions = vectors(job["items"], job["dim"])
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        find = globals()[f"by_{job['contender']}"](items, folder)
        made = time.perf_counter() - start
        speeds = {str(batch): timed(find, questions, batch, job["seconds"]) for batch in BATCHES}
        some = questions[:64]
        exact = [set(np.argsort(-line)[:FOUND].tolist()) for line in some @ items.T]
        found = find(some)
    recall = float(np.mean([len(set(map(int, f)) & e) / FOUND for f, e in zip(found, exact, strict=True)]))
    return {"build": made, "speeds": speeds, "recall": recall}


def timed(find: Callable[[np.ndarray], Any], questions: np.ndarray, batch: int, seconds: float) -> dict[str, float]:
    """Requests a second, and the middle and the slow end of what a batch takes in ms."""
    find(questions[:batch])
    taken: list[float] = []
    begun, at = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        some = questions[at : at + batch]
        start = time.perf_counter()
        find(some)
        taken.append(time.perf_counter() - start)
        at = (at + batch) % (len(questions) - batch)
    return {
        "per_second": batch * len(taken) / sum(taken),
        "p50_ms": 1000 * float(np.median(taken)),
        "p99_ms": 1000 * float(np.quantile(taken, 0.99)),
    }


def by_exact(items: np.ndarray, folder: str) -> Callable[[np.ndarray], Any]:
    """As the recommender does."""
    from tunesmith.tasks.recommending.retrieve import largest

    turned = np.ascontiguousarray(items.T)
    return lambda some: [largest(line, FOUND) for line in some @ turned]


def by_partition(items: np.ndarray, folder: str) -> Callable[[np.ndarray], Any]:
    """The plain way."""
    turned = np.ascontiguousarray(items.T)
    return lambda some: np.argpartition(-(some @ turned), FOUND, axis=1)[:, :FOUND]


def by_int8(items: np.ndarray, folder: str) -> Callable[[np.ndarray], Any]:
    """A quarter of the memory to read."""
    import torch

    from tunesmith.tasks.recommending.retrieve import largest

    scale = 127 / np.abs(items).max()
    kept = torch.from_numpy(np.round(items * scale).astype(np.int8)).t()

    def find(some: np.ndarray) -> list[np.ndarray]:
        rounded = torch.from_numpy(np.round(some * 127 / np.abs(some).max()).astype(np.int8))
        return [largest(line, FOUND) for line in torch._int_mm(rounded, kept).numpy().astype(np.float32)]

    return find


def by_lancedb(items: np.ndarray, folder: str) -> Callable[[np.ndarray], Any]:
    """An index on disk."""
    import lancedb
    import pyarrow as pa

    flat = pa.FixedSizeListArray.from_arrays(pa.array(items.ravel()), items.shape[1])
    table = lancedb.connect(folder).create_table(
        "items", pa.table({"code": np.arange(len(items)), "vector": flat}), mode="overwrite"
    )
    table.create_index(
        metric="dot", vector_column_name="vector", num_partitions=316, num_sub_vectors=items.shape[1] // 4
    )

    def one(question: np.ndarray) -> Any:
        asked = table.search(question).distance_type("dot").nprobes(40).refine_factor(10).limit(FOUND)
        return asked.select(["code", "_distance"]).to_arrow()["code"].to_numpy()

    return lambda some: [one(question) for question in some]


def whole(job: dict[str, Any]) -> dict[str, Any]:
    """A recommender over as many items, that was never trained: its weights do not change how long it takes."""
    import torch

    from tunesmith.bundle.predictor import Predictor
    from tunesmith.bundle.runtimes.torch import TorchRuntime
    from tunesmith.models.two_towers import TwoTowers, TwoTowersConfig
    from tunesmith.tasks.recommendation import Recommendation

    items, _ = vectors(job["items"], 384)
    draw = np.random.default_rng(13)
    task = Recommendation(dim=job["dim"])
    users = max(20, job["items"] // 5)
    start = time.perf_counter()
    liked = (draw.pareto(1.2, users * 10) * job["items"] / 50).astype(int) % job["items"]
    rows = [{"user": f"u{k // 10}", "item": str(code), "time": 1e9 + 60.0 * k} for k, code in enumerate(liked.tolist())]
    known = {row["item"] for row in rows}
    rest = [{"item": str(i)} for i in range(job["items"]) if str(i) not in known]
    task.learn([{**rows[0], "history": rest}, *rows[1:]])
    made = time.perf_counter() - start
    model = TwoTowers(TwoTowersConfig(items=len(task.memory.catalogue), width=384, dim=job["dim"])).eval()
    model.set_texts(torch.from_numpy(items), torch.ones(len(items)))
    predictor = Predictor(task, None, TorchRuntime(model), max_length=50)
    asked: Any = np.array([{"user": f"u{i % users}"} for i in range(4096)], dtype=object)
    speeds = {str(batch): timed(lambda some: predictor.predict(list(some)), asked, batch, job["seconds"])
              for batch in BATCHES}  # fmt: skip
    return {"build": made, "speeds": speeds, "recall": 1.0}


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / "retrieval_speed.json"
    kept = harness.kept(path, {})
    run = harness.context()
    for name in given.only:
        if name == "lancedb" and importlib.util.find_spec("lancedb") is None:
            print("lancedb is not installed; it is left out", file=sys.stderr)
            continue
        job = {"contender": name, "items": given.items, "dim": given.dim, "seconds": given.seconds}
        kept[name] = {**harness.child(__file__, job), **run, "items": given.items, "dim": given.dim}
        harness.write(given.results, "retrieval_speed", "Retrieval", page(kept), kept)


def options() -> argparse.Namespace:
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=64, help="of a vector")
    parser.add_argument("--seconds", type=float, default=8.0, help="for each size of a batch")
    given = harness.parse(parser)
    if given.quick:
        given.items, given.seconds = 5000, 0.3
    return given


def page(kept: dict[str, Any]) -> list[str]:
    """One table."""
    found = {name: kept[name] for name in CONTENDERS if name in kept}
    head = ["contender", *(f"requests/s, {b} at a time" for b in BATCHES), "one: ms p50 / p99", "recall", "built in s",
            "MiB"]  # fmt: skip
    rows = []
    for name, one in found.items():
        speeds = one["speeds"]
        alone = speeds["1"]
        rows.append(
            [CONTENDERS[name], *(f"{speeds[str(b)]['per_second']:,.0f}" for b in BATCHES),
             f"{alone['p50_ms']:.2f} / {alone['p99_ms']:.2f}", f"{one['recall']:.3f}", f"{one['build']:.1f}",
             f"{one['peak_mib']:,}"]
        )  # fmt: skip
    sizes = {(one["items"], one["dim"]) for one in found.values()}
    lines = [f"{items:,} items of {dim} dimensions, {FOUND} found of each." for items, dim in sorted(sizes)]
    lines += ["", *harness.table(head, rows), ""]
    if "service" in found:
        best = max(speed["per_second"] for speed in found["service"]["speeds"].values())
        lines.append(
            f"Wanted: {WANTED:,} requests/s of the whole recommender: {'reached' if best >= WANTED else 'NOT reached'} "
            f"({best:,.0f})."
        )
    return [*lines, *harness.parts_lines({CONTENDERS[name]: one for name, one in found.items()})]


if __name__ == "__main__":
    harness.entry(work, main)
