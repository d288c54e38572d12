"""What pruning alone does to a model's vectors, cut and fitted, without any training; and what a vocabulary weighs.

    python benchmarks/shrink_parts.py pruning --model distilbert-cased --rows DATA/banking77/train.csv
    python benchmarks/shrink_parts.py vocabulary --model e5-small --rows DATA/chnsenticorp_hotel/train.csv

``pruning``: 64 rows to choose and fit by, 32 others to measure on: squared error and cosine of all tokens' vectors
(less their mean) to the whole model's. ``vocabulary``: pieces, weights, and rows that are cut otherwise.
"""

from __future__ import annotations

import argparse
import copy
import csv
import time
from typing import Any

import torch

CUTS: list[dict[str, Any]] = [
    {"feed_forward": 0.5},
    {"heads": 0.5},
    {"layers": 0.5},
    {"layers": 0.5, "which": "effect"},
    {"layers": 0.5, "which": "bottom"},
    {"layers": 0.75, "feed_forward": 0.5},
]
KEPT = (["zh", "en"], ["zh", "latin"])


def main() -> None:
    """One table to stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["pruning", "vocabulary"])
    parser.add_argument("--model", default="distilbert-cased")
    parser.add_argument("--rows", required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with open(given.rows, encoding="utf-8-sig", newline="") as file:
        table = list(csv.reader(file))[1:]
    texts = [max(row, key=len)[:200] for row in table]
    {"pruning": pruning, "vocabulary": vocabulary}[given.what](given.model, texts)


def loaded(name: str) -> tuple[Any, Any]:
    """An encoder and its tokenizer."""
    from transformers import AutoModel

    from tunesmith.models.load import load_processor, quiet
    from tunesmith.models.reference import resolve

    reference = resolve(name)
    with quiet():
        return AutoModel.from_pretrained(reference.path).eval(), load_processor(reference)


def pruning(name: str, texts: list[str]) -> None:
    """Each cut, plain and fitted."""
    from tunesmith.compression.prune import Cut, prune
    from tunesmith.models.zeros import leave_out_zeros

    model, processor = loaded(name)
    chosen = [text for text in texts if len(text) > 20][:96]
    batches = [
        dict(processor(chosen[i : i + 16], return_tensors="pt", padding=True, truncation=True, max_length=64))
        for i in range(0, 96, 16)
    ]
    scale = torch.linspace(-1, 1, model.config.hidden_size)

    def loss(some: Any, batch: Any) -> torch.Tensor:
        """There is no head: any smooth function of the first token's vector tells what hangs on what."""
        made: torch.Tensor = (some(**batch).last_hidden_state[:, 0].square() * scale).sum(-1).mean()
        return made

    def vectors(some: Any) -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([some(**b).last_hidden_state[b["attention_mask"].bool()] for b in batches[4:]])

    whole, seconds = vectors(model), timed(lambda: vectors(model))
    print("| cut | fitted | squared error | cosine | faster | seconds |\n|---|---|---:|---:|---:|---:|")
    for cut in CUTS:
        for refit in (False, True):
            made, start = copy.deepcopy(model), time.monotonic()
            prune(made, Cut(**cut, refit=refit), batches[:4], loss)
            taken = time.monotonic() - start
            leave_out_zeros(made)
            found, mean = vectors(made), whole.mean(0)
            near = torch.nn.functional.cosine_similarity(whole - mean, found - mean, dim=-1).mean().item()
            error, faster = (found - whole).square().mean().item(), seconds / timed(lambda made=made: vectors(made))
            told = ", ".join(f"{key} {value}" for key, value in cut.items())
            print(f"| {told} | {refit} | {error:.4f} | {near:.3f} | {faster:.2f} | {taken:.0f} |", flush=True)


def timed(work: Any) -> float:
    """Seconds, the best of three."""
    found = []
    for _ in range(3):
        start = time.monotonic()
        work()
        found.append(time.monotonic() - start)
    return min(found)


def vocabulary(name: str, texts: list[str]) -> None:
    """By languages alone: no row is told."""
    from tunesmith.compression.vocabulary import trim

    print("| kept | pieces | weights | rows cut otherwise |\n|---|---:|---:|---:|")
    for keep in KEPT:
        model, processor = loaded(name)
        found = trim(model, processor, keep=keep)
        cuts = [[p.convert_ids_to_tokens(ids) for ids in p(texts)["input_ids"]] for p in (processor, found.processor)]
        other = sum(one != two for one, two in zip(*cuts, strict=True))
        weights = sum(p.numel() for p in model.parameters())
        print(f"| {', '.join(keep)} | {len(found.kept):,} | {weights:,} | {other} of {len(texts):,} |")
        print(f"|  | of {found.before:,} | saved {found.saved / 1e6:.1f} MB |  |", flush=True)


if __name__ == "__main__":
    main()
