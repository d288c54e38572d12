"""Nine shopping domains with labels, the tenth without: accuracy on both, by strategy, with its labels as the ceiling.

    python benchmarks/cross_domain.py --data FOLDER [--seeds 13 14 15] [--targets 酒店 书籍]

The training rows of all domains but one are the source. The target's training rows are given without their labels to
the strategies that read such rows, and with them to the ceiling, beside the source's. The best weights are chosen on
validation rows out of the training rows, so that only the ceiling ever sees a label of the target. Each bundle then
answers the test rows of the target, and those of the source. All take the same batches, large ones: covariances of
small batches are noise. A run that was made is not made again: the same command goes on. Differences from "source only"
are paired by seed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import harness
from continual import MODEL, SET, domain_files, joined, spread

SOURCE, CEILING = "source only", "target labelled (the ceiling)"
CONTENDERS: dict[str, list[str]] = {
    SOURCE: [],
    "coral": ["coral"],
    "dann": ["dann"],
    "pseudo_labels": ["pseudo_labels"],
    CEILING: [],
}
"""Name -> strategies that are given the target's rows without labels."""


def ran(given: argparse.Namespace, target: str, name: str, seed: int) -> dict[str, Any]:
    """One contender tuned and measured, each by its verb."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        job = {"domains": given.domains, "rows": given.rows, "test_rows": given.test_rows}
        files = domain_files(given.data / SET, folder, job)
        others = [own for domain, own in files.items() if domain != target]
        labelled = [own["train"] for own in others] + ([files[target]["train"]] if name == CEILING else [])
        train = joined(folder / "labelled.csv", labelled)
        test = joined(folder / "source-test.csv", [own["test"] for own in others])
        texts = [{"text": row["text"]} for row in harness.rows_of(files[target]["train"])]
        bare = str(harness.write_rows(folder / "bare.csv", texts))
        strategies = [{"name": one, "path": bare} for one in CONTENDERS[name]]
        others_busy = harness.busy_cores()
        told = harness.verb(
            "tune", train, f"data.test={test}", f"model={given.model}", f"method={given.method}",
            f"training.seed={seed}", f"training.batch_size={given.batch}", "evaluation.baselines=false",
            f"training.strategies={json.dumps(strategies)}", f"bundle={folder / 'bundle'}", *given.set,
        )  # fmt: skip
        measured = harness.verb("evaluate", folder / "bundle", files[target]["test"])
        return {
            "target": measured["metrics"]["accuracy"],
            "source": told["metrics"]["accuracy"],
            "seconds": told["training"]["seconds"],
            "others": others_busy,
        }


def page(kept: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """A table a target: means over seeds, and their range."""
    lines: list[str] = []
    for target, contenders in kept.items():
        rows = [cells(name, contenders) for name in CONTENDERS if contenders.get(name)]
        header = ["contender", "seeds", "target", "source", "target, against source only", "s"]
        lines += ["", f"## To {target}", "", *harness.table(header, rows)]
    note = "Accuracy on test rows: means over seeds, least and largest in brackets. Strategies at their defaults."
    return [*lines, "", note]


def cells(name: str, contenders: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """A contender's line."""
    runs = contenders[name]
    of = {side: [run[side]["value"] for run in runs.values()] for side in ("target", "source")}
    plain = contenders.get(SOURCE, {})
    gained = [run["target"]["value"] - plain[seed]["target"]["value"] for seed, run in runs.items() if seed in plain]
    seconds = sum(run["seconds"] for run in runs.values()) / len(runs)
    against = "-" if name == SOURCE or not gained else signed(gained)
    return [name, len(runs), spread(of["target"]), spread(of["source"]), against, f"{seconds:.0f}"]


def signed(values: Sequence[float]) -> str:
    """``+0.012 [-0.003, +0.021]``: mean, least, largest."""
    return f"{sum(values) / len(values):+.3f} [{min(values):+.3f}, {max(values):+.3f}]"


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / "cross_domain.json"
    settings = {key: getattr(given, key) for key in ("rows", "test_rows", "domains", "batch", "method", "model", "set")}
    kept = harness.kept(path, {"settings": settings, "targets": {}})
    if kept["settings"] != settings:
        raise SystemExit(f"{path} has runs of other settings: {kept['settings']}. Give those, or another --results.")
    kept["context"] = harness.context()
    for seed in given.seeds:  # all contenders of a seed before the next: a table that is cut short is still fair
        for target in given.targets:
            for name in given.only:
                done = kept["targets"].setdefault(target, {}).setdefault(name, {})
                if str(seed) not in done:
                    done[str(seed)] = ran(given, target, name, seed)
                    write(given, kept)
    write(given, kept)


def write(given: argparse.Namespace, kept: dict[str, Any]) -> None:
    """The page and its figures."""
    runs = [run for names in kept["targets"].values() for seeds in names.values() for run in seeds.values()]
    lines = [*harness.context_lines(kept["context"]), *page(kept["targets"]), *harness.busy_note(runs)]
    harness.write(given.results, "cross_domain", f"{given.domains - 1} shopping domains to another", lines, kept)


def options() -> argparse.Namespace:
    """The command line's."""
    parser = harness.parser(__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[13, 14, 15])
    parser.add_argument("--targets", nargs="+", help="domains (default: the last by name)")
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--method", default="full")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--rows", type=int, default=400, help="training rows of a domain")
    parser.add_argument("--test-rows", type=int, help="test rows of a domain (default: all)")
    parser.add_argument("--domains", type=int, default=10)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run, training.epochs=2 ...")
    given = harness.parse(parser)
    if given.quick:
        given.rows, given.test_rows, given.domains, given.seeds = 60, 20, 3, [13]
        given.set = ["training.max_steps=2", "model.max_length=48", *given.set]
    if not given.targets:
        domains = sorted({row["domain"] for row in harness.rows_of(given.data / SET / "train.csv")})
        given.targets = domains[: given.domains][-1:]
    return given


if __name__ == "__main__":
    main()
