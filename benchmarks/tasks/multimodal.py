"""Pictures, sounds and texts: each alone, joined in three ways, with pictures missing, on unseen speakers.

    python benchmarks/tasks/multimodal.py --data FOLDER
    python benchmarks/tasks/multimodal.py --data FOLDER --only fashion digits/both

Every run goes the user's way, ``tunesmith tune``, and is measured on the set's whole test split. Encoders are frozen
unless a run says otherwise, and compute each file once: later runs find its vectors in the cache.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
SETS: dict[str, dict[str, Any]] = {
    "fashion": {
        "folder": "fashion_multimodal", "label": "articleType",
        "title": "Fashion products: 20 kinds of article, by picture and by a name without the telling words",
        "floor": "Floors of the data's page: text 0.615, image 0.735, both 0.860. There names of the test split stand "
        "in the training split, too; where we read text alone, such rows and repeats are left out "
        "(608 of 1,600 rows stay)",
    },
    "digits": {
        "folder": "spoken_digits", "label": "label",
        "title": "Digits 0 to 9, spoken and as 8 x 8 pictures",
        "floor": "Floors of the data's page: audio 0.930, image 0.967",
    },
    "cifar10": {
        "folder": "cifar10_small", "label": "label", "title": "CIFAR-10, 1,500 training pictures of 32 x 32",
        "floor": "Floors of the data's page: pixels 0.339, gradients' directions 0.451",
    },
}  # fmt: skip
TEXT, IMAGE, AUDIO = "data.text=name_masked", "data.image=image", "data.audio=audio"
BOTH = {"fashion": (TEXT, IMAGE), "digits": (AUDIO, IMAGE)}
RUNS: dict[str, dict[str, Any]] = {
    "fashion/text": {"task": "multimodal-classification", "columns": (TEXT,)},
    "fashion/image": {"task": "image-classification", "columns": (IMAGE,)},
    "fashion/both, late": {"columns": BOTH["fashion"]},
    "fashion/both, cross-attention": {"columns": BOTH["fashion"], "settings": ["task.fusion=cross-attention"]},
    "fashion/both, early": {"columns": BOTH["fashion"], "settings": ["task.fusion=early"]},
    "fashion/both, half of the pictures removed": {"columns": BOTH["fashion"], "less": 0.5},
    "digits/audio": {"task": "audio-classification", "columns": (AUDIO,)},
    "digits/image": {"task": "image-classification", "columns": (IMAGE,)},
    "digits/both, late": {"columns": BOTH["digits"]},
    "digits/both, cross-attention": {"columns": BOTH["digits"], "settings": ["task.fusion=cross-attention"]},
    "digits/both, early": {"columns": BOTH["digits"], "settings": ["task.fusion=early"]},
    **{
        f"digits/{what}, {speaker} unseen": {**how, "unseen": speaker}
        for what, how in (
            ("audio", {"task": "audio-classification", "columns": (AUDIO,)}),
            ("both", {"columns": BOTH["digits"]}),
        )
        for speaker in SPEAKERS
    },
    "cifar10/image, frozen": {"task": "image-classification", "columns": (IMAGE,)},
}
"""``less``: share of rows, of every split, whose picture is taken away, drawn by the seed; ``unseen``: a speaker whose
rows are all test rows, and no others are."""


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: ``tunesmith tune``, and what its report says."""
    told = SETS[job["set"]]
    folder = Path(job["data"], told["folder"])
    with tempfile.TemporaryDirectory() as place:
        files = {
            name: harness.write_rows(Path(place, f"{name}.csv"), rows) for name, rows in parts(folder, job).items()
        }
        command = [
            "tune", files["train"], f"task={job.get('task', 'multimodal-classification')}", *job["columns"],
            f"data.label={told['label']}", f"data.media={folder}", f"data.test={files['test']}",
            f"data.validation={files['dev']}", f"bundle={Path(place, 'bundle')}", *job.get("settings", []),
        ]  # fmt: skip
        answer = harness.verb(*command)
        report = json.loads(Path(place, "bundle", "report.json").read_text("utf-8"))
    keys = ("model", "seconds", "metrics", "baselines", "verdict", "parity", "training")
    found = {key: answer[key] for key in keys}
    return {**found, "rows": report["context"]["rows"], "modalities": report.get("modalities")}


def parts(folder: Path, job: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    """The manifest's splits, changed as the run says."""
    draw = random.Random(13)
    rows = harness.rows_of(folder / "manifest.csv")
    if share := job.get("less"):
        rows = [{**row, "image": "" if draw.random() < share else row["image"]} for row in rows]
    if speaker := job.get("unseen"):
        rows = [
            {
                **row,
                "split": "test" if row["speaker"] == speaker else "train" if row["split"] == "test" else row["split"],
            }
            for row in rows
        ]
    found = {split: [row for row in rows if row["split"] == split] for split in ("train", "dev", "test")}
    limits = {"train": job["rows"], "dev": job["test_rows"], "test": job["test_rows"]}
    for some in found.values():
        draw.shuffle(some)
    return {split: some[: limits[split]] for split, some in found.items()}


def options() -> argparse.Namespace:
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", default=[""], help="runs whose names begin so: fashion, digits/both ...")
    parser.add_argument("--rows", type=int, help="training rows (default: all)")
    parser.add_argument("--test-rows", type=int, help="test and validation rows (default: all)")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run, training.epochs=2 ...")
    given = harness.parse(parser)
    if given.quick:
        given.rows, given.test_rows = given.rows or 120, given.test_rows or 40
        given.set = ["training.epochs=2", "evaluation.resamples=100", *given.set]
    return given


def main() -> None:
    """The command line."""
    given = options()
    kept = harness.kept(given.results / "tasks_multimodal.json", {})
    run = harness.context()
    for name, how in RUNS.items():
        if not name.startswith(tuple(given.only)):
            continue
        job = {**how, "set": name.partition("/")[0], "data": str(given.data)}
        job |= {"rows": given.rows, "test_rows": given.test_rows, "settings": [*how.get("settings", []), *given.set]}
        kept[name] = {**harness.child(__file__, job), **run, "settings": job["settings"]}
        harness.write(given.results, "tasks_multimodal", "Pictures, sounds and texts", page(kept), kept)


def page(kept: dict[str, Any]) -> list[str]:
    """A table for each data set."""
    lines: list[str] = []
    for key, told in SETS.items():
        runs = {name.partition("/")[2]: kept[name] for name in RUNS if name in kept and name.startswith(f"{key}/")}
        if not runs:
            continue
        plain = {name: one for name, one in runs.items() if "unseen" not in name}
        rows = [
            [
                name,
                harness.interval(one["metrics"]["accuracy"]),
                harness.interval(one["metrics"]["macro_f1"]),
                f"{one['training']['seconds']:,.0f}",
                f"{one['seconds']:,.0f}",
            ]
            for name, one in plain.items()
        ]
        lines += [f"## {told['title']}", "", f"{told['floor']}.", ""]
        lines += harness.table(["read", "accuracy", "macro-F1", "training s", "whole s"], rows)
        lines += ["", *left_out(plain), *speakers(runs)]
    return [*lines, *harness.parts_lines({name: kept[name] for name in RUNS if name in kept})]


def left_out(runs: dict[str, Any]) -> list[str]:
    """What each modality adds, as the reports tell it."""
    rows = []
    for name, one in runs.items():
        if told := one.get("modalities"):
            parts = [f"{part} {harness.interval(figure)}" for part, figure in told["without"].items()]
            alone = [f"{part} {harness.interval(figure)}" for part, figure in told["alone"].items()]
            rows.append([name, "; ".join(parts), "; ".join(alone)])
    head = ["macro-F1 of the same model", "without", "with one alone"]
    return [*harness.table(head, rows), ""] if rows else []


def speakers(runs: dict[str, Any]) -> list[str]:
    """A line for each speaker who was not heard in training."""
    rows = []
    for speaker in SPEAKERS:
        cells = [runs.get(f"{what}, {speaker} unseen") for what in ("audio", "both")]
        if any(cells):
            rows.append([speaker, *(harness.interval(c["metrics"]["accuracy"]) if c else "-" for c in cells)])
    if not rows:
        return []
    return [
        "Each speaker left out of training, and tested on:",
        "",
        *harness.table(["speaker", "audio", "both"], rows),
        "",
    ]


if __name__ == "__main__":
    harness.entry(work, main)
