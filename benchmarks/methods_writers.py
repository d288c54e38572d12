"""Methods on models that write: score, trained weights, seconds, peak memory, saved size, and what was forgotten.

    python benchmarks/methods_writers.py --data FOLDER
    python benchmarks/methods_writers.py --data FOLDER --only multi30k --methods lora prefix

Instructions in English (instruct_demo) teach SmolLM2, a causal model; captions, English to German (Multi30k), teach
flan-t5-small, an encoder-decoder. Forgetting is told by answers of another kind, of which nothing is learned: their
perplexity before and after (Chinese instructions; summaries of English dialogues). What stands in the results under the
same settings is not run again. One child process each.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "tasks"))
import dialogue
import harness
import translation
from runs import drawn, lines_of

from methods import METHODS, _peak_of_children

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
WRITERS = (
    "bitfit",
    "ia3",
    "prompt",
    "p_tuning",
    "prefix",
    "adapter",
    "lora",
    "adalora",
    "qlora",
    "oft",
    "freeze",
    "full",
)
"""Of METHODS; a method that refuses a model is told so."""
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
    for split, size in (("train", job["rows"]), ("dev", 200), ("test", job["test_rows"])):
        lines = translation.rows_of(place / f"{split}.tsv", sides, size)
        Path(folder, f"{split}.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    return [folder / "train.tsv", f"data.test={folder / 'test.tsv'}", f"data.validation={folder / 'dev.tsv'}"]


def others(job: dict[str, Any]) -> tuple[Any, list[dict[str, Any]]]:
    """The task that asks for answers of another kind (None: the bundle's own), and its rows."""
    if job["set"] == "instruct_demo":
        rows = dialogue.read(Path(job["data"], "instruct_demo", "alpaca_zh.json"))
        random.Random(13).shuffle(rows)
        return None, rows[:OTHERS]
    from tunesmith.tasks import TASKS

    lines = drawn(lines_of(Path(job["data"], "dialogsum", "test.jsonl")), OTHERS)
    found = [json.loads(line) for line in lines]
    return TASKS.make("summarization"), [{"text": one["dialogue"], "target": one["summary"]} for one in found]


def forgetting(bundle: Path, job: dict[str, Any]) -> dict[str, float]:
    """Perplexity of the other answers, of the model as it came and as it is."""
    from tunesmith.bundle.predictor import Predictor
    from tunesmith.bundle.read import read_bundle
    from tunesmith.bundle.runtimes.torch import TorchRuntime, load_model
    from tunesmith.evaluation.metrics import METRICS
    from tunesmith.models.build import build
    from tunesmith.models.reference import resolve

    tuned = read_bundle(bundle)
    task, rows = others(job)
    if task is None:
        plain = build(resolve(job["model"]), tuned.task)
        sides = {"before": dialogue.perplexity(plain, tuned, rows), "after": dialogue.perplexity(None, tuned, rows)}
        return sides
    found = {}
    for side, model in (("before", build(resolve(job["model"]), task)), ("after", load_model(tuned))):
        predictor = Predictor(task, tuned.processor, TorchRuntime(model), max_length=512)
        evidence = task.validate(predictor, rows, predictor.encode(rows, targets=True))
        found[side] = float(METRICS.make("perplexity")(evidence))
    return found


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: tune, then look at the bundle."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder, "bundle")
        told = harness.verb("tune", *files(job, Path(folder)), f"model={job['model']}", f"bundle={bundle}",
                            "evaluation.baselines=false", *job["settings"])  # fmt: skip
        peak = _peak_of_children()
        report = json.loads((bundle / "report.json").read_text("utf-8"))
        size = sum(path.stat().st_size for path in bundle.rglob("*.safetensors") if path.parent.name != "adapter")
        beside = sum(path.stat().st_size for path in (bundle / "adapter").glob("*.safetensors"))
        return {
            "metrics": told["metrics"], "training": told["training"],
            "parameters": report["context"]["parameters"], "rows": report["context"]["rows"], "tune_mib": peak,
            "saved_mib": size / 2**20, "adapter_mib": beside / 2**20, "other": forgetting(bundle, job),
        }  # fmt: skip


def main() -> None:
    """The command line."""
    given = options()
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


def options() -> argparse.Namespace:
    """The options."""
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--methods", nargs="+", choices=WRITERS, default=list(WRITERS))
    parser.add_argument("--rows", type=int, help="training rows (default: as in SETS)")
    parser.add_argument("--test-rows", type=int, help="test rows (default: as in SETS)")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run, training.epochs=2 ...")
    given = harness.parse(parser)
    if given.quick:
        given.rows, given.test_rows = 16, 4
        given.set = ["training.max_steps=2", "model.max_length=64", *given.set]
    return given


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
        header = [
            "method",
            "perplexity",
            written,
            "trained",
            "seconds",
            "peak MiB",
            "saved MiB",
            "adapter MiB",
            "other",
        ]
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
