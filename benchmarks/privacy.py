"""What privacy costs: epsilon against score, by method, with no privacy as the ceiling and the majority as the floor.

    python benchmarks/privacy.py --data FOLDER
    python benchmarks/privacy.py --data FOLDER --sets chnsenticorp_hotel --epsilons 0.5 8

banking77's first classes (English, minilm) and hotel reviews (Chinese, e5-small), under ``dp_sgd``. Private and plain
runs have the same rows, batches, epochs and rates, and no validation rows: the last weights are measured. That private
weights really moved is told by the norm of what was added to the head and to the backbone (an adapter, merged), beside
the norm of the head that was begun with. Noise is of the run's seed here (``secret: false``), so that a run can be made
again; do not do so with private rows. A run that was made is not made again: the same command goes on.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import harness
from continual import spread
from strategies import some_of_each

MODELS = {"banking77": "minilm", "imdb": "minilm", "chnsenticorp_hotel": "e5-small"}
PLAIN = "none"
"""The run without privacy, by the name of its epsilon."""
SCORES = ("accuracy", "macro_f1")
METHODS: dict[str, tuple[str, ...]] = {
    "head": ("training.epochs=20", "training.batch_size=256"),
    "lora": ("training.epochs=2", "training.batch_size=96"),
}
"""Few large draws: with the same epsilon, the noise in the sum of a large one is a smaller share of it."""


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: tune, and compare the weights with those that were begun with."""
    import tunesmith

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train, test = rows_of(job)
        recipe = {
            "data": {"path": str(harness.write_rows(folder / "train.csv", train)), "split": {"validation": 0}},
            "model": {"name": job["model"], "max_length": job["max_length"]},
            "method": job["method"],
        }
        recipe["data"]["test"] = str(harness.write_rows(folder / "test.csv", test))
        private = [] if job["epsilon"] == PLAIN else [{"name": "dp_sgd", "epsilon": job["epsilon"], "secret": False}]
        settings = [f"training.seed={job['seed']}", "evaluation.baselines=false", *METHODS[job["method"]]]
        bundle = tunesmith.tune(
            recipe, *settings, *job["settings"], bundle=str(folder / "bundle"), training={"strategies": private}
        )
        told = bundle.report["context"]
        facts = told.get("strategies", {}).get("dp_sgd", {})
        return {
            "figures": {key: bundle.report["metrics"][key]["value"] for key in SCORES},
            "majority": floor(train, test),
            "privacy": {key: facts.get(key) for key in ("epsilon", "delta", "noise", "max_norm", "draws", "rate")},
            "moved": moved(bundle),
            "rows": told["rows"],
            "trained": told["parameters"]["trained"],
            "seconds": told["training"]["seconds"],
        }


def rows_of(job: dict[str, Any]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Training and test rows of a set: as many of each class as there are to be, drawn by the seed; text and label."""
    source = Path(job["data"], job["set"])
    train, test = ([dict(text=r["text"], label=r["label"]) for r in harness.rows_of(source / f"{part}.csv")]
                   for part in ("train", "test"))  # fmt: skip
    labels = sorted({row["label"] for row in train})[: job["classes"]]
    each = job["rows"] // len(labels)
    train, test = ([row for row in rows if row["label"] in labels] for rows in (train, test))
    held = random.Random(13).sample(test, min(job["test_rows"], len(test)))
    return some_of_each(train, lambda _, own: min(each, len(own)), job["seed"]), held


def floor(train: Sequence[Mapping[str, str]], test: Sequence[Mapping[str, str]]) -> dict[str, float]:
    """What the most frequent class of the training rows scores, for all test rows."""
    label = Counter(row["label"] for row in train).most_common(1)[0][0]
    right = sum(row["label"] == label for row in test)
    classes = {row["label"] for row in test}
    return {"accuracy": right / len(test), "macro_f1": 2 * right / (len(test) + right) / len(classes)}


def moved(bundle: Any) -> dict[str, float]:
    """Norms of what training added to the head and to the backbone, and of the head that it began with.

    The model that was begun with is made again, by the run's seed; what was trained is what the bundle holds.
    """
    from tunesmith.bundle.runtimes.torch import load_model
    from tunesmith.core.runtime import seed_everything
    from tunesmith.models.build import build
    from tunesmith.models.heads import head_names
    from tunesmith.models.reference import resolve

    recipe = bundle.recipe
    seed_everything(recipe.training.seed)
    begun: Any = build(resolve(recipe.model.name), bundle.task, pooling=recipe.model.pooling)
    ended = dict(load_model(bundle).named_parameters())
    heads = tuple(f"{name}." for name in head_names(begun))
    squares: defaultdict[str, float] = defaultdict(float)
    for name, weight in begun.named_parameters():
        before, after = weight.detach().double(), ended[name].detach().double()
        part = "head" if any(head in f"{name}." for head in heads) else "backbone"
        squares[part] += float((after - before).square().sum())
        squares["head at first"] += float(before.square().sum()) if part == "head" else 0.0
    return {part: squares[part] ** 0.5 for part in ("head", "head at first", "backbone")}


def page(kept: Mapping[str, Any]) -> list[str]:
    """A table a set: means over seeds, and their range."""
    lines: list[str] = []
    for name, methods in kept["sets"].items():
        rows = [cells(m, e, runs) for m, own in methods.items() for e, runs in ordered(own) if runs]
        if not rows:
            continue
        any_run = next(run for own in methods.values() for runs in own.values() for run in runs.values())
        held = [run for own in methods.values() for runs in own.values() for run in runs.values()]
        floors = [spread([run["majority"][key] for run in held]) for key in SCORES]
        about = f"{any_run['rows']['train']:,} training rows, {any_run['rows']['test']:,} test rows, {MODELS[name]}"
        header = ["method", "ε asked", "seeds", "ε spent", "δ", "noise σ", *SCORES, "head moved", "backbone moved", "s"]
        rows.append(["majority", "-", "-", "-", "-", "-", *floors, "-", "-", "-"])
        lines += ["", f"## {name}: {about}", "", *harness.table(header, rows)]
    return [
        *lines,
        "",
        "Means over seeds, least and largest in brackets. ε asked: none is without dp_sgd. σ: the noise's standard "
        "deviation in units of the longest gradient of a row. Moved: norm of what training added to the weights, "
        "noise included; of the head beside the norm that it began with.",
    ]


def ordered(runs: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The smallest epsilon first, no privacy last."""
    return sorted(runs.items(), key=lambda item: float("inf") if item[0] == PLAIN else float(item[0]))


def cells(method: str, epsilon: str, runs: Mapping[str, Any]) -> list[Any]:
    """A line: a method and an epsilon."""
    own = list(runs.values())
    head, begun, body = (mean([r["moved"][k] for r in own]) for k in ("head", "head at first", "backbone"))
    return [
        method, epsilon, len(own), *(["∞", "-", "-"] if epsilon == PLAIN else counted([r["privacy"] for r in own])),
        *(spread([run["figures"][key] for run in own]) for key in SCORES),
        f"{head:.2f} ({begun:.2f})", f"{body:.2f}", f"{mean([run['seconds'] for run in own]):.0f}",
    ]  # fmt: skip


def counted(spent: Sequence[Mapping[str, float]]) -> list[str]:
    """Epsilon, delta and noise."""
    epsilon, delta, noise = (mean([one[key] for one in spent]) for key in ("epsilon", "delta", "noise"))
    return [f"{epsilon:.2f}", f"{delta:.1e}", f"{noise:.2f}"]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / "privacy.json"
    settings = {key: getattr(given, key) for key in ("rows", "test_rows", "classes", "max_length", "set")}
    kept = harness.kept(path, {"settings": settings, "sets": {}})
    if kept["settings"] != settings:
        raise SystemExit(f"{path} has runs of other settings: {kept['settings']}. Give those, or another --results.")
    kept["context"] = harness.context()
    for seed in given.seeds:  # all of a seed before the next: a table that is cut short is still fair
        for name in given.sets:
            for method in given.methods:
                for epsilon in [PLAIN, *given.epsilons]:
                    told = epsilon if epsilon == PLAIN else f"{epsilon:g}"
                    done = kept["sets"].setdefault(name, {}).setdefault(method, {}).setdefault(told, {})
                    if str(seed) in done:
                        continue
                    job = {"set": name, "method": method, "epsilon": epsilon, "seed": seed, "data": str(given.data)}
                    job |= {key: getattr(given, key) for key in ("rows", "test_rows", "classes", "max_length")}
                    done[str(seed)] = harness.child(__file__, {**job, "model": MODELS[name], "settings": given.set})
                    write(given, kept)
    write(given, kept)


def write(given: argparse.Namespace, kept: dict[str, Any]) -> None:
    """The page and its figures."""
    runs = [r for m in kept["sets"].values() for e in m.values() for s in e.values() for r in s.values()]
    lines = [*harness.context_lines(kept["context"]), *sizes(kept["settings"]), *page(kept), *harness.busy_note(runs)]
    harness.write(given.results, "privacy", "Privacy: epsilon against score", lines, kept)


def sizes(settings: Mapping[str, Any]) -> list[str]:
    """What a command without options does not say."""
    told = [f"{key.replace('_', ' ')} {value}" for key, value in settings.items() if value not in ([], None)]
    return ["", f"Settings: {', '.join(told)}; " + "; ".join(f"{m}: {' '.join(s)}" for m, s in METHODS.items()) + "."]


def options() -> argparse.Namespace:
    """The command line's."""
    parser = harness.parser(__doc__)
    parser.add_argument("--sets", nargs="+", choices=list(MODELS), default=["banking77", "chnsenticorp_hotel"])
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--epsilons", nargs="+", type=float, default=[1.0, 3.0, 8.0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[13, 14])
    parser.add_argument("--rows", type=int, default=480, help="training rows, of all classes alike")
    parser.add_argument("--test-rows", type=int, default=600)
    parser.add_argument("--classes", type=int, default=10, help="of banking77, the first by name")
    parser.add_argument("--max-length", type=int, default=64, help="tokens of a window")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run, training.epochs=2 ...")
    given = harness.parse(parser)
    if given.quick:
        given.seeds, given.epsilons, given.classes, given.rows, given.test_rows = [13], [8.0], 3, 24, 24
        given.max_length, given.set = 32, ["training.max_steps=2", "training.batch_size=8", *given.set]
    return given


if __name__ == "__main__":
    harness.entry(work, main)
