"""Instruction tuning: samples a second and loss, against trl's SFTTrainer on the same rows with the same LoRA.

    python benchmarks/sft_speed.py --data FOLDER
    python benchmarks/sft_speed.py --data FOLDER --rows 96 --rounds 1

Same model (SmolLM2-135M-Instruct from its package), rows, rank, alpha, batch, epochs, learning rate, linear schedule
and cores for all. Every contender runs in a process of its own, ``--rounds`` times. trl runs once with its own defaults
and once with what makes it fastest here: bf16, no checkpointing, batches of like lengths. None drops anything out. All
are then scored by one function on held-out answers.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import harness

CONTENDERS = {"trl-defaults": "trl, its defaults", "trl": "trl, its best settings", "ours": "tunesmith"}


@dataclass
class Job:
    """What a contender is to do."""

    contender: str
    data: str
    rows: int = 600
    test_rows: int = 100
    epochs: float = 1
    batch_size: int = 8
    learning_rate: float = 1e-3
    rank: int = 16
    length: int = 512
    seed: int = 13
    checkpointing: bool = False
    """Of ours."""


def rows_for(job: Job) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Training and test conversations of one question and one answer that fit into ``length`` as they are."""
    from tunesmith.data.shapes.dialogue import DialogueShape
    from tunesmith.data.shapes.shape import RowProblem

    task, processor = talker()
    rows = []
    for cells in json.loads(Path(job.data, "instruct_demo", "alpaca_en.json").read_text("utf-8")):
        try:
            rows += list(DialogueShape().read(cells, target=True))
        except RowProblem:
            continue
    features = task.encode(rows, processor, max_length=10 * job.length, targets=True)
    fit = [row for row, feature in zip(rows, features, strict=True) if len(feature["input_ids"]) <= job.length]
    random.Random(job.seed).shuffle(fit)
    return fit[job.test_rows : job.test_rows + job.rows], fit[: job.test_rows]


def talker() -> tuple[Any, Any]:
    """The task and SmolLM2's tokenizer."""
    from tunesmith.models.load import load_processor
    from tunesmith.models.reference import resolve
    from tunesmith.tasks.dialogue import Dialogue

    task = Dialogue()
    task.learn([{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}])
    return task, task.adapt(load_processor(resolve("smollm2")))


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child."""
    told = Job(**job)
    train, test = rows_for(told)
    model, found = (ours if told.contender == "ours" else trl)(told, train)
    return {**found, "rows": len(train), **scored(model, test, told)}


def scored(model: Any, rows: list[dict[str, Any]], job: Job) -> dict[str, Any]:
    """Perplexity of the held-out answers, in fp32."""
    from tunesmith.bundle.predictor import Predictor
    from tunesmith.bundle.runtimes.torch import TorchRuntime
    from tunesmith.evaluation.metrics import METRICS

    task, processor = talker()
    predictor = Predictor(task, processor, TorchRuntime(model.float()), max_length=job.length)
    features = task.encode(rows, processor, max_length=job.length, targets=True)
    evidence = task.validate(predictor, rows, features)
    return {"perplexity": float(METRICS.make("perplexity")(evidence)), "test_rows": len(rows)}


def trl(job: Job, rows: list[dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
    """``trl.SFTTrainer`` with peft's LoRA."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    from tunesmith.models.reference import resolve

    path = resolve("smollm2").path
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    best: dict[str, Any] = {"gradient_checkpointing": False, "bf16": True, "train_sampling_strategy": "group_by_length"}
    chosen = best if job.contender == "trl" else {}
    data = Dataset.from_list([{"prompt": r["messages"][:-1], "completion": r["messages"][-1:]} for r in rows])
    lora = LoraConfig(
        r=job.rank, lora_alpha=2 * job.rank, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder, use_cpu=True, save_strategy="no", report_to="none", logging_steps=5, seed=job.seed,
            num_train_epochs=job.epochs, per_device_train_batch_size=job.batch_size, learning_rate=job.learning_rate,
            warmup_ratio=0.1, max_length=job.length, **chosen,
        )  # fmt: skip
        tokenizer = AutoTokenizer.from_pretrained(path)
        made = SFTTrainer(model=model, args=arguments, train_dataset=data, processing_class=tokenizer, peft_config=lora)
        result = made.train()
    seconds = float(result.metrics["train_runtime"])
    return made.model.merge_and_unload(), {
        "samples_per_second": len(rows) * job.epochs / seconds,
        "train_seconds": seconds,
        "steps": result.global_step,
        "loss": float(result.training_loss),
        "precision": "bf16" if arguments.bf16 else "fp32",
        "settings": {
            "gradient checkpointing": arguments.gradient_checkpointing,
            "sampling": str(arguments.train_sampling_strategy),
            "threads": torch.get_num_threads(),
        },
    }


def ours(job: Job, rows: list[dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
    """Tunesmith's loop and kernels."""
    from tunesmith.core.recipe import TrainingBlock
    from tunesmith.core.runtime import resolve as resolve_machine
    from tunesmith.core.runtime import seed_everything
    from tunesmith.methods.lora import Lora
    from tunesmith.models.build import build
    from tunesmith.models.reference import resolve
    from tunesmith.training.kernels import fast_training
    from tunesmith.training.loop import LoopSettings, train
    from tunesmith.training.recomputed import recomputed
    from tunesmith.training.settings import decided

    block = TrainingBlock(
        epochs=job.epochs, batch_size=job.batch_size, learning_rate=job.learning_rate, weight_decay=0.0,
        layer_decay=1.0, warmup=0.1, seed=job.seed, checkpoint_seconds=1e9,
    )  # fmt: skip
    task, processor = talker()
    method, machine = Lora(rank=job.rank), resolve_machine()
    settings = LoopSettings.of(decided(block, method), "perplexity", False)
    seed_everything(job.seed)
    adapted: Any = method.apply(build(resolve("smollm2"), task), task)
    start = time.perf_counter()
    features = list(task.sample(task.encode(rows, processor, max_length=job.length, targets=True)))
    encoding = time.perf_counter() - start
    with (
        tempfile.TemporaryDirectory() as folder,
        fast_training(adapted, None, machine.device),
        recomputed(adapted, job.checkpointing),
    ):
        trained = train(adapted, task, processor, features, settings, machine, Path(folder))
    losses = [entry["loss"] for entry in trained.history if "loss" in entry]
    return method.merge(adapted), {
        "samples_per_second": trained.samples_per_second,
        "train_seconds": trained.seconds,
        "encode_seconds": encoding,
        "steps": trained.steps,
        "loss": mean(losses),
        "precision": machine.precision,
        "settings": {
            "gradient checkpointing": job.checkpointing, "sampling": "batches of like lengths",
            "threads": machine.threads,
        },
    }  # fmt: skip


def main() -> None:
    """The command line."""
    given = options()
    base = Job("ours", str(given.data), given.rows, given.test_rows, given.epochs, given.batch_size,
               given.learning_rate)  # fmt: skip
    run = harness.context()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in given.contenders}
    for number in range(given.rounds):
        for name in given.contenders:
            turn = {**asdict(base), "contender": name, "seed": 13 + number}
            found[name].append(harness.child(__file__, turn))
    kept = {**run, "job": asdict(base), "contenders": found}
    harness.write(given.results, "sft_speed", "Speed of instruction tuning", page(kept), kept)


def options() -> argparse.Namespace:
    parser = harness.parser(__doc__)
    parser.add_argument("--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--rows", type=int, default=600, help="training conversations")
    parser.add_argument("--test-rows", type=int, default=100)
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--rounds", type=int, default=1, help="speed is the median, perplexity the mean")
    given = harness.parse(parser)
    if given.quick:
        given.rows, given.test_rows = 16, 8
    return given


def page(kept: dict[str, Any]) -> list[str]:
    """The table, and whether it is ahead."""
    contenders, job = kept["contenders"], kept["job"]
    speeds = {name: median(one["samples_per_second"] for one in rounds) for name, rounds in contenders.items()}
    losses = {name: mean(one["perplexity"] for one in rounds) for name, rounds in contenders.items()}
    rows = []
    for name, rounds in contenders.items():
        first = rounds[0]
        rows.append([
            CONTENDERS[name], first["precision"], f"{speeds[name]:.2f}",
            f"{speeds['ours'] / speeds[name]:.2f}x" if "ours" in speeds else "-",
            f"{losses[name]:.3f}", f"{mean(one['loss'] for one in rounds):.3f}",
            f"{median(one['train_seconds'] for one in rounds):.0f}", f"{median(one['wall'] for one in rounds):.0f}",
            f"{max(one['peak_mib'] for one in rounds):,}",
        ])  # fmt: skip
    header = ["contender", "precision", "samples/s", "tunesmith is", "held-out perplexity", "training loss",
              "training s", "whole process s", "peak MiB"]  # fmt: skip
    first = next(iter(contenders.values()))[0]
    lines = [
        f"SmolLM2-135M-Instruct, {first['rows']} conversations of instruct_demo (English) of at most {job['length']} "
        f"tokens, {first['steps']} steps of {job['batch_size']}, LoRA of rank {job['rank']} on all linear layers, "
        f"learning rate {job['learning_rate']:g}; {first['test_rows']} held-out answers.",
        "", *harness.table(header, rows), "",
    ]  # fmt: skip
    if {"ours", "trl"} <= speeds.keys():
        times, gap = speeds["ours"] / speeds["trl"], 100 * (losses["ours"] / losses["trl"] - 1)
        verdict = "met" if times > 1 and gap < 2 else "NOT met"
        lines += [f"- Wanted: ahead of trl at equal loss; {times:.2f}x, perplexity {gap:+.1f}%: {verdict}."]
    for name, rounds in contenders.items():
        lines.append(f"- {CONTENDERS[name]}: {', '.join(f'{k} {v}' for k, v in rounds[0]['settings'].items())}.")
    everyone = [one for rounds in contenders.values() for one in rounds]
    return [*lines, "", *harness.context_lines(kept), *harness.busy_note(everyone)]


if __name__ == "__main__":
    harness.entry(work, main)
