"""What all scripts of this folder serve: a MiniLM classifier tuned once, its smaller forms, LoRA bundles, and texts.

    python benchmarks/service/bundles.py --data FOLDER       # only make them; the other scripts do it where it is to do

They are kept in ``--work`` and taken again. Texts of banking77's length are its test rows. Texts of IMDB's length are
its test rows that fit the model's 512 tokens: a longer one is cut by other servers, and read in windows by ours, which
would be another job.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "shrink"))
import harness as harness
import parents as parents

TOKENS = 512
TEXTS = ("banking77", "imdb")
SETTINGS = ["method=head", f"model.max_length={TOKENS}"]
TORCH = "torch"


def options(about: str | None) -> argparse.ArgumentParser:
    """The options of all scripts here."""
    parser = harness.parser(about)
    parser.add_argument("--work", type=Path, default=Path("out/service"), help="where bundles are kept (out/service)")
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options that were given."""
    given = harness.parse(parser)
    given.work = given.work.resolve() / ("quick" if given.quick else "")
    given.work.mkdir(parents=True, exist_ok=True)
    return given


def parent(given: argparse.Namespace) -> parents.Parent:
    """The classifier: 77 intents by a head on MiniLM."""
    few = {"epochs": 1.0, "rows": 800, "test_rows": 160} if given.quick else {"epochs": 20.0, "rows": 5000}
    asked = {"epochs": None, "rows": None, "test_rows": None, **few, "set": SETTINGS}
    return parents.parent(argparse.Namespace(work=given.work, data=given.data, **asked), "banking77")


def form(made: parents.Parent, name: str) -> Path:
    """A form of it: the bundle itself for torch, else what ``tunesmith shrink --to`` makes, unless it is there."""
    if name == TORCH:
        return made.bundle
    target: Path = made.place / name
    if not (target / "tunesmith.json").is_file():
        words = ["--to", name, "--max-loss", "1", "--min-agreement", "0"]
        parents.shrunk({"parent": str(made.bundle), "into": name, "words": words})
    return target


def adapters(given: argparse.Namespace, count: int) -> list[Path]:
    """LoRA bundles of one MiniLM, each tuned on few rows of its own for an epoch, unless they are there."""
    return [adapter(given, number) for number in range(count)]


def adapter(given: argparse.Namespace, number: int) -> Path:
    """The LoRA bundle of a number."""
    place = given.work / "adapters" / f"lora-{number:02}"
    if not (place / "tunesmith.json").is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        source = given.data / "banking77"
        train, test = place.with_suffix(".train.csv"), place.with_suffix(".test.csv")
        harness.write_rows(train, few(harness.rows_of(source / "train.csv"), number, 20))
        harness.write_rows(test, few(harness.rows_of(source / "test.csv"), number, 10))
        chosen = ["method=lora", "training.epochs=1", "evaluation.baselines=false", f"training.seed={number}"]
        harness.verb("tune", train, f"data.test={test}", "model=minilm", f"bundle={place}", *chosen)
    return Path(place)


def few(rows: list[dict[str, str]], number: int, each: int) -> list[dict[str, str]]:
    """Rows of three labels, which another number has other ones of."""
    labels = random.Random(number).sample(sorted({row["label"] for row in rows}), 3)
    return [row for label in labels for row in [row for row in rows if row["label"] == label][:each]]


def texts(given: argparse.Namespace, bundle: Path, name: str, most: int = 1000) -> Path:
    """A file of texts of a set's length.

    Args:
        bundle: whose tokenizer counts.
    """
    if name == "banking77":
        return Path(given.data, name, "test.csv")
    target = Path(given.work, f"{name}-texts.csv")
    if not target.is_file():
        from tokenizers import Tokenizer

        cut = Tokenizer.from_file(str(bundle / "tokenizer.json"))
        cut.no_truncation()
        rows = harness.rows_of(Path(given.data, name, "test.csv"), 2 * most)
        fit = [row for row in rows if len(cut.encode(row["text"]).ids) <= TOKENS]
        harness.write_rows(target, fit[:most])
    return target


def lengths(bundle: Path, file: Path) -> dict[str, Any]:
    """What a page says of a file of texts: rows, and the tokens of the middle and of the longest one."""
    from tokenizers import Tokenizer

    cut = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    cut.no_truncation()
    cut.no_padding()
    counts = sorted(len(one.ids) for one in cut.encode_batch([row["text"] for row in harness.rows_of(file)]))
    return {"rows": len(counts), "median": counts[len(counts) // 2], "longest": counts[-1]}


def about(made: parents.Parent) -> str:
    """The classifier in a sentence."""
    return parents.about(made.told)


def main() -> None:
    """Make all."""
    parser = options(__doc__)
    parser.add_argument("--forms", nargs="+", default=["onnx", "int8", "openvino"])
    given = parse(parser)
    made = parent(given)
    for name in (TORCH, *given.forms):
        print(form(made, name), flush=True)
    for name in TEXTS:
        file = texts(given, made.bundle, name)
        print(file, lengths(made.bundle, file), flush=True)


if __name__ == "__main__":
    main()
