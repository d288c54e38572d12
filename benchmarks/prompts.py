"""Prompts: the chosen one against the mean and the worst template, and what calibration does to their spread.

    python benchmarks/prompts.py --data FOLDER --way similarity
    python benchmarks/prompts.py --data FOLDER --way likelihood          # SmolLM2, zero-shot and 8-shot

Three English and three Chinese sets; ``tunesmith prompt`` chooses on ``--rows`` validation rows, and every prompt that
it tried is then held to ``--test-rows`` test rows. A set that was done is not done again, and none is begun after
``--minutes``: the same command goes on.
"""

from __future__ import annotations

import csv
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import harness

SETS: dict[str, dict[str, Any]] = {
    "imdb": {},
    "financial_phrasebank": {},
    "hate_offensive_en": {},
    "chnsenticorp_hotel": {"words": "{0: 差, 1: 好, negative: 差, positive: 好}"},
    "csl_category": {},
    "cmid_medical_intent": {},
}
CHINESE = ("chnsenticorp_hotel", "csl_category", "cmid_medical_intent")
MODELS = {"similarity": {"en": "minilm", "zh": "e5-small"}, "likelihood": {"en": "smollm2", "zh": "smollm2"}}


def one(given: Any, name: str) -> dict[str, Any]:
    """``tunesmith prompt`` on a set; what it printed."""
    language = "zh" if name in CHINESE else "en"
    shots = ["--shots", "0,8", "--orders", "1"] if given.way == "likelihood" else []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(given.data, name)
        rows = harness.rows_of(source / "train.csv")
        random.Random(13).shuffle(rows)
        train = Path(folder, "train.csv")
        labels = {row["label"] for row in rows}
        with train.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["text", "label"])
            writer.writeheader()
            writer.writerows({"text": row["text"][:1200], "label": row["label"]} for row in rows[: given.train_rows])
        known = SETS[name].get("words")
        words = [f"task.words={known}"] if known and labels <= {"0", "1"} else []
        return harness.verb(
            "prompt", train, f"data.test={source / 'test.csv'}", "data.text=text", "data.label=label",
            "data.split.validation=0.3", f"model={MODELS[given.way][language]}", "--way", given.way,
            f"bundle={folder}/bundle", "--rows", given.rows, *shots,
            "--test-rows", given.test_rows, "--test-all", *words,
        )  # fmt: skip


def main() -> None:
    """The command line."""
    parser = harness.parser(__doc__)
    parser.add_argument("--way", choices=list(MODELS), default="similarity")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--rows", type=int, default=60, help="validation rows")
    parser.add_argument("--test-rows", type=int, default=150)
    parser.add_argument("--train-rows", type=int, default=1000, help="rows for validation and examples")
    parser.add_argument("--minutes", type=float, default=13.0)
    given = harness.parse(parser)
    if given.quick:
        given.sets, given.rows, given.test_rows, given.train_rows = given.sets[:1], 6, 8, 60
    until = time.monotonic() + 60 * given.minutes
    name = f"prompts_{given.way}"
    state: dict[str, Any] = harness.kept(given.results / f"{name}.json", {"sets": {}})
    for chosen in given.sets:
        if chosen in state["sets"] or time.monotonic() > until:
            continue
        found = one(given, chosen)
        state["sets"][chosen] = {key: found[key] for key in ("metrics", "before", "baselines", "seconds", "prompts")}
        state = {**harness.context(), **{key: state[key] for key in ("sets",)}}
        harness.write(given.results, name, f"Prompts by {given.way}", page(state), state)


def page(state: dict[str, Any]) -> list[str]:
    rows = []
    for name, found in state["sets"].items():
        told = found["prompts"]
        metric = told["metric"]
        for shots in dict.fromkeys(one["shots"] for one in told["test"]):
            own = [one for one in told["test"] if one["shots"] == shots and not one.get("average")]
            cells = []
            for side in ("plain", "calibrated"):
                values = [one[side][metric] for one in own]
                cells += [f"{min(values):.3f}", f"{statistics.mean(values):.3f} ± {statistics.pstdev(values):.3f}"]
            chosen = harness.value(found["metrics"][metric])
            rows.append([f"{name}, {shots} examples", *cells, chosen, len(own)])
    header = ["macro-F1 on test rows", "worst", "mean ± spread", "worst, calibrated", "mean ± spread, calibrated",
              "the chosen prompt", "prompts"]  # fmt: skip
    fitted = [[name, harness.value(found["baselines"]["tfidf"][found["prompts"]["metric"]]), f"{found['seconds']:.0f}"]
              for name, found in state["sets"].items()]  # fmt: skip
    return [
        *harness.context_lines(state), "", *harness.table(header, rows), "",
        *harness.table(["set", "TF-IDF on the same training rows", "seconds of tunesmith prompt"], fitted),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
