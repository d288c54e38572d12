"""Methods x data sets: score, trained weights, seconds, peak memory, saved size, and what was forgotten.

python benchmarks/methods.py --data FOLDER
python benchmarks/methods.py --data FOLDER --only banking77 --methods lora prefix --set training.epochs=2

Resumable: what stands in the results under the same settings is not run again. One child process each.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import harness

sys.path.insert(0, str(Path(__file__).parent / "tasks"))
import tuned

SETS: dict[str, dict[str, Any]] = {
    "banking77": {"title": "banking77", "pattern": "{}.csv", "model": "minilm", "rows": 5000, "test": 3080},
    "imdb": {"title": "IMDB", "pattern": "{}.csv", "model": "minilm", "rows": 2000, "test": 1000},
    "conll2003": {
        "title": "CoNLL-2003",
        "pattern": "{}.conll",
        "model": "minilm",
        "rows": 3000,
        "test": 1500,
        "without": ["head"],
    },
    "cluener": {
        "title": "CLUENER",
        "pattern": "{}.jsonl",
        "model": "e5-small",
        "rows": 3000,
        "test": 1343,
        "without": ["head"],
    },
}
"""``rows``: of training; ``test``: of test and of validation; ``without``: methods that its task has no use for."""

METHODS: dict[str, tuple[str, ...]] = {
    "head": (),
    "bitfit": (),
    "ia3": (),
    "prompt": (),
    "p_tuning": (),
    "prefix": (),
    "adapter": (),
    "adapter houlsby": ("method.placement=houlsby",),
    "adapter pfeiffer": ("method.placement=pfeiffer",),
    "lora": (),
    "lora rslora": ("method.rslora=true",),
    "lora dora": ("method.dora=true",),
    "lora plus": ("method.b_rate=4",),
    "lora pissa": ("method.start=pissa",),
    "adalora": (),
    "qlora": (),
    "oft": (),
    "freeze": (),
    "freeze gradual": ("method.layers=12", "method.gradual=true"),
    "full": (),
}
"""The first word is the method; the rest tells its options."""

GENERAL = "corpus_imdb_unsup"
"""A sentence's two halves must find each other among those of other texts: what a general encoder can."""


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: tune, then look at the bundle."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder, "bundle")
        command = ["tune", *(f"{key}{file}" for key, file in tuned.files(job, Path(folder)))]
        command += [
            f"model={job['model']}",
            f"bundle={bundle}",
            "evaluation.baselines=false",
            *job["settings"],
        ]
        answer = harness.verb(*command)
        report = json.loads((bundle / "report.json").read_text("utf-8"))
        size = saved(bundle)
        found = {"metrics": answer["metrics"], "parameters": report["context"]["parameters"]}
        found |= {"seconds": report["seconds"], "training": report["context"]["training"]}
        peak = peak_of_children()
        after = recall(encoder(bundle), job["general"])
    return {**found, **size, "general": after, "tune_mib": peak}


def saved(bundle: Path) -> dict[str, float]:
    """MiB of a bundle's weights, and of the adapter beside them."""
    size = sum(path.stat().st_size for path in bundle.rglob("*.safetensors") if path.parent.name != "adapter")
    beside = sum(path.stat().st_size for path in (bundle / "adapter").glob("*.safetensors"))
    return {"saved_mib": size / 2**20, "adapter_mib": beside / 2**20}


def before(job: dict[str, Any]) -> dict[str, Any]:
    """The same of the model as it came."""
    from tunesmith.models.load import load_processor
    from tunesmith.models.reference import resolve

    reference = resolve(job["model"])
    from transformers import AutoModel

    return {"general": recall((AutoModel.from_pretrained(reference.path), load_processor(reference)), job["general"])}


def encoder(bundle: Path) -> tuple[Any, Any]:
    """A bundle's backbone without the appended mean layer, and its tokenizer."""
    from tunesmith.bundle.read import read_bundle
    from tunesmith.bundle.runtimes.torch import load_model
    from tunesmith.models.heads import mean

    opened = read_bundle(bundle, verify=False)
    model = load_model(opened)
    if mean.has_mean(model):
        mean.take_off(model)
    return model.base_model, opened.processor


def recall(pair: tuple[Any, Any], halves: list[list[str]]) -> float:
    """The share of first halves whose own second half is the nearest of all, by the cosine of mean vectors."""
    import torch

    model, processor = pair
    model.eval()

    def vectors(texts: list[str]) -> torch.Tensor:
        found = []
        for start in range(0, len(texts), 32):
            batch = processor(
                texts[start : start + 32], padding=True, truncation=True, max_length=128, return_tensors="pt"
            )
            states = model(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1).to(states.dtype)
            found.append(torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1))
        return torch.cat(found)

    with torch.inference_mode():
        one, other = vectors([pair[0] for pair in halves]), vectors([pair[1] for pair in halves])
        nearest = (one @ other.T).argmax(1)
    return float((nearest == torch.arange(len(halves))).double().mean())


def general(folder: Path, most: int) -> list[list[str]]:
    """Held texts in two halves: of reviews without labels, which no data set here trains on."""
    source = folder / GENERAL / "dev.jsonl.gz"
    lines = gzip.decompress(source.read_bytes()).decode("utf-8").split("\n")
    words = [json.loads(line)["text"].split() for line in lines if line]
    return [[" ".join(text[:20]), " ".join(text[20:40])] for text in words if len(text) >= 40][:most]


def peak_of_children() -> int:
    """MiB, of the largest."""
    import resource

    return round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)


def dispatched(job: dict[str, Any]) -> dict[str, Any]:
    """In the child."""
    return before(job) if job.get("before") else work(job)


def main() -> None:
    """The command line."""
    given = options(__doc__, list(SETS), list(METHODS), (600, 60))
    path = given.results / "methods.json"
    kept: dict[str, Any] = harness.kept(path, {})
    halves = general(given.data, 40 if given.quick else 1000)
    run = harness.context()
    for name in given.only:
        one = SETS[name]
        shared = {"set": name, "model": one["model"], "folder": str(given.data / name), "pattern": one["pattern"]}
        shared |= {"rows": given.rows or one["rows"], "test_rows": given.test_rows or one["test"]}
        of_set = kept.setdefault(name, {})
        if "before" not in of_set:
            of_set["before"] = harness.child(__file__, {**shared, "before": True, "general": halves})
        for method in [method for method in given.methods if method not in one.get("without", [])]:
            settings = [f"method={method.split()[0]}", *METHODS[method], *given.set]
            job = {**shared, "settings": settings, "general": halves}
            about = {key: value for key, value in job.items() if key not in ("general", "folder")}
            if of_set.get(method, {}).get("job") == about:
                continue
            of_set[method] = {**harness.child(__file__, job), **run, "job": about}
            harness.write(given.results, "methods", "Methods", page(kept), kept)


def options(about: str | None, sets: Sequence[str], methods: Sequence[str], quick: tuple[int, int]) -> Any:
    """The options.

    Args:
        quick: training and test rows of ``--quick``.
    """
    parser = harness.parser(about)
    parser.add_argument("--only", nargs="+", choices=list(sets), default=list(sets))
    parser.add_argument("--methods", nargs="+", choices=list(methods), default=list(methods))
    parser.add_argument("--rows", type=int, help="training rows (default: as in SETS)")
    parser.add_argument("--test-rows", type=int, help="test rows (default: as in SETS)")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run, training.epochs=2 ...")
    given = harness.parse(parser)
    if given.quick:
        given.rows, given.test_rows = quick
        given.set = ["training.max_steps=2", "model.max_length=64", *given.set]
    return given


def page(kept: dict[str, Any]) -> list[str]:
    """A table for each data set."""
    lines: list[str] = [
        "General text: of 297 film reviews, the share of those whose first twenty words have their own next twenty as "
        "the nearest of all (cosine of mean vectors). Its fall is what tuning made the encoder forget.",
    ]
    header = ["method", "score", "trained", "seconds", "peak MiB", "saved MiB", "adapter MiB", "general text", "change"]
    for name, found in kept.items():
        runs = {method: found[method] for method in METHODS if method in found}
        if not runs:
            continue
        metric = next(iter(next(iter(runs.values()))["metrics"]))
        start = found["before"]["general"]
        rows = [
            [
                method,
                harness.interval(one["metrics"][metric]),
                f"{one['parameters']['trained']:,}",
                f"{one['training']['seconds']:.0f}",
                one["tune_mib"],
                f"{one['saved_mib']:.1f}",
                f"{one['adapter_mib']:.1f}" if one["adapter_mib"] else "",
                f"{one['general']:.3f}",
                f"{one['general'] - start:+.3f}",
            ]
            for method, one in runs.items()
        ]
        first = next(iter(runs.values()))
        about = (
            f"`{first['job']['model']}`, {first['job']['rows']:,} training rows, {metric}; general text before tuning "
        )
        lines += ["", f"## {SETS[name]['title']}", "", about + f"{start:.3f}.", "", *harness.table(header, rows)]
        lines += ["", *harness.context_lines(first), *harness.busy_note(list(runs.values()))]
    return lines


if __name__ == "__main__":
    harness.entry(dispatched, main)
