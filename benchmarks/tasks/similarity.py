"""Text embedding: answers to medical questions, Chinese abstracts to titles, Chinese questions of like intent.

    python benchmarks/tasks/similarity.py --data FOLDER
    python benchmarks/tasks/similarity.py --data FOLDER --only medquad --peer

Every set goes the user's way, ``tunesmith tune``, and is measured on its whole test file. With ``--peer``,
sentence-transformers trains on the same MedQuAD pairs with its MultipleNegativesRankingLoss, same model, batch, rate,
schedule, epochs and tokens, in bf16 as we do; both models then answer the test rows in ``SentenceTransformer``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness

Rows = list[dict[str, Any]]
SETS: dict[str, dict[str, Any]] = {
    "medquad": {
        "title": "MedQuAD, question to answer", "model": "minilm", "rows": 2500, "validation": 300, "length": 128,
        "settings": ["training.epochs=1"], "wanted": 0.60,
    },
    "csl_title": {
        "title": "CSL, Chinese title to abstract", "model": "e5-small", "rows": 800, "validation": 200, "length": 256,
        "settings": ["training.epochs=1"], "wanted": None,
    },
    "cmid": {
        "title": "CMID, Chinese questions of the same intent", "model": "e5-small", "rows": 3000, "validation": 400,
        "length": 64, "settings": ["training.epochs=1"], "wanted": None,
    },
}  # fmt: skip
"""``rows``: training rows, drawn by the seed; ``length``: tokens in a window."""
SIDES = {"tfidf_retrieval": "TF-IDF cosine", "before": "untuned"}


def read(path: Path) -> Rows:
    """Rows of a JSON lines file, packed or not."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def medquad(folder: Path, split: str) -> Rows:
    """Questions and answers."""
    return [{"query": r["question"], "pos": r["answer"]} for r in read(folder / "medquad" / f"{split}.jsonl.gz")]


def csl_title(folder: Path, split: str) -> Rows:
    """Titles and abstracts."""
    return [{"query": r["title"], "pos": r["abstract"]} for r in read(folder / "csl_title" / f"{split}.jsonl")]


def cmid(folder: Path, split: str) -> Rows:
    """Each question beside one of the same fine intent (1) and one of another (0), drawn by the seed."""
    asked = [row for row in harness.rows_of(folder / "cmid_medical_intent" / f"{split}.csv") if row["intent"]]
    draw = random.Random(f"13/{split}")
    by_intent: dict[str, list[str]] = defaultdict(list)
    for row in asked:
        by_intent[row["intent"]].append(row["text"])
    pairs: Rows = []
    for row in asked:
        like = [text for text in by_intent[row["intent"]] if text != row["text"]]
        other = draw.choice([name for name in by_intent if name != row["intent"]])
        if like:
            pairs.append({"sentence1": row["text"], "sentence2": draw.choice(like), "score": 1})
            pairs.append({"sentence1": row["text"], "sentence2": draw.choice(by_intent[other]), "score": 0})
    return pairs


def drawn(rows: Rows, most: int | None) -> Rows:
    """So many rows, by the seed, in the file's order."""
    if most is None or most >= len(rows):
        return rows
    return [rows[i] for i in sorted(random.Random(13).sample(range(len(rows)), most))]


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """A JSON lines file."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: ``tunesmith tune``, and what its report says; for the peer, its training."""
    parts = {split: globals()[job["set"]](Path(job["data"]), split) for split in ("train", "dev", "test")}
    parts["train"], parts["dev"] = drawn(parts["train"], job["rows"]), drawn(parts["dev"], job["validation"])
    parts["test"] = drawn(parts["test"], job["test_rows"])
    if job.get("peer"):
        return peer(job, parts)
    with tempfile.TemporaryDirectory() as folder:
        files = {split: write_lines(Path(folder, f"{split}.jsonl"), rows) for split, rows in parts.items()}
        bundle = Path(job["keep"] or Path(folder, "bundle"))
        command = [
            "tune", files["train"], "task=text-embedding", f"data.test={files['test']}",
            f"data.validation={files['dev']}", f"model={job['model']}", f"model.max_length={job['length']}",
            f"bundle={bundle}", *job["settings"], "--replace",
        ]  # fmt: skip
        told = harness.verb(*command)
        report = json.loads((bundle / "report.json").read_text("utf-8"))
    keys = ("model", "seconds", "metrics", "before", "baselines", "verdict", "parity", "training")
    return {
        **{key: told[key] for key in keys},
        "rows": report["context"]["rows"],
        "stages": report["context"]["seconds"],
        "parts": {"before": report["before"]["seconds"], **{k: s["seconds"] for k, s in report["baselines"].items()}},
    }


def peer(job: dict[str, Any], parts: dict[str, Rows]) -> dict[str, Any]:
    """sentence-transformers' own training, and its reading of both models, first window only."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, losses
    from sentence_transformers import SentenceTransformerTrainingArguments as Arguments

    from tunesmith.models.reference import resolve

    encoder = SentenceTransformer(resolve(job["model"]).path, device="cpu")
    encoder.max_seq_length = job["length"]
    pairs = {"anchor": [r["query"] for r in parts["train"]], "positive": [r["pos"] for r in parts["train"]]}
    with tempfile.TemporaryDirectory() as folder:
        arguments = Arguments(
            folder, num_train_epochs=job["epochs"], per_device_train_batch_size=job["batch"],
            learning_rate=job["rate"], warmup_steps=0.1, bf16=True, use_cpu=True, seed=13, report_to="none",
            save_strategy="no", logging_strategy="no", disable_tqdm=True, batch_sampler="no_duplicates",
        )  # fmt: skip
        loss = losses.MultipleNegativesRankingLoss(encoder)
        trainer = SentenceTransformerTrainer(encoder, arguments, train_dataset=Dataset.from_dict(pairs), loss=loss)
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
    ours = SentenceTransformer(job["keep"], device="cpu")
    return {
        "seconds": seconds,
        "samples_per_second": len(parts["train"]) * job["epochs"] / seconds,
        "theirs": read_by_them(encoder, parts["test"]),
        "ours": read_by_them(ours, parts["test"]),
    }


def read_by_them(encoder: Any, rows: Rows) -> dict[str, Any]:
    """Retrieval figures of a SentenceTransformer's vectors."""
    from tunesmith.evaluation.bootstrap import figures
    from tunesmith.tasks.retrieval import retrieved

    sides = [[row[key] for row in rows] for key in ("query", "pos")]
    vectors = [encoder.encode(side, normalize_embeddings=True, show_progress_bar=False) for side in sides]
    rank = retrieved(sides[0], sides[1], vectors[0], vectors[1], 20.0).rank
    return {name: figure.to_json() for name, figure in figures({"rank": rank}, ["mrr", "recall_at_1"]).items()}


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / "tasks_similarity.json"
    kept = harness.kept(path, {})
    run = harness.context()
    with tempfile.TemporaryDirectory() as folder:
        for name in given.only:
            told = SETS[name]
            job = {**told, "set": name, "data": str(given.data), "test_rows": given.test_rows}
            job = {**job, "keep": f"{folder}/{name}", "settings": [*told["settings"], *given.set]}
            if given.rows:
                job |= {"rows": given.rows, "validation": given.rows}
            kept[name] = {**harness.child(__file__, job), **run, "settings": job["settings"], "length": told["length"]}
            harness.write(given.results, "tasks_similarity", "Text embedding", page(kept), kept)
            if name == "medquad" and given.peer:
                alike = {"peer": True, "epochs": 1, "batch": given.batch, "rate": given.rate}
                kept["peer"] = {**harness.child(__file__, {**job, **alike}), **alike}
                harness.write(given.results, "tasks_similarity", "Text embedding", page(kept), kept)


def options() -> argparse.Namespace:
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--rows", type=int, help="training rows (default: as in SETS)")
    parser.add_argument("--test-rows", type=int, help="test rows (default: all)")
    parser.add_argument("--peer", action="store_true", help="train MedQuAD with sentence-transformers, too")
    parser.add_argument("--rate", type=float, default=1e-4, help="the peer's learning rate: ours")
    parser.add_argument("--batch", type=int, default=64, help="the peer's batch: ours")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every set, training.epochs=2 ...")
    given = harness.parse(parser)
    if given.quick:
        given.rows, given.test_rows = given.rows or 40, given.test_rows or 20
    return given


def page(kept: dict[str, Any]) -> list[str]:
    """Tables of all sets, and of the peer."""
    lines: list[str] = []
    found = {name: kept[name] for name in SETS if name in kept}
    for name, one in found.items():
        metrics = list(one["metrics"])
        sides = {**one["baselines"], "before": one["before"]}
        rows = [[SIDES[key], *cells(sides[key], metrics), seconds(one["parts"][key])] for key in SIDES]
        rows.append(["**tuned**", *cells(one["metrics"], metrics), f"{one['seconds']:,.0f}"])
        counts = one["rows"]
        lines += [f"## {SETS[name]['title']}", "", *harness.table(["contender", *metrics, "s"], rows), ""]
        lines += [
            f"`{SETS[name]['model']}`, {counts['train']:,} training rows, windows of {one['length']} tokens, "
            f"{counts['test']:,} test rows; {' '.join(one['settings'])}. Training alone took "
            f"{one['training']['seconds']:,.0f} s ({one['training']['samples_per_second']:.0f} rows/s). "
            f"{one['verdict']}"
        ]
        if SETS[name]["wanted"]:
            value, wanted = one["metrics"][metrics[0]]["value"], SETS[name]["wanted"]
            lines += [f"Wanted: {metrics[0]} of {wanted:.2f}: {'reached' if value >= wanted else 'NOT reached'}."]
        lines.append("")
    if "peer" in kept:
        lines += peer_lines(kept["peer"], kept["medquad"])
    return [*lines, *harness.parts_lines({SETS[name]["title"]: one for name, one in found.items()})]


def peer_lines(peer: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """Both trainings on the same pairs."""
    rows = [
        [name, *cells(figures, ["mrr", "recall_at_1"]), f"{taken:,.0f}", f"{rate:.1f}"]
        for name, figures, taken, rate in (
            ("sentence-transformers", peer["theirs"], peer["seconds"], peer["samples_per_second"]),
            ("tunesmith", peer["ours"], ours["training"]["seconds"], ours["training"]["samples_per_second"]),
        )
    ]
    about = (
        f"The same MedQuAD pairs, {peer['epochs']} epoch, batch {peer['batch']}, rate {peer['rate']:g}, bf16. Both "
        "models answer in `SentenceTransformer`, which reads the beginning of an answer only; seconds are of training."
    )
    table = harness.table(["trained by", "mrr", "recall_at_1", "s", "rows/s"], rows)
    return ["## Against MultipleNegativesRankingLoss", "", about, "", *table, ""]


def cells(figures: dict[str, Any], metrics: Sequence[str]) -> list[str]:
    return [harness.interval(figures[name]) for name in metrics]


def seconds(parts: dict[str, float]) -> str:
    return f"{sum(parts.values()):,.1f}"


if __name__ == "__main__":
    harness.entry(work, main)
