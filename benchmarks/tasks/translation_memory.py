"""A memory of translations, asked by meaning: Tatoeba's English sentences, answered in Chinese that people wrote.

    python benchmarks/tasks/translation_memory.py --data FOLDER
    python benchmarks/tasks/translation_memory.py --data FOLDER --rows 4000 --test-rows 500

Where no model that writes Chinese is at hand, answers can be looked up: ``tunesmith tune task=text-embedding`` brings a
multilingual encoder's vectors of a sentence and of its translation together, and each test sentence is given the
training file's Chinese sentence that is nearest in meaning. Beside it the translation of the training sentence with
the most alike words (TF-IDF), and the encoder as it was.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import runs
from runs import harness

SAMPLES = 4
UNTUNED = ("training.max_steps=1", "training.learning_rate=1e-9")
"""One step that moves nothing: the encoder as it was, as a bundle."""
Pairs = list[tuple[str, str]]


def pairs_of(path: Path, limit: int | None = None) -> Pairs:
    """(English, Chinese) of a file's lines; ``limit`` of them, by the seed."""
    header, *lines = runs.lines_of(path)
    places = [header.split("\t").index(side) for side in ("en", "zh")]
    split = [line.split("\t") for line in runs.drawn(lines, limit)]
    return [(parts[places[0]], parts[places[1]]) for parts in split]


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: every contender's answers, and their BLEU."""
    place = Path(job["data"], "tatoeba_en_zh")
    memory, test = pairs_of(place / "train.tsv", job["memory"]), pairs_of(place / "test.tsv", job["test_rows"])
    asked, kept = [english for english, _ in test], [chinese for _, chinese in memory]
    answers, seconds = {"nearest words (TF-IDF)": by_words(memory, asked)}, {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pairs.jsonl")
        told = [{"query": one, "pos": other} for one, other in pairs_of(place / "train.tsv", job["rows"])]
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in told), "utf-8")
        for name, settings in ((f"`{job['model']}` as it was", UNTUNED), (f"`{job['model']}` tuned", ())):
            bundle = Path(folder, f"bundle{len(answers)}")
            run = harness.verb(
                "tune", file, "task=text-embedding", f"model={job['model']}", "model.max_length=48",
                f"bundle={bundle}", "evaluation.baselines=false", *job["settings"], *settings,
            )  # fmt: skip
            seconds[name] = run["seconds"]
            found = vectors(bundle, asked) @ vectors(bundle, kept).T
            answers[name] = [kept[i] for i in found.argmax(axis=1)]
    wanted = [chinese for _, chinese in test]
    figures = {name: {**bleu(some, wanted), "seconds": seconds.get(name)} for name, some in answers.items()}
    samples = [[one, *(some[i] for some in answers.values())] for i, one in enumerate(asked[:SAMPLES])]
    return {"figures": figures, "samples": samples, "memory": len(memory), "pairs": len(told), "test": len(test)}


def by_words(memory: Pairs, asked: list[str]) -> list[str]:
    """The translation of the training sentence with the most alike words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    known = words.fit_transform([english for english, _ in memory])
    return [memory[i][1] for i in np.asarray((words.transform(asked) @ known.T).argmax(axis=1)).ravel()]


def vectors(bundle: Path, texts: list[str]) -> np.ndarray:
    """Vectors of length one by a bundle: [texts, width]."""
    from tunesmith.bundle.read import read_bundle

    found = np.array([one["vector"] for one in read_bundle(bundle).predict([{"text": text} for text in texts])])
    unit: np.ndarray = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def bleu(texts: list[str], wanted: list[str]) -> dict[str, float]:
    """BLEU (sacreBLEU) by characters, 0 to 100, with a 95% interval over rows."""
    from sacrebleu.metrics import BLEU

    metric, draw = BLEU(tokenize="zh"), np.random.default_rng(13)
    rows = [np.array(one) for one in metric._extract_corpus_statistics(texts, [wanted])]
    counts = np.stack(rows)
    sums = [counts[draw.integers(0, len(counts), len(counts))].sum(axis=0).tolist() for _ in range(1000)]
    scores = [metric._compute_score_from_stats(one).score for one in sums]
    low, high = np.quantile(scores, [0.025, 0.975])
    whole = metric.corpus_score(texts, [wanted]).score
    return {"value": whole, "low": float(low), "high": float(high)}


def main() -> None:
    """The command line."""
    parser = harness.parser(__doc__)
    parser.add_argument("--model", default="e5-small", help="an encoder that knows both languages")
    parser.add_argument("--rows", type=int, help="pairs to learn from (default: all)")
    parser.add_argument("--test-rows", type=int, help="test sentences (default: all)")
    parser.add_argument("--set", nargs="*", default=[], help="overrides: training.epochs=1 ...")
    given = runs.parsed(parser, rows=64, test_rows=16)
    context = harness.context()
    job = {"data": str(given.data), "model": given.model, "rows": given.rows, "test_rows": given.test_rows,
           "settings": given.set, "memory": 200 if given.quick else None}  # fmt: skip
    found = {**harness.child(__file__, job), **context}
    harness.write(given.results, "tasks_translation_memory", "A memory of translations", page(found), found)


def page(found: dict[str, Any]) -> list[str]:
    """The table, and some answers."""
    rows = [
        [name, f"{one['value']:.1f} [{one['low']:.1f}, {one['high']:.1f}]", harness.value({"value": one["seconds"]})]
        for name, one in found["figures"].items()
    ]
    lines = [
        f"Tatoeba, English to Chinese: {found['test']:,} test sentences, a memory of {found['memory']:,} Chinese ones, "
        f"{found['pairs']:,} pairs to learn from. sacreBLEU.", "",
        *harness.table(["asked by", "BLEU", "whole s"], rows), "",
        *harness.table(["asked", *found["figures"]], found["samples"]), "",
    ]  # fmt: skip
    return [*lines, *harness.context_lines(found)]


if __name__ == "__main__":
    harness.entry(work, main)
