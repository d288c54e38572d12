"""``e5-small`` with the pieces of Chinese and English alone: its size, and whether its answers stay the same.

    python benchmarks/shrink/vocabulary.py --data FOLDER

First ``tunesmith shrink --to torch --cut vocabulary=zh+en`` on the model tuned to hotel reviews: sizes, and the answers
of both to Chinese reviews and to English questions that neither has seen. Then the model as it comes, trimmed by
languages without any row: how many texts are cut otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import parents
from parents import SETS, harness

NAME = "shrink_vocabulary"
KEPT = (["zh", "latin"], ["zh", "en"])


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: one of the parts."""
    return by_languages(job) if "keep" in job else of_a_bundle(job)


def of_a_bundle(job: dict[str, Any]) -> dict[str, Any]:
    """Trim through the command line, then ask both."""
    from tunesmith.bundle.parity import largest_gap, same_answer
    from tunesmith.bundle.read import read_bundle

    made = parents.shrunk(job)
    paths = {"before": Path(job["parent"]), "after": Path(made["bundle"])}
    whole, trimmed = (read_bundle(path) for path in paths.values())
    asked = {}
    for name, texts in texts_of(job).items():
        rows = [{"text": text} for text in texts]
        found = []
        for bundle in (whole, trimmed):
            features, arrays = bundle.predictor().outputs(rows)
            found.append((arrays, bundle.task.decode(arrays, features)))
        (one, before), (two, after) = found
        asked[name] = {
            "rows": len(rows),
            "same": sum(map(same_answer, before, after)),
            "largest_gap": largest_gap(one, two),
            "cut_otherwise": cut_otherwise(whole.processor, trimmed.processor, texts),
        }
    return {
        "asked": asked,
        "vocabulary": made["smaller"]["vocabulary"],
        "parameters": made["smaller"]["parameters"],
        "bytes": {name: sizes(path) for name, path in paths.items()},
        "seconds": made["seconds"],
    }


def by_languages(job: dict[str, Any]) -> dict[str, Any]:
    """The encoder as it comes, by languages alone."""
    from transformers import AutoModel

    from tunesmith.compression.vocabulary import trim
    from tunesmith.models.load import load_processor, quiet
    from tunesmith.models.reference import resolve

    reference = resolve(job["model"])
    with quiet():
        model, processor = AutoModel.from_pretrained(reference.path).eval(), load_processor(reference)
    weights = sum(p.numel() for p in model.parameters())
    found = trim(model, processor, keep=job["keep"])
    return {
        "pieces": [found.before, len(found.kept)],
        "weights": [weights, sum(p.numel() for p in model.parameters())],
        "saved": found.saved,
        "cut_otherwise": {
            name: {"rows": len(texts), "rows_cut": cut_otherwise(processor, found.processor, texts)}
            for name, texts in texts_of(job).items()
        },
    }


def texts_of(job: Mapping[str, Any]) -> dict[str, list[str]]:
    """Set -> the texts of its rows."""
    return {
        name: [row["text"] for row in harness.rows_of(Path(file), job["most"])] for name, file in job["texts"].items()
    }


def cut_otherwise(before: Any, after: Any, texts: Sequence[str]) -> int:
    """Texts whose pieces differ."""
    cuts = [[one.tokens for one in p.backend_tokenizer.encode_batch(list(texts))] for p in (before, after)]
    return sum(one != other for one, other in zip(*cuts, strict=True))


def sizes(bundle: Path) -> dict[str, int]:
    """Bytes of the weights, of the tokenizer, and of all."""
    files = [path for path in bundle.rglob("*") if path.is_file()]
    return {
        "weights": sum(path.stat().st_size for path in files if path.suffix == ".safetensors"),
        "tokenizer": (bundle / "tokenizer.json").stat().st_size,
        "all": sum(path.stat().st_size for path in files),
    }


def page(kept: Mapping[str, Any]) -> list[str]:
    """Sizes, answers, and the languages alone."""
    return [*bundle_lines(kept["bundle"]), *language_lines(kept["languages"])]


def bundle_lines(one: Mapping[str, Any]) -> list[str]:
    """The tuned model before and after."""
    before, after = one["bytes"]["before"], one["bytes"]["after"]
    counts = {"pieces": one["vocabulary"], "weights": one["parameters"]}
    files = {"weights, MiB": "weights", "tokenizer.json, MiB": "tokenizer", "whole bundle, MiB": "all"}
    rows = [
        [what, f"{n['before']:,}", f"{n['after']:,}", f"{n['after'] / n['before']:.0%}"] for what, n in counts.items()
    ]
    for what, key in files.items():
        rows.append(
            [what, *(f"{side[key] / 2**20:.1f}" for side in (before, after)), f"{after[key] / before[key]:.0%}"]
        )
    asked = one["asked"].items()
    answers = [
        [name, f"{found['rows']:,}", f"{found['same']:,}", f"{found['largest_gap']:.1g}", found["cut_otherwise"]]
        for name, found in asked
    ]
    met = all(found["same"] == found["rows"] for _, found in asked)
    return [
        *["## The model tuned to hotel reviews", "", parents.about(one["parent"]), ""],
        *[f"`tunesmith shrink BUNDLE {' '.join(one['settings']['words'])}` took {one['seconds']:,.0f} s.", ""],
        *[*harness.table(["", "before", "after", ""], rows), ""],
        *harness.table(["texts that it has not seen", "rows", "same answers", "largest gap", "cut otherwise"], answers),
        *["", f"The same answers to all: **{'met' if met else 'NOT met'}**.", "", *harness.context_lines(one)],
        *harness.busy_note([one]),
    ]


def language_lines(kept: Mapping[str, Any]) -> list[str]:
    """The model as it comes."""
    if not kept:
        return []
    first = next(iter(kept.values()))
    rows = [["whole", f"{first['pieces'][0]:,}", f"{first['weights'][0] / 1e6:.1f}M", "", ""]]
    for key, found in kept.items():
        cut = "; ".join(f"{c['rows_cut']} of {c['rows']:,} ({name})" for name, c in found["cut_otherwise"].items())
        weights, saved = f"{found['weights'][1] / 1e6:.1f}M", f"{found['saved'] / 1e6:.0f} MB"
        rows.append([key, f"{found['pieces'][1]:,}", weights, saved, cut])
    header = ["kept", "pieces", "weights", "saved", "texts cut otherwise"]
    return ["", "## The model as it comes, by languages alone", "", *harness.table(header, rows)]


def main() -> None:
    """The command line."""
    parser = parents.options(__doc__, ["hotel"])
    parser.add_argument("--most", type=int, help="rows of every set that are asked (default: all)")
    given = parents.parse(parser)
    (name,) = given.only
    made = parents.parent(given, name)
    most = 40 if given.quick else given.most
    path = given.results / f"{NAME}.json"
    kept: dict[str, Any] = harness.kept(path, {})
    run = harness.context()
    words = ["--to", "torch", "--cut", "vocabulary=zh+en"]
    texts = {"hotel reviews, test": made.rows("test"), "banking77, test": given.data / "banking77" / "test.csv"}
    job = {"parent": str(made.bundle), "into": "zh-en", "words": words, "texts": texts, "most": most}
    settings = {"parent": made.told["settings"], "words": words, "most": most}
    if kept.get("bundle", {}).get("settings") != settings:
        kept = {"languages": kept.get("languages", {}) if kept.get("most") == most else {}, "most": most}
        kept["bundle"] = {**harness.child(__file__, job), **run, "parent": made.told, "settings": settings}
    texts = {SETS[key]["title"]: given.data / SETS[key]["folder"] / "train.csv" for key in ("hotel", "banking77")}
    for keep in KEPT:
        if ", ".join(keep) not in kept["languages"]:
            job = {"keep": keep, "model": made.job["model"], "texts": texts, "most": most}
            kept["languages"][", ".join(keep)] = harness.child(__file__, job)
            harness.write(given.results, NAME, "Shrink: a vocabulary of two languages", page(kept), kept)
    harness.write(given.results, NAME, "Shrink: a vocabulary of two languages", page(kept), kept)


if __name__ == "__main__":
    harness.entry(work, main)
