"""Ten shopping domains one after the other: average accuracy and forgetting, by strategy, with joint training beside.

    python benchmarks/continual.py --data FOLDER [--seeds 13,14,15]

Every contender begins with a bundle of the first domain and learns one domain after the other (``tunesmith learn``),
protecting the training rows of all that it has seen. After each domain it answers the test rows of all seen ones:

- average accuracy: the mean over domains after the last one (Lopez-Paz & Ranzato 2017, ACC);
- forgetting: for each domain but the last, its best accuracy on the way minus that at the end; the mean
  (Chaudhry et al. 2018, eq. 3).

Joint training sees all rows at once: the ceiling. "adapters" learns apart (``--apart``): an adapter for each domain on
the first bundle's weights, and a router, whose share of right choices after the last domain is told below the table.
A run that was made is not made again: the same command goes on.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import harness

SET, MODEL = "online_shopping_10_cats", "e5-small"
CONTENDERS: dict[str, list[str]] = {
    "naive": [],
    "replay": ["replay"],
    "ewc": ["ewc"],
    "lwf": ["lwf"],
    "replay + ewc": ["replay", "ewc"],
    "adapters": [],
}
APART = ("adapters",)
"""Contenders that learn apart."""


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: one contender through all domains, or joint training."""
    from tunesmith.pipeline import tune
    from tunesmith.pipeline.learn import LearnOptions, learn

    with tempfile.TemporaryDirectory() as folder:
        files = domain_files(Path(job["data"], SET), Path(folder), job)
        names = list(files)
        shared = [f"training.seed={job['seed']}", "evaluation.baselines=false", *job["overrides"]]

        def settings(name: str, place: Path) -> list[str]:
            return [f"data.test={files[name]['test']}", f"bundle={place}", *shared]

        if job["strategies"] is None:
            every = joined(Path(folder, "all.csv"), [files[name]["train"] for name in names])
            place = Path(folder, "joint")
            tune(str(every), f"model={job['model']}", f"method={job['method']}", *settings(names[0], place))
            return {"domains": names, "accuracy": [accuracies(place, files, names)]}
        place = Path(folder, "0")
        tune(
            str(files[names[0]]["train"]),
            f"model={job['model']}",
            f"method={job['method']}",
            *settings(names[0], place),
        )
        found, routing = [accuracies(place, files, names[:1])], {}
        for i, name in enumerate(names[1:], 1):
            old = joined(Path(folder, "old.csv"), [files[seen]["train"] for seen in names[:i]])
            following = Path(folder, str(i))
            options = LearnOptions(str(old), job["strategies"], apart=job["apart"])
            made = learn(place, str(files[name]["train"]), settings(name, following), options)
            routing = made.report["forgetting"].get("routing", {})
            shutil.rmtree(place)
            place = following
            found.append(accuracies(place, files, names[: i + 1]))
        return {"domains": names, "accuracy": found, "routing": routing}


def domain_files(source: Path, folder: Path, job: dict[str, Any]) -> dict[str, dict[str, Path]]:
    """Domain -> its training and test file, in the order of the domains' names."""
    files: dict[str, dict[str, Path]] = {}
    for split in ("train", "test"):
        rows = harness.rows_of(source / f"{split}.csv", None)
        for number, domain in enumerate(sorted({row["domain"] for row in rows})[: job["domains"]]):
            own = [{"text": row["text"], "label": row["label"]} for row in rows if row["domain"] == domain]
            limit = job["rows"] if split == "train" else job["test_rows"]
            place = folder / f"{split}-{number}.csv"
            files.setdefault(domain, {})[split] = harness.write_rows(place, own[:limit])
    return files


def joined(target: Path, sources: Sequence[Path]) -> Path:
    """One file of several."""
    return harness.write_rows(target, [row for source in sources for row in harness.rows_of(source)])


def accuracies(bundle: Path, files: dict[str, dict[str, Path]], names: Sequence[str]) -> list[float]:
    """Of each domain's test rows, answered in one pass."""
    from tunesmith.bundle.read import read_bundle

    rows = {name: harness.rows_of(files[name]["test"]) for name in names}
    answers = iter(read_bundle(bundle).predict([row["text"] for own in rows.values() for row in own]))
    return [sum(next(answers)["label"] == row["label"] for row in own) / len(own) for own in rows.values()]


def trimmed(source: Path, model: str, folder: Path) -> str:
    """The model with the pieces that the set's texts need: the same answers with a fraction of the weights."""
    from transformers import AutoModel

    from tunesmith.compression.vocabulary import trim
    from tunesmith.models.load import load_processor
    from tunesmith.models.reference import resolve

    reference = resolve(model)
    texts = [row["text"] for split in ("train", "test") for row in harness.rows_of(source / f"{split}.csv", None)]
    encoder = AutoModel.from_pretrained(reference.path)
    made = trim(encoder, load_processor(reference), texts)
    encoder.save_pretrained(folder)
    made.processor.save_pretrained(folder)
    return str(folder)


def average(matrix: Sequence[Sequence[float]]) -> float:
    """After the last domain, over all."""
    return sum(matrix[-1]) / len(matrix[-1])


def forgetting(matrix: Sequence[Sequence[float]]) -> float:
    """The mean over all domains but the last of what was lost since its best."""
    last = len(matrix) - 1
    lost = [max(matrix[i][d] for i in range(d, last)) - matrix[last][d] for d in range(last)]
    return sum(lost) / len(lost) if lost else 0.0


def main() -> None:
    """The command line."""
    parser = harness.parser(__doc__)
    parser.add_argument("--seeds", default="13,14,15")
    parser.add_argument("--method", default="full")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--rows", type=int, default=400, help="training rows of a domain")
    parser.add_argument("--test-rows", type=int, help="test rows of a domain (default: all)")
    parser.add_argument("--domains", type=int, default=10)
    parser.add_argument("--only", help="one contender")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run, training.epochs=2 ...")
    given = harness.parse(parser)
    overrides: list[str] = list(given.set)
    if given.quick:
        given.rows, given.test_rows, given.domains, given.seeds = 60, 20, 2, "13"
        overrides += ["training.max_steps=2"]
    run = harness.context()
    contenders: dict[str, list[str] | None] = {**CONTENDERS, "joint (the ceiling)": None}
    if given.only:
        contenders = {given.only: contenders[given.only]}
    settings = {"rows": given.rows, "test_rows": given.test_rows, "domains": given.domains, "method": given.method}
    settings |= {"model": given.model, "overrides": overrides}
    path = given.results / "continual.json"
    kept: dict[str, Any] = harness.kept(path, {"settings": settings})
    if kept["settings"] != settings:
        raise SystemExit(f"{path} has runs of other settings: {kept['settings']}. Give those, or another --results.")
    found: dict[str, list[dict[str, Any]]] = kept.setdefault("contenders", {})
    with tempfile.TemporaryDirectory() as folder:
        model = trimmed(given.data / SET, given.model, Path(folder))
        for seed in map(int, given.seeds.split(",")):  # all of a seed first: a table that is cut short is still fair
            for name, strategies in contenders.items():
                if any(one["seed"] == seed for one in found.get(name, ())):
                    continue
                job = {**settings, "data": str(given.data), "seed": seed, "strategies": strategies, "model": model}
                made = harness.child(__file__, {**job, "apart": name in APART})
                found.setdefault(name, []).append({**made, "seed": seed})
                about = f"`{given.model}`, its vocabulary trimmed to the set's pieces; {given.rows} rows a domain."
                lines = [about, "", *harness.context_lines(run), "", *page(found)]
                lines += harness.busy_note([one for runs in found.values() for one in runs])
                title = f"{given.domains} shopping domains in sequence"
                harness.write(given.results, "continual", title, lines, {**run, **kept})


def page(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """A table of contenders: means over seeds, and their range."""
    rows = []
    for name, runs in found.items():
        last = [average(run["accuracy"]) for run in runs]
        lost = [forgetting(run["accuracy"]) for run in runs] if len(runs[0]["accuracy"]) > 1 else []
        walls = sum(run["wall"] for run in runs) / len(runs)
        rows.append([name, spread(last), spread(lost) if lost else "-", f"{walls:.0f}"])
    table = harness.table(["contender", "average accuracy", "forgetting", "seconds"], rows)
    lines = [*table, "", "Means over seeds, the least and the largest in brackets."]
    routed = [run["routing"] for runs in found.values() for run in runs if run.get("routing")]
    if routed:
        shares = [spread([one[side]["right"] for one in routed]) for side in ("protected", "new")]
        told = f"The router, after the last domain: {shares[0]} of protected rows go where they went before it, "
        lines += ["", f"{told}{shares[1]} of its own test rows to the new adapter."]
    return lines


def spread(values: Sequence[float]) -> str:
    """``0.901 [0.893, 0.909]``: mean, least, largest."""
    return f"{sum(values) / len(values):.3f} [{min(values):.3f}, {max(values):.3f}]"


if __name__ == "__main__":
    harness.entry(work, main)
