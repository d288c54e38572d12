"""Methods on models that write: score, trained weights, seconds, peak memory, saved size, and what was forgotten.

    python benchmarks/methods_writers.py --data FOLDER
    python benchmarks/methods_writers.py --data FOLDER --only multi30k --methods lora prefix

Instructions in English (instruct_demo) teach SmolLM2, a causal model; captions, English to German (Multi30k), teach
flan-t5-small, an encoder-decoder. Forgetting is told by answers of another kind, of which nothing is learned: their
perplexity before and after (Chinese instructions; summaries of English dialogues). What stands in the results under the
same settings is not run again. One child process each.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "tasks"))
import dialogue
import harness
import translation
from runs import drawn, lines_of, splits

from methods import METHODS, options, peak_of_children, saved

SETS: dict[str, dict[str, Any]] = {
    "instruct_demo": {
        "title": "instruct_demo, English instructions", "model": "smollm2", "rows": 120, "test": 40,
        "settings": ["task=dialogue", "training.epochs=1"], "other": "Chinese instructions",
    },
    "multi30k": {
        "title": "Multi30k, English to German", "model": "flan-t5-small", "rows": 1500, "test": 60,
        "settings": ["task=translation", "data.text=en", "data.target=de", "task.source_language=en",
                     "task.target_language=de", "training.epochs=1"],
        "other": "summaries of English dialogues (DialogSum)",
    },
}  # fmt: skip
WRITERS = ["bitfit", "ia3", "prompt", "p_tuning", "prefix", "adapter", "lora", "adalora", "qlora", "oft"]
WRITERS += ["freeze", "full"]
"""Of METHODS."""
OTHERS = 60
"""Answers by which forgetting is told."""


def files(job: dict[str, Any], folder: Path) -> list[Any]:
    """Training, validation and test file, as ``tunesmith tune`` takes them."""
    if job["set"] == "instruct_demo":
        rows = dialogue.parts({"name": "instruct-en", "data": job["data"], "file": "alpaca_en.json", "rows": None,
                               "test_rows": job["test_rows"]})  # fmt: skip
        made = {"test": rows["test"], "validation": rows["train"][:40], "train": rows["train"][40:][: job["rows"]]}
        for split, some in made.items():
            Path(folder, f"{split}.json").write_text(json.dumps(some, ensure_ascii=False), "utf-8")
        return [folder / "train.json", *(f"data.{split}={folder / split}.json" for split in ("test", "validation"))]
    place, sides = Path(job["data"], "multi30k"), translation.RUNS["multi30k"]["sides"]
    return splits({**job, "validation": 200}, folder, "{}.tsv",
                  lambda split, n: translation.rows_of(place / f"{split}.tsv", sides, n))  # fmt: skip


def forgetting(bundle: Path, job: dict[str, Any]) -> dict[str, float]:
    """Perplexity of the other answers, of the model as it came and as it is."""
    if job["set"] == "instruct_demo":
        asked = {"name": "instruct-en", "data": job["data"], "other": "alpaca_zh.json", "rows": 0, "test_rows": OTHERS}
        both: dict[str, float] = dialogue.forgetting(bundle, asked)["other"]
        return both
    from tunesmith.bundle.predictor import Predictor
    from tunesmith.bundle.read import read_bundle
    from tunesmith.bundle.runtimes.torch import TorchRuntime, load_model
    from tunesmith.evaluation.metrics import METRICS
    from tunesmith.models.build import build
    from tunesmith.models.load import load_processor
    from tunesmith.models.reference import resolve
    from tunesmith.tasks import TASKS

    lines = drawn(lines_of(Path(job["data"], "dialogsum", "dev.jsonl")), OTHERS)
    rows = [{"text": one["dialogue"], "target": one["summary"]} for one in map(json.loads, lines)]
    tuned, task, base = read_bundle(bundle), TASKS.make("summarization"), resolve(job["model"])
    # Each with its own tokenizer: the bundle's may put a trained prompt in, which the model as it came never saw.
    sides = {"before": (build(base, task), load_processor(base)), "after": (load_model(tuned), tuned.processor)}
    found = {}
    for side, (model, processor) in sides.items():
        predictor = Predictor(task, processor, TorchRuntime(model), max_length=512)
        evidence = task.validate(predictor, rows, predictor.encode(rows, targets=True))
        found[side] = float(METRICS.make("perplexity")(evidence))
    return found


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: tune, then look at the bundle."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder, "bundle")
        told = harness.verb("tune", *files(job, Path(folder)), f"model={job['model']}", f"bundle={bundle}",
                            "evaluation.baselines=false", *job["settings"])  # fmt: skip
        peak = peak_of_children()
        report = json.loads((bundle / "report.json").read_text("utf-8"))
        return {
            "metrics": told["metrics"], "training": told["training"],
            "parameters": report["context"]["parameters"], "rows": report["context"]["rows"], "tune_mib": peak,
            **saved(bundle), "other": forgetting(bundle, job),
        }  # fmt: skip


def main() -> None:
    """The command line."""
    given = options(__doc__, list(SETS), WRITERS, (16, 4))
    kept: dict[str, Any] = harness.kept(given.results / "methods_writers.json", {})
    run = harness.context()
    for name in given.only:
        one, of_set = SETS[name], kept.setdefault(name, {})
        for method in given.methods:
            settings = [*one["settings"], f"method={method}", *METHODS[method], *given.set]
            job = {"set": name, "model": one["model"], "rows": given.rows or one["rows"],
                   "test_rows": given.test_rows or one["test"], "settings": settings}  # fmt: skip
            if of_set.get(method, {}).get("job") != job:
                of_set[method] = {**harness.child(__file__, {**job, "data": str(given.data)}), **run, "job": job}
                harness.write(given.results, "methods_writers", "Methods on models that write", page(kept), kept)


def page(kept: dict[str, Any]) -> list[str]:
    """A table for each data set."""
    lines: list[str] = []
    for name, found in kept.items():
        runs = {method: found[method] for method in WRITERS if method in found}
        if not runs:
            continue
        first = next(iter(runs.values()))
        other = first["other"]["before"]
        written = "bleu" if "bleu" in first["metrics"] else "rougeL"
        rows = [["untuned", "-", "-", "-", "-", "-", "-", "-", f"{other:.2f}"]]
        rows += [
            [
                method, *figures(one["metrics"], written), f"{one['parameters']['trained']:,}",
                f"{one['training']['seconds']:.0f}", one["tune_mib"], f"{one['saved_mib']:.1f}",
                f"{one['adapter_mib']:.1f}" if one["adapter_mib"] else "", f"{one['other']['after']:.2f}",
            ]
            for method, one in runs.items()
        ]  # fmt: skip
        sizes = ("peak MiB", "saved MiB", "adapter MiB")
        header = ["method", "perplexity", written, "trained", "seconds", *sizes, "other"]
        counts = first["rows"]
        about = (
            f"`{first['job']['model']}`, {counts['train']:,} training and {counts['test']:,} test rows, one epoch, the "
            f"methods' defaults. Other: perplexity of {SETS[name]['other']}; a rise is what was forgotten."
        )
        lines += [f"## {SETS[name]['title']}", "", about, "", *harness.table(header, rows), ""]
        lines += [*harness.context_lines(first), *harness.busy_note(list(runs.values())), ""]
    return lines


def figures(metrics: dict[str, Any], written: str) -> Sequence[str]:
    """Of held-out answers, with intervals."""
    return [harness.interval(metrics["perplexity"]), harness.interval(metrics[written])]


if __name__ == "__main__":
    harness.entry(work, main)
