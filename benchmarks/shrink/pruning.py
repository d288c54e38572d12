"""What pruning alone does to a model's vectors, cut and fitted, without any training and without a head.

    python benchmarks/shrink/pruning.py --data FOLDER
    python benchmarks/shrink/pruning.py --data FOLDER --model e5-small --texts chnsenticorp_hotel

64 texts to choose and fit by, 32 others to measure on: squared error and cosine of all tokens' vectors (less their
mean) to the whole model's. One thread.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path
from typing import Any

from parents import harness

NAME = "shrink_pruning"
CUTS: list[dict[str, Any]] = [
    {"feed_forward": 0.5},
    {"heads": 0.5},
    {"layers": 0.5},
    {"layers": 0.5, "which": "effect"},
    {"layers": 0.5, "which": "bottom"},
    {"layers": 0.75, "feed_forward": 0.5},
]
CHOOSING, ALL, BATCH = 64, 96, 16
"""Texts that choose, and all of them."""


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: each cut, plain and fitted."""
    import torch

    from tunesmith.compression.prune import Cut, prune
    from tunesmith.models.zeros import leave_out_zeros

    torch.set_num_threads(1)
    model, batches = loaded(job)
    scale = torch.linspace(-1, 1, model.config.hidden_size)
    choosing, measured = batches[: CHOOSING // BATCH], batches[CHOOSING // BATCH :]

    def loss(some: Any, batch: Any) -> torch.Tensor:
        """There is no head: any smooth function of the first token's vector tells what hangs on what."""
        made: torch.Tensor = (some(**batch).last_hidden_state[:, 0].square() * scale).sum(-1).mean()
        return made

    def vectors(some: Any) -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([some(**b).last_hidden_state[b["attention_mask"].bool()] for b in measured])

    whole, seconds = vectors(model), timed(lambda: vectors(model))
    found = []
    for cut in job["cuts"]:
        for refit in (False, True):
            made, begun = copy.deepcopy(model), time.perf_counter()
            prune(made, Cut(**cut, refit=refit), choosing, loss)
            taken = time.perf_counter() - begun
            leave_out_zeros(made)
            own, mean = vectors(made), whole.mean(0)
            found.append({
                "cut": cut,
                "fitted": refit,
                "error": (own - whole).square().mean().item(),
                "cosine": torch.nn.functional.cosine_similarity(whole - mean, own - mean, dim=-1).mean().item(),
                "faster": seconds / timed(lambda made=made: vectors(made)),
                "seconds": taken,
            })  # fmt: skip
    return {"cuts": found}


def loaded(job: dict[str, Any]) -> tuple[Any, list[dict[str, Any]]]:
    """An encoder, and batches of texts."""
    from transformers import AutoModel

    from tunesmith.models.load import load_processor, quiet
    from tunesmith.models.reference import resolve

    reference = resolve(job["model"])
    with quiet():
        model, processor = AutoModel.from_pretrained(reference.path).eval(), load_processor(reference)
    texts = [row["text"] for row in harness.rows_of(Path(job["texts"]))]
    chosen = [text for text in texts if len(text) > 20][:ALL]
    return model, [
        dict(processor(chosen[i : i + BATCH], return_tensors="pt", padding=True, truncation=True, max_length=64))
        for i in range(0, ALL, BATCH)
    ]


def timed(task: Any) -> float:
    """Seconds, the best of three."""
    found = []
    for _ in range(3):
        begun = time.perf_counter()
        task()
        found.append(time.perf_counter() - begun)
    return min(found)


def page(found: dict[str, Any]) -> list[str]:
    """A line a cut."""
    rows = [
        [
            ", ".join(f"{key} {value}" for key, value in one["cut"].items()), "fitted" if one["fitted"] else "cut",
            f"{one['error']:.4f}", f"{one['cosine']:.3f}", f"{one['faster']:.2f}", f"{one['seconds']:.0f}",
        ]
        for one in found["cuts"]
    ]  # fmt: skip
    header = ["cut", "", "squared error", "cosine", "faster", "seconds to cut"]
    return [
        f"`{found['model']}`, texts of {found['texts']}; no training.",
        *["", *harness.table(header, rows), "", *harness.context_lines(found), *harness.busy_note([found])],
    ]


def main() -> None:
    """The command line."""
    given = options()
    texts = given.data / given.texts / "train.csv"
    job = {"model": given.model, "texts": str(texts), "cuts": CUTS[:2] if given.quick else CUTS}
    run = {**harness.context(), "model": given.model, "texts": given.texts}
    found = {**harness.child(__file__, job, {"OMP_NUM_THREADS": "1"}), **run}
    harness.write(given.results, NAME, "Shrink: pruning without training", page(found), found)


def options() -> argparse.Namespace:
    """The command line's."""
    parser = harness.parser(__doc__)
    parser.add_argument("--model", default="distilbert-cased")
    parser.add_argument("--texts", default="banking77", help="a data set with train.csv, a text a row")
    return harness.parse(parser)


if __name__ == "__main__":
    harness.entry(work, main)
