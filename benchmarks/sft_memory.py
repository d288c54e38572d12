"""Instruction tuning: resident memory of a step at 512 tokens a conversation, with layers kept and computed again.

    python benchmarks/sft_memory.py --data FOLDER

LoRA of rank 16 on SmolLM2-135M-Instruct, batches of conversations that all fill their window, two steps with the
optimizer's; each in a process of its own. The wanted limit is 4 GiB.
"""

from __future__ import annotations

import argparse
from typing import Any

import harness

LIMIT = 4096
"""MiB."""


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: two steps."""
    import torch

    from tunesmith.core.runtime import resolve as resolve_machine
    from tunesmith.methods.lora import Lora
    from tunesmith.models.build import build
    from tunesmith.models.reference import resolve
    from tunesmith.tasks.dialogue import Dialogue
    from tunesmith.training.kernels import fast_training
    from tunesmith.training.optim import OptimizerSettings, adamw
    from tunesmith.training.recomputed import recomputed

    machine, task = resolve_machine(), Dialogue()
    model: Any = Lora().apply(build(resolve("smollm2"), task), task).train()
    optimizer = adamw(model, OptimizerSettings(1e-3))
    ids = torch.randint(20, 49_000, (job["batch"], job["length"]))
    labels = ids.clone()
    labels[:, : job["length"] // 4] = -100
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}
    with fast_training(model, None, "cpu"), recomputed(model, job["again"]):
        for _ in range(2):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=machine.precision == "bf16"):
                loss = task.loss(task.forward(model, batch), batch)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return {"precision": machine.precision}


def main() -> None:
    """The command line."""
    given = options()
    run = harness.context()
    found = []
    for batch in given.batches:
        for again in (False, True):
            job = {"batch": batch, "length": given.length, "again": again}
            found.append({**job, **harness.child(__file__, job)})
    harness.write(
        given.results, "sft_memory", "Memory of instruction tuning", page(found, run), {**run, "found": found}
    )


def options() -> argparse.Namespace:
    parser = harness.parser(__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--length", type=int, default=512)
    given = harness.parse(parser)
    if given.quick:
        given.batches, given.length = [1], 64
    return given


def page(found: list[dict[str, Any]], run: dict[str, Any]) -> list[str]:
    """The table."""
    rows = [
        [f"{one['batch']} x {one['length']}", "computed again" if one["again"] else "kept", one["precision"],
         f"{one['peak_mib']:,}", "met" if one["peak_mib"] < LIMIT else "NOT met"]
        for one in found
    ]  # fmt: skip
    header = ["conversations x tokens", "layers", "precision", "peak MiB", f"under {LIMIT:,} MiB"]
    return [*harness.table(header, rows), "", *harness.context_lines(run)]


if __name__ == "__main__":
    harness.entry(work, main)
