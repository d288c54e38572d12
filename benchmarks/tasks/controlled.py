"""Controlled generation: reviews with a given sentiment, judged by a classifier that was tuned on other rows.

    python benchmarks/tasks/controlled.py --data FOLDER
    python benchmarks/tasks/controlled.py --data FOLDER --only shopping --rows 2000

Chinese: short shopping reviews; English: positive and negative sentences of Financial PhraseBank. Half of the training
rows teach the judge, the other half the writer. A text obeys where the judge finds in it the sentiment that was asked
for; how far the judge can be believed is told by what it finds in the test rows' own texts.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness

PLAIN = "{% for m in messages %}{{ m['content'] }}{{ '\\n' if m['role'] == 'user' else eos_token }}{% endfor %}"
"""Short, so that nearly all tokens are the text's."""
RUNS: dict[str, dict[str, Any]] = {
    "shopping": {
        "title": "Shopping reviews (Chinese)", "folder": "online_shopping_10_cats", "judge": "e5-small",
        "lengths": (6, 40), "rows": None, "judge_rows": None, "settings": ["training.epochs=2"],
        "beginnings": ("这个手机", "酒店"),
    },
    "phrasebank": {
        "title": "Financial PhraseBank (English)", "folder": "financial_phrasebank", "judge": "minilm",
        "lengths": (20, 160), "rows": None, "judge_rows": None, "settings": ["training.epochs=3"],
        "beginnings": ("Operating profit", "The company"),
    },
}  # fmt: skip
LABELS = ("positive", "negative")
WANTED = 0.85
METRICS = ("obedience", "perplexity", "distinct_2", "repetition", "length_ratio")


def rows_of(path: Path, lengths: tuple[int, int]) -> list[dict[str, str]]:
    """Positive and negative rows whose texts have so many characters, in an order drawn by the seed."""
    read = [{"text": row["text"].strip(), "label": row["label"]} for row in harness.rows_of(path)]
    found = [row for row in read if row["label"] in LABELS and lengths[0] <= len(row["text"]) <= lengths[1]]
    random.Random(13).shuffle(found)
    return found


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: the judge is tuned, then the writer."""
    source = Path(job["data"], job["folder"])
    train, dev, test = (rows_of(source / f"{name}.csv", tuple(job["lengths"])) for name in ("train", "dev", "test"))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "plain.jinja").write_text(PLAIN, "utf-8")
        files = {
            "judge": train[: len(train) // 2][: job["judge_rows"]],
            "writer": train[len(train) // 2 :][: job["rows"]],
            "dev": dev[: job["test_rows"]],
            "test": test[: job["test_rows"]],
        }
        paths = {name: harness.write_rows(place / f"{name}.csv", rows) for name, rows in files.items()}
        held = [f"data.validation={paths['dev']}", f"data.test={paths['test']}"]
        judge = harness.verb(
            "tune", paths["judge"], *held, f"model={job['judge']}", "task=text-classification",
            f"bundle={place / 'judge'}", *job["judge_settings"], "--replace",
        )  # fmt: skip
        bundle = Path(job["keep"] or place / "writer")
        told = harness.verb(
            "tune", paths["writer"], *held, f"model={job['model']}", "task=controlled-generation", "data.text=text",
            "data.control=label", "task.prompt={control}:", f"task.template={place / 'plain.jinja'}",
            f"task.judge={place / 'judge'}", "task.temperature=0.5", f"bundle={bundle}", *job["settings"], "--replace",
        )  # fmt: skip
        report = json.loads((bundle / "report.json").read_text("utf-8"))
        samples = _samples(bundle, job["beginnings"])
    keys = ("seconds", "metrics", "before", "verdict", "training")
    return {
        **{key: told[key] for key in keys},
        "judge": {"model": judge["model"], "accuracy": judge["metrics"]["accuracy"], "seconds": judge["seconds"],
                  "rows": len(files["judge"])},
        "rows": report["context"]["rows"],
        "stages": report["context"]["seconds"],
        "recipe": report["context"]["recipe"]["training"],
        "notes": [note for note in report["data_notes"] if "own texts" in note],
        "samples": samples,
    }  # fmt: skip


def _samples(bundle: Path, beginnings: tuple[str, ...]) -> list[dict[str, str]]:
    import tunesmith as ts

    asked = [{"control": label, "beginning": begun} for label in LABELS for begun in ("", "", *beginnings)]
    return [
        {**row, "text": one["text"]} for row, one in zip(asked, ts.load(bundle).predict(asked), strict=True)
    ]  # fmt: skip


def main() -> None:
    """The command line."""
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(RUNS), default=list(RUNS))
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--rows", type=int, help="rows that teach the writer (default: as in RUNS)")
    parser.add_argument("--test-rows", type=int, default=200, help="test rows, and validation rows")
    parser.add_argument("--keep", type=Path, help="where the writer's bundle stays")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for the writer: training.epochs=2 ...")
    given = harness.parse(parser)
    judge_settings: list[str] = []
    if given.quick:
        given.rows, given.test_rows, judge_settings = given.rows or 24, 8, ["training.max_steps=2"]
        given.set = ["training.max_steps=2", "task.max_new_tokens=8", *given.set]
    kept = harness.kept(given.results / "tasks_controlled.json", {})
    run = harness.context()
    for name in given.only:
        told = {**RUNS[name], "rows": given.rows or RUNS[name]["rows"], "test_rows": given.test_rows}
        told |= {"model": given.model, "keep": given.keep, "judge_settings": judge_settings, "data": str(given.data)}
        if given.quick:
            told["judge_rows"] = 64
        told["settings"] = [*RUNS[name]["settings"], *given.set]
        kept[name] = {**harness.child(__file__, told), **run, "model": given.model, "settings": told["settings"]}
        harness.write(given.results, "tasks_controlled", "Controlled generation", page(kept), kept)


def page(kept: dict[str, Any]) -> list[str]:
    """A table for each data set."""
    lines: list[str] = []
    for name, told in RUNS.items():
        if name not in kept:
            continue
        one = kept[name]
        before = one["before"].get("metrics", one["before"])
        rows = [[words, *(harness.interval(side[metric]) for metric in METRICS)]
                for words, side in (("before", before), ("**tuned**", one["metrics"]))]  # fmt: skip
        found, judge, counts, recipe = one["metrics"]["obedience"], one["judge"], one["rows"], one["recipe"]
        reached = "reached" if found["value"] >= WANTED else "NOT reached"
        lines += [f"## {told['title']}", "", *harness.table(["", *METRICS], rows), ""]
        lines += [
            f"Wanted: obedience {WANTED}. Found: {found['value']:.3f}, {reached}. {' '.join(one['notes'])}",
            "",
            f"Writer: `{one['model']}`, {counts['train']:,} rows, {recipe['epochs']:g} epochs, batch "
            f"{recipe['batch_size']}, rate {recipe['learning_rate']:g}, {one['training']['seconds']:,.0f} s. Judge: "
            f"`{judge['model']}` on {judge['rows']:,} other rows, accuracy {harness.interval(judge['accuracy'])}, "
            f"{judge['seconds']:,.0f} s. {counts['test']} test rows.",
            "",
        ]
        lines += [f"- {s['control']}{': ' + s['beginning'] + '...' if s['beginning'] else ''} → {s['text']}"
                  for s in one["samples"]]  # fmt: skip
        lines += [""]
    return [*lines, *harness.parts_lines({name: kept[name] for name in RUNS if name in kept})]


if __name__ == "__main__":
    harness.entry(work, main)
