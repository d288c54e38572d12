"""Continued pretraining, and what it is good for: a task with few labels, with it and without.

    python benchmarks/pretrain.py --data FOLDER --part en       # minilm on 6,000 film reviews -> IMDB
    python benchmarks/pretrain.py --data FOLDER --part zh       # e5-small on Chinese laws and abstracts -> CSL, CMID
    python benchmarks/pretrain.py --data FOLDER --part objectives
    python benchmarks/pretrain.py --data FOLDER --part resume   # kill -9 amid a streamed corpus: the same curve

Parts ``en`` and ``zh`` pretrain once and keep the model under ``--work``; then each number of labels and each seed is
tuned from the model as it was and from the one that was pretrained, on the same rows. ``objectives`` does so with every
objective after equal steps. A run that was made is not made again, and no further one is begun after ``--minutes``: the
same command goes on. Times are of ``tunesmith pretrain``; the corpus is read by its training file, and measured on
documents that nothing was learned from.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness

CHARACTERS, POOL = 700, 1500
"""Of a row's text, so that it is one window; and rows that labels are drawn from."""
WORK = Path("out/pretrain")


@dataclass(frozen=True)
class Domain:
    """A corpus, a model, and the tasks by which the gain is told."""

    corpus: str
    model: str
    tasks: dict[str, tuple[str, str]]
    """Data set -> (text column, label column)."""
    settings: tuple[str, ...] = ()
    test_rows: int = 1000


DOMAINS = {
    "en": Domain("corpus_imdb_unsup", "minilm", {"imdb": ("text", "label")}, ("data.tokens=600000",)),
    "zh": Domain(
        "corpus_zh_law", "e5-small", {"csl_category": ("text", "label"), "cmid_medical_intent": ("text", "label")},
        ("data.tokens=300000",),
    ),
}  # fmt: skip
OBJECTIVES = {
    "masked 15%": ["objective={name: masked-lm, ratio: 0.15}"],
    "masked 30%": ["objective={name: masked-lm, ratio: 0.3}"],
    "masked 50%": ["objective={name: masked-lm, ratio: 0.5}"],
    "tokens 15%": ["objective={name: masked-lm, unit: token}"],
    "spans 15%": ["objective={name: masked-lm, unit: span}"],
    "deletion": ["objective=deletion"],
    "order": ["objective=sentence-order"],
    "next sentence": ["objective=next-sentence"],
    "next clause": ["objective=next-clause", "training.batch_size=64"],
    "simcse": ["objective=simcse", "training.batch_size=64"],
    "mixture": ["objective={name: mixed, parts: {masked-lm: 0.7, simcse: 0.3}}", "training.batch_size=16"],
}


def pretrained(domain: Domain, given: Any, folder: Path, *settings: str) -> dict[str, Any]:
    """Pretrain by the command line; what it printed."""
    source = Path(given.data, domain.corpus)
    quick = ["training.max_steps=3", "data.tokens=4000", "data.held_tokens=1000"] if given.quick else []
    return harness.verb(
        "pretrain", source / "train.jsonl.gz", f"data.test={source / 'dev.jsonl.gz'}", f"model={domain.model}",
        f"bundle={folder}", "--replace", *domain.settings, *settings, *quick,
    )  # fmt: skip


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: the task once, from one model."""
    from tunesmith.core.recipe import Recipe
    from tunesmith.pipeline.downstream import measured_from

    with tempfile.TemporaryDirectory() as folder:
        text, label = job["columns"]
        files = {
            name: harness.write_rows(
                Path(folder, f"{name}.csv"),
                [
                    {text: row[text][:CHARACTERS], label: row[label]}
                    for row in harness.rows_of(Path(job["source"], f"{name}.csv"), limit)
                ],
            )
            for name, limit in (("train", POOL), ("test", job["test_rows"]))
        }
        recipe = Recipe.parse(
            {"data": {"path": str(files["train"]), "test": str(files["test"]), "text": text, "label": label}},
            ["evaluation.baselines=false", "model.max_length=192", *job["settings"]],
        )
        begun = time.perf_counter()
        found = measured_from(recipe, {"value": job["model"]}, job["labels"], job["seed"], Path(folder, "run"))
        return {"metric": found["metric"], "value": found["value"], "seconds": time.perf_counter() - begun}


def asked(domain: Domain, task: str, given: Any, model: str, labels: int, seed: int) -> dict[str, Any]:
    quick = ["training.max_steps=2"] if given.quick else ["training.epochs=8"] if labels <= 100 else []
    return {
        "source": str(Path(given.data, task)), "columns": domain.tasks[task], "model": model, "labels": labels,
        "seed": seed, "test_rows": 50 if given.quick else domain.test_rows, "settings": quick,
    }  # fmt: skip


def main() -> None:
    """The command line."""
    parser = harness.parser(__doc__)
    parser.add_argument("--part", choices=[*DOMAINS, "objectives", "resume"], default="en")
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=120, help="of each objective, in the part objectives")
    parser.add_argument("--minutes", type=float, default=13.0, help="no further run is begun after so many")
    parser.add_argument("--work", type=Path, default=WORK, help="where pretrained models are kept between calls")
    given = harness.parse(parser)
    if given.quick:
        given.labels, given.seeds, given.steps = [16], [1], 2
        given.work = given.work / "quick"
    given.until = time.monotonic() + 60 * given.minutes
    if given.part == "resume":
        resume(given)
        return
    path = given.results / f"pretrain_{given.part}.json"
    state: dict[str, Any] = harness.kept(path, {"pretrained": {}, "runs": []})
    (objectives if given.part == "objectives" else domain_part)(given, state)


def domain_part(given: Any, state: dict[str, Any]) -> None:
    """Continued pretraining of one model, and the tasks with and without it."""
    domain = DOMAINS[given.part]
    folder = given.work / given.part
    if given.part not in state["pretrained"] or not (folder / "tunesmith.json").is_file():
        state["pretrained"] = {given.part: pretrained(domain, given, folder)}
        state["runs"] = [run for run in state["runs"] if run["side"] == "before"]
        write(given, state)
    for task in domain.tasks:
        for labels in given.labels:
            for seed in given.seeds:
                for side, model in (("before", domain.model), ("after", str(folder))):
                    once(given, state, {"task": task, "side": side, "labels": labels, "seed": seed}, domain, model)


def objectives(given: Any, state: dict[str, Any]) -> None:
    """Every objective for equal steps, and the task with 100 labels."""
    domain = DOMAINS["en"]
    for name in ["none", *(OBJECTIVES if not given.quick else ["masked 15%", "simcse", "mixture"])]:
        folder = given.work / "objectives" / name.replace(" ", "-").replace("%", "")
        if name != "none" and (name not in state["pretrained"] or not (folder / "tunesmith.json").is_file()):
            if time.monotonic() > given.until:
                return
            steps = [f"training.max_steps={given.steps}", "training.epochs=50", "training.patience=null"]
            told = pretrained(domain, given, folder, "model.max_length=128", *steps, *OBJECTIVES[name])
            state["pretrained"][name] = told
            state["runs"] = [run for run in state["runs"] if run["side"] != name]
            write(given, state)
        for seed in given.seeds:
            model = domain.model if name == "none" else str(folder)
            once(given, state, {"task": "imdb", "side": name, "labels": given.labels[0], "seed": seed}, domain, model)


def resume(given: Any) -> None:
    """The same command whole, and killed three times by kill -9: the losses of both."""
    steps = 12 if given.quick else 40
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "tunesmith", "pretrain", str(Path(given.data, "corpus_zh_law", "train.jsonl.gz")),
            "scratch=tiny", "scratch.vocabulary=2000", f"training.max_steps={steps}", "training.epochs=5",
            "data.tokens=200000", "data.held_tokens=4000", "training.checkpoint_seconds=0", "model.max_length=128",
        ]  # fmt: skip
        whole, torn = Path(folder, "whole"), Path(folder, "torn")
        subprocess.run([*command, f"bundle={whole}"], check=True, stdout=subprocess.DEVNULL)
        kills = 0
        for share in (0.25, 0.5, 0.75):
            child = subprocess.Popen([*command, f"bundle={torn}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while child.poll() is None and _steps(torn) < share * steps:
                time.sleep(0.02)
            if child.poll() is None:
                child.kill()
                kills += 1
            child.wait()
        subprocess.run([*command, f"bundle={torn}"], check=True, stdout=subprocess.DEVNULL)
        reports = [json.loads((place / "report.json").read_text("utf-8")) for place in (whole, torn)]
    one, other = ([entry for entry in report["history"]] for report in reports)
    gaps = [abs(a["loss"] - b["loss"]) for a, b in zip(one, other, strict=True) if "loss" in a]
    perplexities = [report["metrics"]["perplexity"]["value"] for report in reports]
    run = harness.context()
    rows = [[f"{kills} kills", len(gaps), f"{max(gaps):.3g}", *(f"{value:.6f}" for value in perplexities)]]
    header = ["kill -9", "losses compared", "largest difference", "perplexity, whole", "perplexity, killed"]
    lines = [*harness.context_lines(run), "", *harness.table(header, rows)]
    harness.write(given.results, "pretrain_resume", "kill -9 amid a corpus", lines, {**run, "history": [one, other]})


def _steps(bundle: Path) -> int:
    """The last step that the log of an unfinished run tells of."""
    logs = list(bundle.parent.glob(f".{bundle.name}.run-*/log.jsonl"))
    lines = logs[0].read_text("utf-8").splitlines() if logs else []
    found = [json.loads(line).get("step", 0) for line in lines if line.startswith("{") and line.endswith("}")]
    return max((int(step or 0) for step in found), default=0)


def once(given: Any, state: dict[str, Any], key: dict[str, Any], domain: Domain, model: str) -> None:
    """A run, unless it was made or there is no time for it."""
    if any(key.items() <= run.items() for run in state["runs"]) or time.monotonic() > given.until:
        return
    job = asked(domain, key["task"], given, model, key["labels"], key["seed"])
    state["runs"].append({**key, **harness.child(__file__, job)})
    write(given, state)


def write(given: Any, state: dict[str, Any]) -> None:
    run = {key: state[key] for key in ("command", "date", "machine", "versions") if key in state} or harness.context()
    state |= run
    lines = [
        *harness.context_lines(run),
        "",
        *of_objectives(state),
        "",
        *of_tasks(state),
        *harness.busy_note(state["runs"]),
    ]
    harness.write(given.results, f"pretrain_{given.part}", f"Pretraining: {given.part}", lines, state)


def of_objectives(state: dict[str, Any]) -> list[str]:
    """The objective on held-out text before and after."""
    rows = []
    for name, told in state["pretrained"].items():
        training = told["training"]
        cells = [
            f"{told['before'][metric]['value']:.3f} -> {harness.interval(told['metrics'][metric])}"
            for metric in ("perplexity", "token_accuracy")
        ]
        rows.append([name, told["objective"], *cells, training["steps"], f"{training['seconds']:.0f}",
                     f"{training['tokens_per_second']:.0f}"])  # fmt: skip
    header = ["model", "objective", "perplexity held out", "accuracy held out", "steps", "seconds", "tokens/s"]
    return harness.table(header, rows)


def of_tasks(state: dict[str, Any]) -> list[str]:
    """The tasks: each side's mean, and its mean difference from the model that was not pretrained, by seed."""
    rows = []
    plain = {(r["task"], r["labels"], r["seed"]): r["value"] for r in state["runs"] if r["side"] in ("before", "none")}
    for key in dict.fromkeys((run["task"], run["labels"], run["side"]) for run in state["runs"]):
        own = [run for run in state["runs"] if (run["task"], run["labels"], run["side"]) == key]
        values = [run["value"] for run in own]
        gaps = [run["value"] - plain[(*key[:2], run["seed"])] for run in own if (*key[:2], run["seed"]) in plain]
        spread = statistics.stdev(gaps) if len(gaps) > 1 else 0.0
        gain = "" if key[2] in ("before", "none") or not gaps else f"{statistics.mean(gaps):+.3f} ± {spread:.3f}"
        rows.append([f"{key[0]}, {key[1]} labels", key[2], f"{statistics.mean(values):.3f}", gain, len(own),
                     f"{statistics.mean(run['seconds'] for run in own):.0f}"])  # fmt: skip
    metric = state["runs"][0]["metric"] if state["runs"] else "metric"
    return harness.table(["task", "from", metric, "gain, mean ± deviation over seeds", "seeds", "seconds a run"], rows)


if __name__ == "__main__":
    harness.entry(work, main)
