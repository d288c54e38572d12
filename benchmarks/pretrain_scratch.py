"""A small encoder from scratch: tokens a second, against ``Trainer`` with ``DataCollatorForLanguageModeling``.

    python benchmarks/pretrain_scratch.py --data FOLDER                    # speed, both
    python benchmarks/pretrain_scratch.py --data FOLDER --part curve       # the loss over 12 minutes of ours

Same model (random BERT weights of one folder, no dropout), documents, mask ratio, batch, learning rate and cores. The
Trainer reads documents cut at the length and padded to the longest of a batch, as its users have it: once with its own
defaults
(fp32) and once with what makes it fastest here (bf16, batches of like lengths). Ours packs them. Tokens are those of
the text, padding not counted. Each contender runs in a process of its own, in turn, ``--rounds`` times; the median is
told. The share of the peak is 6 times the weights that multiply (without tables of embeddings; the output layer only
where tokens are asked about) times tokens, over the seconds and the best matrix product in bf16.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import harness

CONTENDERS = {"trainer-defaults": "Trainer, its defaults", "trainer": "Trainer, its best settings", "ours": "tunesmith"}
LENGTH, BATCH = 256, 16


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child."""
    return made(job) if job["contender"] == "made" else (ours if job["contender"] == "ours" else trainer)(job)


def corpus(job: dict[str, Any]) -> Any:
    from tunesmith.data.corpus import Corpus

    return Corpus(str(Path(job["data"], job["set"], "train.jsonl.gz")))


def made(job: dict[str, Any]) -> dict[str, Any]:
    """The model's folder, once for all."""
    from tunesmith.models.scratch import made_anew

    options = {"size": job["size"], "vocabulary": job["vocabulary"]}
    path = made_anew(Path(job["folder"]), corpus(job).learned(), options, kind="encoder", max_length=LENGTH, seed=13)
    config = json.loads((path / "config.json").read_text("utf-8"))
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    shutil.copytree(path, f"{path}-plain")
    Path(f"{path}-plain", "config.json").write_text(json.dumps(config), "utf-8")
    return {"path": f"{path}-plain"}


def ours(job: dict[str, Any]) -> dict[str, Any]:
    """By the command line's own pipeline."""
    from tunesmith.pipeline.pretrain import Pretraining
    from tunesmith.pipeline.pretrain_plan import as_pretrain_recipe, plan_pretraining

    with tempfile.TemporaryDirectory() as folder:
        recipe = as_pretrain_recipe(
            str(Path(job["data"], job["set"], "train.jsonl.gz")),
            [f"model={job['path']}", f"bundle={folder}/b", f"model.max_length={LENGTH}", f"training.batch_size={BATCH}",
             f"training.max_steps={job['steps']}", "training.epochs=20", "training.learning_rate=1e-3",
             "training.evaluations=0.01", f"data.tokens={job['steps'] * BATCH * LENGTH}",
             "training.trackers=[]", "head_steps=0", "objective.unit=token"],
        )  # fmt: skip
        run = Pretraining(plan_pretraining(recipe), Path(folder, "run"))
        from contextlib import ExitStack

        with ExitStack() as stack:
            run._make_fast(stack)
            trained = run._train()
        tokens = float(sum(run.features.lengths)) / len(run.features)
        losses = [entry["loss"] for entry in trained.history if "loss" in entry]
        return told(run.model, trained.samples_per_second * tokens, trained.seconds, losses, 0.15)


def trainer(job: dict[str, Any]) -> dict[str, Any]:
    """``transformers.Trainer``."""
    import torch
    from datasets import Dataset
    from transformers import (
        AutoModelForMaskedLM,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        Trainer,
        TrainingArguments,
    )

    tokenizer = AutoTokenizer.from_pretrained(job["path"])
    texts = [text for _, text in zip(range(job["steps"] * BATCH), corpus(job).learned(), strict=False)]
    cut = tokenizer(texts, truncation=True, max_length=LENGTH, return_special_tokens_mask=True)
    data = Dataset.from_dict(dict(cut))
    model = AutoModelForMaskedLM.from_pretrained(job["path"], dtype=torch.float32)
    best: dict[str, Any] = {"bf16": True, "train_sampling_strategy": "group_by_length"}
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, use_cpu=True, save_strategy="no", report_to="none", logging_steps=10, seed=13,
            max_steps=job["steps"], per_device_train_batch_size=BATCH, learning_rate=1e-3, disable_tqdm=True,
            **(best if job["contender"] == "trainer" else {}),
        )  # fmt: skip
        collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
        run = Trainer(model=model, args=arguments, train_dataset=data, data_collator=collator)
        begun = time.perf_counter()
        run.train()
        seconds = time.perf_counter() - begun
    seen = sum(map(len, cut["input_ids"])) * min(1.0, job["steps"] * BATCH / len(texts))
    losses = [entry["loss"] for entry in run.state.log_history if "loss" in entry]
    return told(model, seen / seconds, seconds, losses, 0.15)


def told(model: Any, rate: float, seconds: float, losses: list[float], ratio: float) -> dict[str, Any]:
    """Tokens a second, and the operations that they need."""
    tables = {id(p) for name, p in model.named_parameters() if "embeddings" in name}
    weights = sum(p.numel() for p in model.parameters() if p.ndim > 1 and id(p) not in tables)
    output = model.get_output_embeddings().weight.numel()
    return {
        "tokens_per_second": rate,
        "seconds": seconds,
        "gflops": 6 * (weights + ratio * output) * rate / 1e9,
        "losses": [round(loss, 3) for loss in losses],
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def main() -> None:
    """The command line."""
    parser = harness.parser(__doc__)
    parser.add_argument("--part", choices=["speed", "curve"], default="speed")
    parser.add_argument("--set", default="corpus_imdb_unsup")
    parser.add_argument("--size", default="small", help="of the model: tiny, small, base")
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=2)
    given = harness.parse(parser)
    if given.quick:
        given.steps, given.rounds, given.size, given.vocabulary = 2, 1, "tiny", 600
    if given.part == "curve":
        curve(given)
        return
    path = given.results / "pretrain_scratch.json"
    run = harness.context()
    peak = run["machine"]["gflops"]["bf16"]
    with tempfile.TemporaryDirectory() as folder:
        job = {
            "data": str(given.data), "set": given.set, "size": given.size, "vocabulary": given.vocabulary,
            "steps": given.steps, "folder": f"{folder}/model",
        }  # fmt: skip
        job["path"] = harness.child(__file__, {**job, "contender": "made"})["path"]
        runs: list[dict[str, Any]] = []
        for _ in range(given.rounds):
            runs += [{"contender": name, **harness.child(__file__, {**job, "contender": name})} for name in CONTENDERS]
    rows = []
    rates = {name: median(r["tokens_per_second"] for r in runs if r["contender"] == name) for name in CONTENDERS}
    for name, title in CONTENDERS.items():
        own = [r for r in runs if r["contender"] == name]
        share = median(r["gflops"] for r in own) / peak
        last = own[0]["losses"][-1] if own[0]["losses"] else float("nan")
        rows.append([title, f"{rates[name]:,.0f}", f"{rates['ours'] / rates[name]:.2f}", f"{share:.0%}",
                     f"{last:.2f}", own[0]["peak_mib"]])  # fmt: skip
    header = ["contender", "tokens/s", "ours to it", "share of the bf16 peak", "last loss", "MiB"]
    lines = [
        *harness.context_lines(run), "",
        f"{runs[-1]['parameters'] / 1e6:.1f}M weights, {given.steps} steps of {BATCH} rows of {LENGTH} tokens.", "",
        *harness.table(header, rows), *harness.busy_note(runs),
    ]  # fmt: skip
    figures = {**run, "runs": runs, **{k: v for k, v in harness.kept(path, {}).items() if k == "curve"}}
    harness.write(given.results, "pretrain_scratch", "A small encoder from scratch", lines, figures)


def curve(given: Any) -> None:
    """The loss over one epoch, by the command line."""
    source = Path(given.data, given.set)
    with tempfile.TemporaryDirectory() as folder:
        quick = ["training.max_steps=3", "data.tokens=4000"] if given.quick else ["training.epochs=1"]
        found = harness.verb(
            "pretrain", source / "train.jsonl.gz", f"data.test={source / 'dev.jsonl.gz'}", f"scratch={given.size}",
            f"scratch.vocabulary={given.vocabulary}", f"bundle={folder}/b", f"model.max_length={LENGTH}", *quick,
        )  # fmt: skip
        history = json.loads(Path(folder, "b", "report.json").read_text("utf-8"))["history"]
    run = harness.context()
    points = [(entry["step"], entry["validation"]["perplexity"]) for entry in history if "validation" in entry]
    rows = [[step, f"{value:.1f}"] for step, value in points]
    training = found["training"]
    lines = [
        *harness.context_lines(run), "",
        f"{training['steps']} steps, {training['seconds']:.0f} s, {training['tokens_per_second']:,.0f} tokens/s; "
        f"perplexity before {found['before']['perplexity']['value']:.0f}.", "",
        *harness.table(["step", "perplexity held out"], rows),
    ]  # fmt: skip
    harness.write(
        given.results, "pretrain_curve", "The loss from scratch", lines, {**run, "found": found, "history": history}
    )


if __name__ == "__main__":
    harness.entry(work, main)
