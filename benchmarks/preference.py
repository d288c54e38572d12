"""Preferences and rewards: held-out figures before and after training, by strategy; dpo beside trl's DPOTrainer.

    python benchmarks/preference.py --data FOLDER
    python benchmarks/preference.py --data FOLDER --only dpo trl --rows 100

``dpo``, ``orpo`` and ``kto`` learn the pairs of ``instruct_demo`` and are measured on pairs that they have not seen.
``trl`` learns the very same token ids, as many steps, with the same rates. ``grpo`` learns sums by a reward alone.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import harness

PAIRS = ("dpo", "trl", "orpo", "kto")
CONTENDERS = (*PAIRS, "grpo")
STRATEGIES = {"dpo": "{name: dpo}", "trl": "{name: dpo}", "orpo": "{name: orpo}", "kto": "{name: kto}"}
TITLES = {"trl": "trl's DPOTrainer, same rows"}
SHARED = ["task=dialogue", "model=smollm2", "method=lora", "data.clean.duplicates=false"]
OF_PAIRS = ["task.max_new_tokens=4", "data.split.validation=0", "data.split.near_duplicates=false"]
SUMS = (
    r"{name: grpo, rewards: [arithmetic, {name: format, pattern: '\d+ \+ \d+ = \d+', whole: true, weight: 0.5}], "
    "group: 8, max_new_tokens: 12, validated: 48}"
)
ASKED = {
    "en": "What is {} + {}? Answer as in: 3 + 4 = 7",
    "zh": "{}加{}等于多少？请这样回答：3 + 4 = 7",
}
"""SmolLM2-135M-Instruct writes a fifth of these sums right as it is drawn from, and nearly all after an example."""


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child."""
    with tempfile.TemporaryDirectory() as folder:
        files = sums(Path(folder), job) if job["what"] == "grpo" else pairs(Path(folder), job)
        return (by_trl if job["what"] == "trl" else by_verb)(job, *files, Path(folder, "bundle"))


def pairs(folder: Path, job: dict[str, Any]) -> tuple[Path, Path]:
    """The file's pairs, drawn by the seed: a test file, and as many training rows as asked for."""
    rows = json.loads(Path(job["data"], "instruct_demo", f"dpo_{job['language']}.json").read_text("utf-8"))
    random.Random(job["seed"]).shuffle(rows)
    held, rest = rows[: job["test_rows"]], rows[job["test_rows"] :][: job["rows"]]
    return written(folder / "train.json", rest), written(folder / "test.json", held)


def sums(folder: Path, job: dict[str, Any]) -> tuple[Path, Path]:
    """Questions for the sum of two numbers up to 12; none stands in both files."""
    every = [(a, b) for a in range(1, 13) for b in range(1, 13)]
    random.Random(job["seed"]).shuffle(every)
    rows = [
        {
            "messages": [
                {"role": "user", "content": ASKED[job["language"]].format(a, b)},
                {"role": "assistant", "content": f"{a} + {b} = {a + b}"},
            ],
            "answer": a + b,
        }
        for a, b in every
    ]
    held, rest = rows[: job["test_rows"]], rows[job["test_rows"] :][: job["rows"]]
    return written(folder / "train.json", rest), written(folder / "test.json", held)


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    return path


def by_verb(job: dict[str, Any], train: Path, test: Path, bundle: Path) -> dict[str, Any]:
    """``tunesmith tune``, and what its report says."""
    command = [
        "tune", train, f"data.test={test}", f"bundle={bundle}", *job["settings"],
        f"training.strategies=[{job['strategy']}]", "--replace",
    ]  # fmt: skip
    harness.verb(*command)
    report = json.loads((bundle / "report.json").read_text("utf-8"))
    run = report["context"]
    return {
        "before": report["before"]["metrics"], "after": report["metrics"], "facts": run["strategies"][job["what"]],
        "training": run["training"], "rows": run["rows"], "stages": run["seconds"], "history": report["history"],
    }  # fmt: skip


def by_trl(job: dict[str, Any], train: Path, test: Path, bundle: Path) -> dict[str, Any]:
    """Trl's DPOTrainer on the same model, adapter and token ids; measured as ours is."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    from tunesmith.evaluation.bootstrap import measure
    from tunesmith.evaluation.preferences import FIGURES, with_margins
    from tunesmith.pipeline.plan import as_recipe, plan
    from tunesmith.pipeline.run import Addition, Run
    from tunesmith.training.run_state import RunState
    from tunesmith.training.strategies.answer_pairs import pairs_of

    overrides = [f"data.test={test}", f"bundle={bundle}", *job["settings"], f"training.strategies=[{job['strategy']}]"]
    made = Run(planned := plan(as_recipe(str(train), overrides)), bundle.parent, Addition())
    rows, block = planned.data.train, planned.recipe.training
    evidences = {"before": likely(made)}
    model = made.adapted()
    features = list(planned.task.sample(made._encoded(rows)))
    run = RunState(model, planned.task, None, lambda loss: None, processor=made.processor, encode=made._encoded)
    found = pairs_of(run, rows, features, "the training rows")
    ids = [
        {"prompt_ids": one.prompt.tolist(), "chosen_ids": one.written.tolist(), "rejected_ids": other.written.tolist()}
        for one, other in found.values()
    ]

    class AsGiven(DPOTrainer):  # type: ignore[misc]
        """Rows come as token ids."""

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    begun = time.perf_counter()
    config = DPOConfig(
        str(bundle.parent / "trl"), per_device_train_batch_size=block.batch_size, num_train_epochs=block.epochs,
        max_steps=block.max_steps or -1, learning_rate=block.learning_rate, lr_scheduler_type="linear",
        warmup_steps=block.warmup, weight_decay=block.weight_decay, max_grad_norm=block.clip,
        gradient_checkpointing=False, precompute_ref_log_probs=True, max_length=None, beta=0.1,
        bf16=planned.machine.precision == "bf16", use_cpu=planned.machine.device == "cpu", seed=block.seed,
        report_to="none", save_strategy="no", logging_steps=5, disable_tqdm=True,
    )  # fmt: skip
    trainer = AsGiven(model, args=config, train_dataset=Dataset.from_list(ids), processing_class=made.processor)
    trainer.train()
    seconds = time.perf_counter() - begun
    made.model = planned.method.merge(trainer.model)
    made.computing = made.model.eval()
    evidences = with_margins({**evidences, "after": likely(made)})
    names = [*FIGURES, "perplexity"]
    sides = {side: measure(evidence, names).figures(0.95) for side, evidence in evidences.items()}
    told = {
        side: {name: {key: getattr(figure, key) for key in ("value", "low", "high")} for name, figure in found.items()}
        for side, found in sides.items()
    }
    steps = int(trainer.state.global_step)
    history = [entry for entry in trainer.state.log_history if "rewards/accuracies" in entry]
    training = {"seconds": seconds, "samples_per_second": steps * block.batch_size / seconds, "steps": steps}
    return {
        **told,
        "training": training,
        "rows": {"train": len(ids), "test": len(planned.data.test)},
        "history": history,
    }


def likely(made: Any) -> dict[str, Any]:
    """Evidence of the test rows' answers, in fp32; nothing is written."""
    predictor, rows = made._predictor("fp32"), made.plan.data.test
    evidence: dict[str, Any] = made.task.likely(predictor, rows, predictor.encode(rows, targets=True))
    return evidence


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / "preference.json"
    found = harness.kept(path, {})
    run = harness.context()
    for language in given.languages:
        for what in given.only:
            name = what if language == "en" else f"{what} {language}"
            made = harness.child(__file__, job_of(given, what, language))
            found[name] = {**made, **run, "what": what, "language": language}
            harness.write(given.results, "preference", "Preferences and rewards", page(found), found)


def job_of(given: argparse.Namespace, what: str, language: str) -> dict[str, Any]:
    """What a child is told."""
    settings = [*SHARED, *(GRPO if what == "grpo" else [*OF_PAIRS, f"model.max_length={given.length}"]), *given.set]
    rows, test_rows = (given.sums, 44) if what == "grpo" else (given.rows, given.test_rows)
    return {
        "what": what, "language": language, "data": str(given.data), "seed": 13, "rows": rows,
        "test_rows": min(test_rows, given.test_rows), "settings": settings, "strategy": STRATEGIES.get(what, SUMS),
    }  # fmt: skip


GRPO = [
    "task.max_new_tokens=12", "data.split.validation=0.16", "model.max_length=80", "training.learning_rate=3e-4",
    "training.epochs=4", "training.max_steps=40", "data.split.near_duplicates=false", "data.answer=answer",
]  # fmt: skip


def options() -> argparse.Namespace:
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--languages", nargs="+", choices=["en", "zh"], default=["en"])
    parser.add_argument("--rows", type=int, default=200, help="training pairs (default: 200)")
    parser.add_argument("--test-rows", type=int, default=100, help="pairs that are held out (default: 100)")
    parser.add_argument("--sums", type=int, default=100, help="questions that grpo learns from (default: 100)")
    parser.add_argument("--length", type=int, default=320, help="tokens of a question and its answer (default: 320)")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run, training.epochs=2 ...")
    given = harness.parse(parser)
    if given.quick:
        given.rows, given.test_rows, given.sums, given.length = 12, 8, 16, 96
        given.set = ["training.max_steps=2", "training.batch_size=4", *given.set]
    return given


def page(found: dict[str, Any]) -> list[str]:
    """A table of the pairs, and one of the reward."""
    learned = {name: one for name, one in found.items() if one["what"] in PAIRS}
    rows = [
        [
            TITLES.get(one["what"], f"`{one['what']}`") + ("" if one["language"] == "en" else f", {one['language']}"),
            *(harness.interval(one[side][metric]) for metric in ("preference_accuracy", "reward_accuracy")
              for side in ("before", "after") if (side, metric) != ("before", "reward_accuracy")),
            *(f"{one[side]['perplexity']['value']:.2f}" for side in ("before", "after")),
            "-" if "facts" not in one else f"{one['facts']['kl']:.3f}",
            one["training"]["steps"], f"{one['training']['seconds']:,.0f}",
            f"{one['training']['samples_per_second']:.2f}", one["peak_mib"] or "-",
        ]
        for one in learned.values()
    ]  # fmt: skip
    header = ["learned by", "better answer likelier, before", "after", "better answer gained more", "perplexity before",
              "after", "KL", "steps", "training s", "pairs/s", "peak MiB"]  # fmt: skip
    lines = ["## Pairs of instruct_demo", "", *harness.table(header, rows), ""] if rows else []
    lines += [
        f"- {name}: {one['rows']['train']} training rows, {one['rows']['test']} held out."
        for name, one in learned.items()
    ]
    for name, one in found.items():
        if one["what"] == "grpo":
            lines += ["", *of_reward(name, one)]
    return [*lines, *harness.parts_lines(found)]


def of_reward(name: str, one: dict[str, Any]) -> list[str]:
    """The reward on held-out questions, and on the way."""
    facts, training = one["facts"], one["training"]
    way = [entry for entry in one["history"] if "grpo" in entry]
    both = ("mean_reward", "exact_match")
    sides = [[side, *(harness.interval(one[side][metric]) for metric in both)] for side in ("before", "after")]
    keys = ("reward", "arithmetic", "format", "kl")
    steps = [[entry["step"], *(f"{entry['grpo'][key]:.3f}" for key in keys)] for entry in way]
    return [
        f"## Sums by a reward alone: {name}", "", f"Asked: {ASKED[one['language']].format(7, 5)}", "",
        *harness.table(["held-out questions", "mean reward", "exactly the sum"], sides), "",
        f"{one['rows']['train']} training questions, {training['steps']} steps, {training['seconds']:,.0f} s; "
        f"{facts['kl']:.3f} nats a token away from the start. Reward: 1 for the right number, 0.5 for a sum alone.",
        "", *harness.table(["step", "reward of drawn answers", "right", "a sum alone", "KL"], steps), "",
    ]  # fmt: skip


if __name__ == "__main__":
    harness.entry(work, main)
