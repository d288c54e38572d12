"""Extractive question answering: CMRC 2018 (Chinese), SubjQA restaurants and electronics (English, with no answer).

    python benchmarks/tasks/qa.py --data FOLDER
    python benchmarks/tasks/qa.py --data FOLDER --only cmrc2018

Every set goes the user's way, ``tunesmith tune``, and is measured on its whole test file. CMRC's own F1, of the longest
common run of characters, is computed from the bundle's answers.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import runs
from runs import harness

SETS: dict[str, dict[str, Any]] = {
    "cmrc2018": {
        "title": "CMRC 2018, Chinese", "files": "cmrc2018/{}.json", "model": "e5-small", "length": 384,
        "settings": ["training.epochs=2"], "floor": {"answer_f1": 0.446}, "wanted": {"answer_f1": 0.60},
    },
    "restaurants": {
        "title": "SubjQA restaurants, English, with no answer", "files": "subjqa/restaurants_{}.json",
        "model": "minilm", "length": 384, "settings": [], "floor": {"answerable_f1": 0.262, "exact_match": 0.489},
        "wanted": {"answerable_f1": 0.262},
    },
    "electronics": {
        "title": "SubjQA electronics, English, with no answer", "files": "subjqa/electronics_{}.json",
        "model": "minilm", "length": 384, "settings": [], "floor": {"answerable_f1": 0.355, "exact_match": 0.344},
        "wanted": {"answerable_f1": 0.355},
    },
}  # fmt: skip
"""``floor``: of the best sentence; of SubjQA's exact match, of always answering "none"."""
METRICS = ("answer_f1", "exact_match", "answerable_f1", "no_answer_accuracy")
SIDES = {"best-sentence": "best sentence", "before": "untuned"}


def subset(source: Path, target: Path, limit: int | None) -> Path:
    """The file, or one with so many of its paragraphs, drawn by the seed."""
    if limit is None:
        return source
    articles = json.loads(source.read_text("utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    drawn = random.Random(13).sample(paragraphs, min(limit, len(paragraphs)))
    target.write_text(json.dumps({"data": [{"paragraphs": drawn}]}, ensure_ascii=False), "utf-8")
    return target


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: ``tunesmith tune``, what its report says, and the bundle's answers anew."""
    source = Path(job["data"])
    with tempfile.TemporaryDirectory() as folder:
        files = {
            split: subset(source / job["files"].format(split), Path(folder, f"{split}.json"), limit)
            for split, limit in (("train", job["rows"]), ("dev", job["test_rows"]), ("test", job["test_rows"]))
        }
        bundle = Path(folder, "bundle")
        command = [
            "tune", files["train"], f"data.test={files['test']}", f"data.validation={files['dev']}",
            f"model={job['model']}", f"model.max_length={job['length']}", f"bundle={bundle}",
            *job["settings"],
        ]  # fmt: skip
        told = harness.verb(*command)
        report = json.loads((bundle / "report.json").read_text("utf-8"))
        more = answered(bundle, files["test"])
    return {**runs.found(told, report), **more, "length": job["length"]}


def answered(bundle: Path, test: Path) -> dict[str, float]:
    """What the report does not have: CMRC's F1, and the F1 over answerable rows if each row is answered."""
    from tunesmith.bundle.read import read_bundle
    from tunesmith.data.read import read
    from tunesmith.data.schema import guess
    from tunesmith.data.settle import as_read
    from tunesmith.data.shapes.settle import from_json

    rows, _ = as_read(source := read(str(test)), "extractive-qa", guess(source).columns)
    asked = [{**row, "answers": from_json(row["answers"])} for row in rows]
    made = read_bundle(bundle)
    task = made.task
    features, outputs = made.predictor(device="cpu").outputs(asked)
    evidence = task.evidence(asked, task.decode(outputs, features))
    found = {"run_f1": float(evidence["run_f1"].mean()), "threshold": float(task.state["threshold"])}
    task.restore({**task.state, "threshold": -1e9})
    always = task.evidence(asked, task.decode(outputs, features))
    return {**found, "always_answering": float(always["answer_f1"][always["answerable"]].mean())}


def main() -> None:
    """The command line."""
    parser = runs.parser(__doc__, SETS, "paragraphs")
    parser.add_argument("--length", type=int, help="tokens in a window (default: as in SETS)")
    given = runs.parsed(parser, rows=20, test_rows=10)
    length = given.length or (128 if given.quick else None)
    every = {name: {**one, "length": length or one["length"]} for name, one in SETS.items()}
    runs.measure(__file__, "tasks_qa", "Extractive question answering", every, given, page)


def page(kept: dict[str, Any]) -> list[str]:
    """A table for each set."""
    lines: list[str] = []
    found = {name: kept[name] for name in SETS if name in kept}
    for name, one in found.items():
        sides = {**one["baselines"], "before": one["before"]}
        metrics = METRICS if name != "cmrc2018" else METRICS[:2]
        rows = [
            [
                words,
                *(harness.interval(sides[key][metric]) for metric in metrics),
                f"{sum(one['parts'][key].values()):,.1f}",
            ]
            for key, words in SIDES.items()
        ]
        tuned = [harness.interval(one["metrics"][metric]) for metric in metrics]
        rows.append(["**tuned**", *tuned, f"{one['seconds']:,.0f}"])
        counts = one["rows"]
        lines += [f"## {SETS[name]['title']}", "", *harness.table(["contender", *metrics, "s"], rows), ""]
        lines += [
            f"`{SETS[name]['model']}`, {counts['train']:,} training questions, windows of {one['length']} tokens, "
            f"{counts['test']:,} test questions; {' '.join(one['settings']) or 'default settings'}. Training alone "
            f"took {one['training']['seconds']:,.0f} s ({one['training']['samples_per_second']:.0f} windows/s). "
            f"{one['verdict']}",
            "",
            more(name, one),
            "",
            *verdicts(name, one),
            "",
        ]
    return [*lines, *harness.parts_lines({SETS[name]["title"]: one for name, one in found.items()})]


def more(name: str, one: dict[str, Any]) -> str:
    if name == "cmrc2018":
        return f"CMRC's own F1, of the longest common run of characters: {one['run_f1']:.3f}."
    return (
        f'The threshold for "no answer", chosen on the dev file: {one["threshold"]:.2f}. If every question were '
        f"answered, the F1 over answerable ones would be {one['always_answering']:.3f}."
    )


def verdicts(name: str, one: dict[str, Any]) -> list[str]:
    told = SETS[name]
    floors = ", ".join(f"{metric} {value:.3f}" for metric, value in told["floor"].items())
    lines = [f"Figures to beat, from the data set's page: {floors}."]
    for metric, wanted in told["wanted"].items():
        value = one["metrics"][metric]["value"]
        lines.append(
            f"Wanted: {metric} of {wanted:.3f}: {'reached' if value >= wanted else 'NOT reached'} ({value:.3f})."
        )
    return lines


if __name__ == "__main__":
    harness.entry(work, main)
