"""Dialogue: instructions in English and Chinese (instruct_demo), a Chinese tourist assistant (CrossWOZ).

    python benchmarks/tasks/dialogue.py --data FOLDER
    python benchmarks/tasks/dialogue.py --data FOLDER --only crosswoz
    python benchmarks/tasks/dialogue.py --data FOLDER --only selection

Tuning goes the user's way, ``tunesmith tune``: perplexity of held-out answers and what is written, before and after.
What the model knew is measured on the answers of the other language. ``selection`` is CrossWOZ's reference task: the
true reply among ten, after the last three turns; by TF-IDF, by a sentence encoder tuned with ``tunesmith tune``, and by
how likely the tuned model (that of the run ``crosswoz``) finds each reply, over how likely it is without the question.
"""

from __future__ import annotations

import argparse
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
import numpy as np

RUNS: dict[str, dict[str, Any]] = {
    "instruct-en": {"title": "Instructions, English", "file": "alpaca_en.json", "other": "alpaca_zh.json",
                    "settings": ["training.epochs=2"]},
    "instruct-zh": {"title": "Instructions, Chinese", "file": "alpaca_zh.json", "other": "alpaca_en.json",
                    "settings": ["training.epochs=2"]},
    "crosswoz": {"title": "CrossWOZ, a tourist assistant, Chinese", "settings": ["training.epochs=2",
                                                                               "model.max_length=768"]},
}  # fmt: skip
REFERENCE = 0.379
"""R@1 of TF-IDF in the data's README."""
BUNDLE = "crosswoz_bundle"
Rows = list[dict[str, Any]]


def read(path: Path) -> Any:
    """A JSON file, packed or not."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def parts(job: dict[str, Any]) -> dict[str, Rows]:
    """Training and test rows as their files spell them; of instructions 100 are held out, by the seed."""
    data = Path(job["data"])
    if job["name"] == "crosswoz":
        found = {split: read(data / "crosswoz" / f"{split}.json.gz") for split in ("train", "dev", "test")}
        found["test"] = found["test"][: job["test_rows"] or 60]
    else:
        rows = read(data / "instruct_demo" / job["file"])
        random.Random(13).shuffle(rows)
        held = job["test_rows"] or 100
        found = {"test": rows[:held], "train": rows[held:]}
    found["train"] = found["train"][: job["rows"]]
    return found


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child."""
    if job["name"] == "selection":
        return selection(job)
    if job["name"] == "vectors":
        return vectors(job)
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for split, rows in parts(job).items():
            files[split] = Path(folder, f"{split}.json")
            files[split].write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
        bundle = Path(job["keep"] or Path(folder, "bundle"))
        command = ["tune", files["train"], f"data.test={files['test']}", "task=dialogue", "model=smollm2",
                   f"bundle={bundle}", *job["settings"], "--replace"]  # fmt: skip
        if "dev" in files:
            command.append(f"data.validation={files['dev']}")
        told = harness.verb(*command)
        report = json.loads((bundle / "report.json").read_text("utf-8"))
        kept = forgetting(bundle, job) if job.get("other") else {}
    keys = ("seconds", "metrics", "before", "verdict", "parity", "training", "notes")
    return {
        **{key: told[key] for key in keys},
        **kept,
        "rows": report["context"]["rows"],
        "stages": report["context"]["seconds"],
        "samples": report["written"]["spread"][:3],
    }


def forgetting(bundle: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Perplexity of the other language's answers, of the model as it was and as it is."""
    from tunesmith.bundle.read import read_bundle
    from tunesmith.models.build import build
    from tunesmith.models.reference import resolve

    rows = parts({**job, "file": job["other"]})["test"]
    tuned = read_bundle(bundle)
    plain = build(resolve("smollm2"), tuned.task)
    return {"other": {"before": perplexity(plain, tuned, rows), "after": perplexity(None, tuned, rows)}}


def perplexity(model: Any, tuned: Any, rows: Rows) -> float:
    """Of the answers of rows; ``model`` None: the bundle's own."""
    from tunesmith.bundle.predictor import Predictor
    from tunesmith.bundle.runtimes.torch import TorchRuntime
    from tunesmith.data.shapes.dialogue import DialogueShape
    from tunesmith.data.shapes.shape import RowProblem
    from tunesmith.evaluation.metrics import METRICS

    shape, made = DialogueShape(), []
    for cells in rows:
        try:
            made += list(shape.read(cells, target=True))
        except RowProblem:
            continue
    predictor = tuned.predictor(device="cpu")
    if model is not None:
        predictor = Predictor(tuned.task, tuned.processor, TorchRuntime(model), max_length=predictor.max_length)
    features = predictor.encode(made, targets=True)
    return float(METRICS.make("perplexity")(tuned.task.validate(predictor, made, features)))


def turns(data: Path, split: str) -> list[tuple[list[str], str]]:
    """(the last three turns before, the assistant's reply) of each reply."""
    found = []
    for talk in read(data / "crosswoz" / f"{split}.json.gz"):
        said = [turn["value"] for turn in talk["conversations"]]
        for i, turn in enumerate(talk["conversations"]):
            if turn["from"] == "gpt" and i:
                found.append((said[max(0, i - 3) : i], turn["value"]))
    return found


def candidates(data: Path) -> tuple[list[tuple[list[str], str]], list[list[str]]]:
    """Test turns, and for each the true reply (first) and nine others drawn from all test replies by the seed."""
    asked = turns(data, "test")
    replies = sorted({reply for _, reply in asked})
    draw = random.Random(13)
    return asked, [[reply, *draw.sample([r for r in replies if r != reply], 9)] for _, reply in asked]


def hit(scores: np.ndarray) -> float:
    """Whether the first is the best alone."""
    return float(scores[0] > scores[1:].max())


def figures(hits: Sequence[float]) -> dict[str, Any]:
    """R@1 with its interval."""
    some = np.asarray(hits)
    draws = np.random.default_rng(13).integers(0, len(some), (1000, len(some)))
    low, high = np.quantile(some[draws].mean(1), [0.025, 0.975])
    return {"value": float(some.mean()), "low": float(low), "high": float(high), "turns": len(some)}


def vectors(job: dict[str, Any]) -> dict[str, Any]:
    """TF-IDF, and e5-small before and after ``tunesmith tune`` on pairs of turns and replies."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    data = Path(job["data"])
    asked, choices = candidates(data)
    asked, choices = asked[:: job["step"]], choices[:: job["step"]]
    words = TfidfVectorizer(analyzer="char", ngram_range=(1, 2)).fit([text for some in choices for text in some])
    texts = [" ".join(before) for before, _ in asked]
    tfidf = []
    for text, some in zip(texts, choices, strict=True):
        tfidf.append(hit((words.transform(some) @ words.transform([text]).T).toarray()[:, 0]))
    with tempfile.TemporaryDirectory() as folder:
        pairs = {"train": turns(data, "train")[: job["rows"]], "dev": turns(data, "dev")[: job["rows"] or 500]}
        files = {}
        for split, some in pairs.items():
            files[split] = Path(folder, f"{split}.jsonl")
            lines = [json.dumps({"query": " ".join(b), "pos": reply}, ensure_ascii=False) for b, reply in some]
            files[split].write_text("\n".join(lines) + "\n", "utf-8")
        bundle = Path(folder, "bundle")
        told = harness.verb("tune", files["train"], "task=text-embedding", "model=e5-small", "model.max_length=96",
                            f"data.test={files['dev']}", f"bundle={bundle}", *job["settings"])  # fmt: skip
        tuned = by_vectors(bundle, texts, choices)
    return {"tfidf": figures(tfidf), "e5-small tuned": figures(tuned), "seconds": told["seconds"]}


def by_vectors(bundle: Path, texts: list[str], choices: list[list[str]]) -> list[float]:
    """Hits by the cosine of a bundle's vectors."""
    from tunesmith.bundle.read import read_bundle

    reader = read_bundle(bundle)
    replies = sorted({text for some in choices for text in some})
    unit = {}
    for name, some in (("query", texts), ("reply", replies)):
        found = np.array([one["vector"] for one in reader.predict([{"text": text} for text in some])])
        unit[name] = found / np.linalg.norm(found, axis=1, keepdims=True)
    place = {text: i for i, text in enumerate(replies)}
    return [
        hit(unit["reply"][[place[text] for text in some]] @ query)
        for query, some in zip(unit["query"], choices, strict=True)
    ]


def selection(job: dict[str, Any]) -> dict[str, Any]:
    """By likelihood: mean log-probability of a reply's tokens after the turns, less that after a plain question."""
    from tunesmith.bundle.read import read_bundle

    tuned = read_bundle(job["keep"])
    predictor = tuned.predictor(device="cpu", precision="bf16")
    asked, choices = candidates(Path(job["data"]))
    asked, choices = asked[:: job["step"]], choices[:: job["step"]]

    def scores(before: list[list[str]], replies: list[str]) -> np.ndarray:
        rows = []
        for said, reply in zip(before, replies, strict=True):
            said = said if len(said) % 2 else said[1:]  # the user's first
            roles = ["user", "assistant"] * len(said)
            talk = [{"role": r, "content": c} for r, c in zip(roles, [*said, reply], strict=False)]
            rows.append({"messages": talk})
        features = predictor.encode(rows, targets=True)
        for feature in features:  # of the last answer alone
            learned = np.flatnonzero(feature["target"] != -100)
            cut = learned[np.flatnonzero(np.diff(learned) > 1)[-1] + 1] if (np.diff(learned) > 1).any() else 0
            feature["target"] = np.where(np.arange(len(feature["target"])) < cut, -100, feature["target"])
        return np.array([one.mean() if len(one) else -99.0 for one in predictor.score(features)])

    every = sorted({text for some in choices for text in some})
    alone = dict(zip(every, scores([["你好"]] * len(every), every), strict=True))
    flat = [(before, reply) for (before, _), some in zip(asked, choices, strict=True) for reply in some]
    after = scores([before for before, _ in flat], [reply for _, reply in flat]).reshape(-1, 10)
    less = np.array([[alone[reply] for reply in some] for some in choices])
    return {
        "likelihood": figures([hit(row) for row in after]),
        "likelihood over prior": figures([hit(row) for row in after - less]),
    }


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / "tasks_dialogue.json"
    kept = harness.kept(path, {})
    run = harness.context()
    bundle = given.keep or given.results / BUNDLE
    for name in given.only:
        job = {"name": name, "data": str(given.data), "rows": given.rows, "test_rows": given.test_rows}
        if name == "selection":
            job |= {"keep": str(bundle), "settings": [*given.set, "training.epochs=2"], "step": given.step}
            by = harness.child(__file__, {**job, "name": "vectors", "step": given.step_vectors})
            like = harness.child(__file__, job) if Path(bundle, "tunesmith.json").is_file() else {}
            kept[name] = {**by, **like, **run}
        else:
            told = {**RUNS[name], "settings": [*RUNS[name]["settings"], *given.set]}
            made = harness.child(__file__, {**job, **told, "keep": str(bundle) if name == "crosswoz" else None})
            kept[name] = {**made, **run, "settings": told["settings"]}
        harness.write(given.results, "tasks_dialogue", "Dialogue", page(kept), kept)


def options() -> argparse.Namespace:
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=[*RUNS, "selection"], default=[*RUNS, "selection"])
    parser.add_argument("--rows", type=int, help="training rows (default: all)")
    parser.add_argument("--test-rows", type=int, help="test rows (default: 100; 60 dialogues)")
    parser.add_argument("--step", type=int, default=12, help="of the turns, every so many by likelihood")
    parser.add_argument("--step-vectors", type=int, default=1, help="... by vectors")
    parser.add_argument("--keep", type=Path, help="where CrossWOZ's bundle stays (default: in the results)")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run, training.epochs=1 ...")
    given = harness.parse(parser)
    if given.quick:
        given.rows, given.test_rows, given.step, given.step_vectors = given.rows or 24, 6, 800, 400
        given.set = ["training.max_steps=2", "task.max_new_tokens=8", *given.set]
    return given


def page(kept: dict[str, Any]) -> list[str]:
    """A table of the runs, and one of the selection."""
    lines: list[str] = []
    done = {name: kept[name] for name in RUNS if name in kept}
    if done:
        rows = []
        for name, one in done.items():
            for side in ("before", "metrics"):
                found = one[side]
                rows.append([
                    f"{RUNS[name]['title']}, {'untuned' if side == 'before' else '**tuned**'}",
                    harness.interval(found["perplexity"]), harness.value(found["rougeL"]),
                    harness.value(found["distinct_2"]), harness.value(found["repetition"]),
                    harness.value(found["length_ratio"]),
                    f"{one['other']['before' if side == 'before' else 'after']:.2f}" if one.get("other") else "-",
                    "-" if side == "before" else f"{one['training']['seconds']:,.0f}",
                ])  # fmt: skip
        header = ["", "perplexity of answers", "ROUGE-L", "distinct-2", "repetition", "length ratio",
                  "perplexity, other language", "training s"]  # fmt: skip
        lines += [*harness.table(header, rows), ""]
        for name, one in done.items():
            lines += [
                f"- {RUNS[name]['title']}: {one['rows']['train']:,} training rows, {one['rows']['test']:,} test rows, "
                f"{one['training']['samples_per_second']} rows/s; {' '.join(one['settings'])}. {one['verdict']}"
            ]
        for name, one in done.items():
            lines += ["", f"### {RUNS[name]['title']}: written", ""]
            for sample in one["samples"]:
                lines += [
                    f"- {short(sample['text'])}",
                    *(f"  - {k}: {short(v)}" for k, v in sample["written"].items()),
                ]
    if "selection" in kept:
        found = kept["selection"]
        names = [name for name in found if isinstance(found[name], dict) and "turns" in found[name]]
        rows = [[name, harness.interval(found[name]), f"{found[name]['turns']:,}"] for name in names]
        best = max(found[name]["value"] for name in names)
        verdict = "met" if best > REFERENCE else "NOT met"
        lines += ["", "## CrossWOZ: the true reply among ten", "", *harness.table(["", "R@1", "turns"], rows), "",
                  f"Wanted: above {REFERENCE} (TF-IDF in the data's README); best {best:.3f}: {verdict}."]  # fmt: skip
    return [*lines, *harness.parts_lines(kept)]


def short(text: str) -> str:
    """On one line."""
    line = " ".join(text.split())
    return line if len(line) < 160 else f"{line[:160]} …"


if __name__ == "__main__":
    harness.entry(work, main)
