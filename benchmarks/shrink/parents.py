"""The tuned parents that all scripts of this folder shrink: tuned once, into a work folder, and taken again.

    python benchmarks/shrink/parents.py --data FOLDER       # only tune; the other scripts do it where it is to do

A parent is known by its rows, epochs and settings: other ones make another parent beside it. What was killed goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "tasks"))
import harness
import tuned

SETS: dict[str, dict[str, Any]] = {
    "banking77": {
        "title": "banking77", "folder": "banking77", "pattern": "{}.csv", "model": "minilm",
        "rows": 5000, "test": 3080, "epochs": 3,
        "cuts": ["layers=0.5,recover=2", "layers=0.5,feed_forward=0.5,recover=3"],
    },
    "imdb": {
        "title": "IMDB", "folder": "imdb", "pattern": "{}.csv", "model": "minilm",
        "rows": 1000, "test": 1000, "epochs": 1, "cuts": ["layers=0.5,recover=2"],
    },
    "conll2003": {
        "title": "CoNLL-2003", "folder": "conll2003", "pattern": "{}.conll", "model": "distilbert-cased",
        "rows": 4000, "test": 2000, "epochs": 2, "cuts": ["layers=0.5,recover=2"],
    },
    "hotel": {
        "title": "ChnSentiCorp hotel reviews", "folder": "chnsenticorp_hotel", "pattern": "{}.csv", "model": "e5-small",
        "rows": 2000, "test": 776, "epochs": 2,
        "cuts": ["layers=0.5,vocabulary=zh+en,recover=2", "vocabulary=zh+en"],
    },
}  # fmt: skip
"""``rows``: of training; ``test``: of test, and of validation where the set has such a file. ``cuts``: the smaller
models that stand beside it."""
QUICK_CUT = "layers=0.5,recover=0"


@dataclass(frozen=True)
class Parent:
    """A tuned bundle with its files.

    Args:
        name: of the set.
        place: the folder with the bundle and what is made of it.
        job: what it was tuned with.
    """

    name: str
    place: Path
    job: dict[str, Any]

    @property
    def bundle(self) -> Path:
        """Its bundle."""
        return self.place / "bundle"

    @property
    def told(self) -> dict[str, Any]:
        """What a page says of it."""
        report = json.loads((self.bundle / "report.json").read_text("utf-8"))
        return {
            "settings": {key: value for key, value in self.job.items() if key not in ("folder", "place")},
            "metrics": report["metrics"],
            "rows": report["context"]["rows"],
            "seconds": report["context"]["training"]["seconds"],
        }

    def rows(self, split: str) -> Path:
        """The file of a split."""
        name = self.job["pattern"].format(split)
        return self.place / name if (self.place / name).is_file() else Path(self.job["folder"], name)


def parent(given: argparse.Namespace, name: str) -> Parent:
    """The parent of a set, tuned now unless it is there."""
    one = SETS[name]
    settings = [f"training.epochs={given.epochs or one['epochs']:g}", "evaluation.baselines=false", *given.set]
    job = {key: one[key] for key in ("pattern", "model")}
    job |= {"rows": given.rows or one["rows"], "test_rows": given.test_rows or one["test"], "settings": settings}
    key = hashlib.sha256(json.dumps(job).encode()).hexdigest()[:8]
    place = given.work / f"{name}-{key}"
    made = Parent(name, place, {**job, "folder": str(given.data / one["folder"]), "place": str(place)})
    if not (made.bundle / "tunesmith.json").is_file():
        harness.child(__file__, made.job)
    return made


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: tune, or go on."""
    place = Path(job["place"])
    place.mkdir(parents=True, exist_ok=True)
    files = [f"{key}{file}" for key, file in tuned.files(job, place)]
    made = harness.verb("tune", *files, f"model={job['model']}", f"bundle={place / 'bundle'}", *job["settings"])
    return {"metrics": made["metrics"]}


def shrunk(job: dict[str, Any]) -> dict[str, Any]:
    """In the child of another script: ``tunesmith shrink``, and what it printed.

    Args:
        job: ``parent`` (a bundle), ``into`` (a folder beside it), ``words`` of the command line.
    """
    target = Path(job["parent"]).with_name(job["into"])
    made = harness.verb("shrink", job["parent"], f"bundle={target}", "--replace", *job["words"])
    return {"bundle": str(target), **{key: made[key] for key in ("shrink", "smaller", "seconds") if key in made}}


def about(told: dict[str, Any]) -> str:
    """A parent in a sentence."""
    settings, counts = told["settings"], told["rows"]
    metric, figure = next(iter(told["metrics"].items()))
    return (
        f"The parent is `{settings['model']}`, {counts['train']:,} training, {counts['validation']:,} validation and "
        f"{counts['test']:,} test rows, {', '.join(settings['settings'])}: {metric} {harness.interval(figure)}, "
        f"{told['seconds']:,.0f} s of training."
    )


def options(about: str | None, names: Sequence[str] = tuple(SETS)) -> argparse.ArgumentParser:
    """The options of all scripts here.

    Args:
        names: of the sets that are shrunk unless ``--only`` says otherwise.
    """
    parser = harness.parser(about)
    parser.add_argument("--only", nargs="+", choices=list(SETS), default=list(names))
    parser.add_argument("--rows", type=int, help="training rows of the parents (default: as in parents.py)")
    parser.add_argument("--test-rows", type=int, help="test and validation rows (default: as in parents.py)")
    parser.add_argument("--epochs", type=float, help="of the parents (default: as in parents.py)")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for the parents, training.batch_size=32 ...")
    parser.add_argument("--work", type=Path, default=Path("out/shrink"), help="where parents are kept (out/shrink)")
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options that were given; with ``--quick``, one set of few rows."""
    given = harness.parse(parser)
    if given.quick:
        given.only = given.only[:1]
        given.rows, given.test_rows, given.epochs = given.rows or 600, given.test_rows or 40, 1.0
        given.set = ["training.max_steps=2", "model.max_length=32", *given.set]
    given.work = given.work.resolve() / ("quick" if given.quick else "")
    return given


def main() -> None:
    """Tune all."""
    given = parse(options(__doc__))
    for name in given.only:
        made = parent(given, name)
        print(f"{name}: {made.bundle}\n{about(made.told)}\n", flush=True)


if __name__ == "__main__":
    harness.entry(work, main)
