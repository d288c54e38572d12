"""What calibrated answers are worth: confidence, candidates, abstaining, texts that are out of scope.

    python benchmarks/operate/calibration.py --data FOLDER
    python benchmarks/operate/calibration.py --data FOLDER --only banking77

Each set goes the user's way: ``tunesmith tune FILE evaluation.calibrate=true``, calibrated on validation rows that it
did not train on. Everything is measured on test rows that nothing was chosen on. As one draw of validation rows may be
lucky, coverage and error are measured again over random divisions of validation and test rows, too.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness

WANTED = {"error": 0.02, "coverage": 0.9, "outside": 0.01, "certainty": 0.9}
SETS: dict[str, dict[str, Any]] = {
    "banking77": {
        "title": "banking77, 77 intents", "folder": "banking77", "model": "minilm", "rows": 7000, "validation": 3000,
        "length": 64, "epochs": 3,
        "outside": {"medquad": "medical questions", "financial_phrasebank": "news of finance"},
    },
    "hotel": {
        "title": "ChnSentiCorp, hotel reviews in Chinese", "folder": "chnsenticorp_hotel", "model": "e5-small",
        "rows": 3000, "validation": 1000, "length": 128, "epochs": 2,
        "outside": {"cmid_medical_intent": "medical questions", "fin_news_zh": "news of finance",
                    "online_shopping_10_cats": "reviews of goods"},
    },
    "cmid": {
        "title": "CMID, medical questions in Chinese, 4 intents", "folder": "cmid_medical_intent", "model": "e5-small",
        "rows": 4800, "validation": 1000, "length": 64, "epochs": 3,
        "outside": {"chnsenticorp_hotel": "hotel reviews", "fin_news_zh": "news of finance"},
    },
}  # fmt: skip
"""``rows``: of training; ``outside``: sets whose texts are none of its own."""
DIVISIONS = 200
OUTSIDE_ROWS = 1000


def texts_of(folder: Path, name: str, most: int) -> list[str]:
    """Texts of another set's test rows, drawn by the seed."""
    place = folder / name
    if name == "medquad":
        with gzip.open(place / "test.jsonl.gz", "rt", encoding="utf-8") as file:
            texts = [json.loads(line)["question"] for line in file]
    else:
        rows = harness.rows_of(place / "test.csv")
        key = next(key for key in ("text", "title", "sentence") if key in rows[0])
        if "domain" in rows[0]:
            rows = [row for row in rows if row["domain"] != "酒店"]
        texts = [row[key] for row in rows]
    texts = [text for text in texts if text.strip()]
    return random.Random(13).sample(texts, min(most, len(texts)))


def divided(job: dict[str, Any], place: Path) -> dict[str, Path]:
    """Files of training, validation and test rows; validation rows are taken from the training file."""
    folder = Path(job["data"]) / job["folder"]
    seen: set[str] = set()
    rows = [r for r in harness.rows_of(folder / "train.csv") if not (r["text"] in seen or seen.add(r["text"]))]
    random.Random(13).shuffle(rows)
    train = rows[: job["rows"]]
    known = {row["label"] for row in train}
    validation = [row for row in rows[job["rows"] :] if row["label"] in known][: job["validation"]]
    test = [row for row in harness.rows_of(folder / "test.csv") if row["label"] in known]
    random.Random(13).shuffle(test)  # some files stand in the order of their labels
    test = test[: job["test_rows"]]
    made = {}
    for name, some in (("train", train), ("validation", validation), ("test", test)):
        made[name] = place / f"{name}.csv"
        with made[name].open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["text", "label"], extrasaction="ignore")
            writer.writeheader()
            writer.writerows(some)
    return made


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: tune, then measure."""
    import numpy as np

    from tunesmith.bundle.read import read_bundle
    from tunesmith.bundle.rows import inputs_only
    from tunesmith.evaluation.bootstrap import figures
    from tunesmith.tasks.calibrated.calibrated import OUTSIDE
    from tunesmith.tasks.calibrated.temperature import softmax

    with tempfile.TemporaryDirectory() as folder:
        files = divided(job, Path(folder))
        told = harness.verb(
            "tune", files["train"], f"data.validation={files['validation']}", f"data.test={files['test']}",
            "task=text-classification", f"model={job['model']}", f"model.max_length={job['length']}",
            f"training.epochs={job['epochs']}", f"evaluation.calibrate={json.dumps(job['wanted'])}",
            "evaluation.baselines=false", "data.clean.duplicates=false", f"bundle={folder}/bundle", *job["settings"],
        )  # fmt: skip
        bundle = read_bundle(Path(folder, "bundle"))
        task, predictor = bundle.task, bundle.predictor()

        def asked(rows: Sequence[Any]) -> tuple[Any, list[Any]]:
            features, arrays = predictor.outputs(inputs_only(task, rows))
            logits = np.stack([one for one, _ in task.merged(arrays, features)])
            return logits, task.decode(arrays, features)

        validation, test = (harness.rows_of(files[name]) for name in ("validation", "test"))
        held, _ = asked(validation)
        logits, answers = asked(test)
        labels = np.array(task.targets(test))
        evidence = task.evidence(test, answers)
        plain = {**evidence, "probabilities": softmax(logits)}
        names = ["ece", "log_loss", "accuracy"]
        found: dict[str, Any] = {
            "seconds": told["seconds"],
            "rows": {"train": job["rows"], "validation": len(validation), "test": len(test)},
            "temperature": task.state["calibrated"]["temperature"],
            "before": {k: v.to_json() for k, v in figures(plain, names).items()},
            "after": {k: v.to_json() for k, v in figures(evidence, names).items()},
        }
        right = np.array([answer["label"] == row["label"] for answer, row in zip(answers, test, strict=True)])
        taken = np.array([not answer["abstain"] for answer in answers])
        held_right = np.array([row["label"] in a["candidates"] for a, row in zip(answers, test, strict=True)])
        sizes = [len(answer["candidates"]) for answer in answers]
        found["bundle"] = {
            "coverage": share(held_right),
            "candidates": float(np.mean(sizes)),
            "empty": float(np.mean([not size for size in sizes])),
            "answered": float(taken.mean()),
            "error": share(~right[taken]),
            "error_of_all": share(~right),
            "called_outside": float(np.mean([answer["human"] == OUTSIDE for answer in answers])),
        }
        labels_held = np.array(task.targets(validation))
        both = np.concatenate([held, logits]), np.concatenate([labels_held, labels])
        found["divisions"] = again(*both, len(validation), job["wanted"])
        own = np.array([answer["strange"] for answer in answers])
        sure = np.array([answer["score"] for answer in answers])
        found["outside"] = {}
        for name in job["outside"]:
            texts = texts_of(Path(job["data"]), name, job["outside_rows"])
            _, others = asked([{"text": text} for text in texts])
            strange, theirs = (np.array([answer[key] for answer in others]) for key in ("strange", "score"))
            found["outside"][name] = {
                "rows": len(texts),
                "auroc": auroc(own, strange),
                "auroc_by_confidence": auroc(-sure, -theirs),
                "called_outside": float(np.mean([answer["human"] == OUTSIDE for answer in others])),
                "abstained": float(np.mean([answer["abstain"] for answer in others])),
            }
    return found


def share(held: Any) -> dict[str, float]:
    """A share with its interval by Wilson (1927), 95%."""
    n, z = len(held), 1.96
    if not n:
        return {"value": 0.0, "low": 0.0, "high": 1.0}
    p = float(held.mean())
    middle, half = (p + z * z / (2 * n)) / (1 + z * z / n), z * ((p * (1 - p) + z * z / (4 * n)) / n) ** 0.5
    half /= 1 + z * z / n
    return {"value": p, "low": middle - half, "high": middle + half}


def auroc(own: Any, other: Any) -> float:
    """Share of pairs in which the other is the stranger one; ties count half."""
    import numpy as np

    low, high = np.searchsorted(np.sort(own), other, "left"), np.searchsorted(np.sort(own), other, "right")
    return float(((low + high) / 2).mean() / len(own))


def again(logits: Any, labels: Any, first: int, wanted: dict[str, float]) -> dict[str, Any]:
    """Coverage, and error among taken answers, over random divisions into calibration and test rows."""
    import numpy as np

    from tunesmith.tasks.calibrated.conformal import fit_level, sets
    from tunesmith.tasks.calibrated.selective import fit_threshold
    from tunesmith.tasks.calibrated.temperature import fit_temperature, softmax

    draw, found = np.random.default_rng(13), []
    for _ in range(DIVISIONS):
        order = draw.permutation(len(labels))
        held, asked = order[:first], order[first:]
        temperature = fit_temperature(logits[held], labels[held])
        p, q = softmax(logits[held], temperature), softmax(logits[asked], temperature)
        inside = sets(q, fit_level(p, labels[held], wanted["coverage"]))
        right = p.argmax(1) == labels[held]
        level = fit_threshold(p.max(1), right, wanted["error"], wanted["certainty"])
        sure = q.max(1) >= (2.0 if level is None else level)
        wrong = (q.argmax(1) != labels[asked])[sure]
        found.append(
            (inside[np.arange(len(asked)), labels[asked]].mean(), sure.mean(), wrong.mean() if sure.any() else 0)
        )
    coverage, taken, error = np.array(found).T

    def told(values: Any) -> dict[str, float]:
        low, high = np.quantile(values, [0.05, 0.95])
        return {"value": float(values.mean()), "low": float(low), "high": float(high)}

    return {
        "coverage": told(coverage), "answered": told(taken), "error": told(error),
        "broken": float((error > wanted["error"]).mean()),
    }  # fmt: skip


def main() -> None:
    """The command line."""
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every set, training.threads=1 ...")
    given = harness.parse(parser)
    kept = harness.kept(given.results / "operate_calibration.json", {})
    run = harness.context()
    for name in given.only:
        told = SETS[name]
        job = {**told, "data": str(given.data), "wanted": WANTED, "settings": given.set, "test_rows": None}
        job["outside_rows"] = 60 if given.quick else OUTSIDE_ROWS
        if given.quick:
            job |= {"rows": 400, "validation": 200, "test_rows": 150, "epochs": 1, "length": 32}
        kept[name] = {**harness.child(__file__, job), **run}
        harness.write(given.results, "operate_calibration", "Calibrated answers", page(kept), kept)


def page(kept: dict[str, Any]) -> list[str]:
    """Tables of all sets."""
    found = {name: kept[name] for name in SETS if name in kept}
    lines = [
        "Calibrated on validation rows that were not trained on; measured on test rows. Wanted: an error of "
        f"{WANTED['error']:.0%} among answers that do not abstain (with a certainty of {WANTED['certainty']:.0%}), "
        f"sets of candidates that hold the right label {WANTED['coverage']:.0%} of the time.",
        "",
    ]
    for name, one in found.items():
        own, many = one["bundle"], one["divisions"]
        sides = [
            [side, *(harness.interval(one[key][metric]) for metric in ("ece", "log_loss", "accuracy"))]
            for side, key in (("plain softmax", "before"), (f"temperature {one['temperature']:.2f}", "after"))
        ]
        inside = 0.89 <= many["coverage"]["value"] <= 0.91
        lines += [f"## {SETS[name]['title']}", "", *harness.table(["", "ECE", "log loss", "accuracy"], sides), ""]
        lines += harness.table(
            ["", "the bundle (95% interval)", f"mean of {DIVISIONS} divisions [5%, 95%]"],
            [
                ["coverage of the sets", harness.interval(own["coverage"]), harness.interval(many["coverage"])],
                ["answers that are taken", f"{own['answered']:.3f}", harness.interval(many["answered"])],
                ["error among these", harness.interval(own["error"]), harness.interval(many["error"])],
            ],
        )
        lines += [
            "",
            f"Coverage within 89-91% (mean of divisions): {'yes' if inside else 'NO'}. A set has "
            f"{own['candidates']:.2f} candidates on average, {own['empty']:.1%} are empty. The error of all answers is "
            f"{own['error_of_all']['value']:.3f}; a promise of {WANTED['error']:.0%} was broken in "
            f"{many['broken']:.0%} of the divisions. Out of scope are called {own['called_outside']:.1%} of its own "
            "test rows.",
            "",
        ]
        table = [
            [SETS[name]["outside"].get(other, other), facts["rows"], f"{facts['auroc']:.3f}",
             f"{facts['auroc_by_confidence']:.3f}", f"{facts['called_outside']:.3f}", f"{facts['abstained']:.3f}"]
            for other, facts in one["outside"].items()
        ]  # fmt: skip
        head = ["texts that are none of its own", "rows", "AUROC", "AUROC by confidence", "called out of scope"]
        lines += [*harness.table([*head, "abstained"], table), ""]
        counts = one["rows"]
        lines += [
            f"`{SETS[name]['model']}`, {counts['train']:,} training, {counts['validation']:,} validation and "
            f"{counts['test']:,} test rows, {one['wall']:,.0f} s in all.",
            "",
        ]
    return [*lines, *harness.parts_lines({SETS[name]["title"]: one for name, one in found.items()})]


if __name__ == "__main__":
    harness.entry(work, main)
