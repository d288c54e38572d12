"""Full fine-tuning: samples a second, accuracy and share of the matrix-product peak, against two Trainer scripts.

    python benchmarks/finetune_speed.py --data FOLDER                  # both sets; the textbook Trainer is only timed
    python benchmarks/finetune_speed.py --data FOLDER --full-textbook  # ... is trained to the end, for its accuracy
    python benchmarks/finetune_speed.py --data FOLDER --try-good 150   # which settings make the good Trainer fastest

Same model (MiniLM-L6 from its package), rows, epochs, batch, cores, learning rate and linear schedule for all.
Every contender runs in a process of its own, one after the other, ``--rounds`` times with another seed each time.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from statistics import mean, median
from typing import Any

import harness
from speed_contenders import SETS, Job
from speed_contenders import work as do

CONTENDERS = {
    "textbook": "(a) textbook Trainer",
    "good": "(b) good Trainer",
    "ours": "tunesmith, the same rates",
    "ours-defaults": "tunesmith, its own rates",
}
WANTED = {"banking77": {"textbook": 15.0, "good": 1.6}, "imdb": {"textbook": 2.0, "good": 1.3}}
TRIED = {
    "as measured": {},
    "fp32": {"bf16": False},
    "optimizer not fused": {"optim": "adamw_torch"},
    "random order": {"train_sampling_strategy": "random"},
    "eager attention": {"attention": "eager"},
    "one thread": {"threads": 1},
    "no gradient clipping": {"max_grad_norm": 0.0},
    "torch.compile": {"torch_compile": True},
}
"""Settings of the good Trainer: what is changed, one at a time."""


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child."""
    return do(Job(**job))


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / "finetune_speed.json"
    kept = harness.kept(path, {"sets": {}})
    for name in given.sets:
        job = base_job(given, name)
        run = harness.context()
        if given.try_good:
            tried = try_good(job, given.try_good)
            lines = [*harness.context_lines(run), "", *tried_page(tried, given.try_good)]
            title = f"Settings of the good Trainer on {name}"
            harness.write(given.results, f"finetune_speed_tried_{name}", title, lines, {**run, "tried": tried})
            continue
        contenders = race(job, given)
        # The machine's speed is measured before and after: the higher one is the peak.
        later = harness.machine()["gflops"]
        run["machine"]["gflops"] = {key: max(peak, later[key]) for key, peak in run["machine"]["gflops"].items()}
        kept["sets"][name] = {**run, "contenders": contenders}
        lines = [line for key, found in kept["sets"].items() for line in page(key, found)]
        harness.write(given.results, "finetune_speed", "Speed of full fine-tuning", lines, kept)


def options() -> argparse.Namespace:
    parser = harness.parser(__doc__)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--rows", type=int, help="training rows (default: all of banking77, 1,000 of IMDB)")
    parser.add_argument("--test-rows", type=int, help="test rows (default: all of banking77, 1,000 of IMDB)")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--rounds", type=int, default=1, help="speed is the median, accuracy the mean")
    parser.add_argument("--steps-textbook", type=int, default=60, help="time so many steps of the textbook Trainer")
    parser.add_argument("--full-textbook", action="store_true", help="train the textbook Trainer to the end")
    parser.add_argument("--try-good", type=int, metavar="STEPS", help="time variants of the good Trainer, and stop")
    given = harness.parse(parser)
    if given.quick:
        given.rows, given.test_rows, given.epochs, given.steps_textbook = given.rows or 32, 16, 1, 1
    return given


def base_job(given: argparse.Namespace, name: str) -> Job:
    small = 1000 if name == "imdb" else None
    return Job(
        contender="good",
        set=name,
        data=str(given.data),
        rows=given.rows or small,
        test_rows=given.test_rows or small,
        epochs=given.epochs,
        batch_size=given.batch_size,
        learning_rate=given.learning_rate,
    )


def race(job: Job, given: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Contender -> its figures in each round; the contenders take turns."""
    found: dict[str, list[dict[str, Any]]] = {contender: [] for contender in given.contenders}
    for number in range(given.rounds):
        for contender in given.contenders:
            steps = None if contender != "textbook" or given.full_textbook else given.steps_textbook
            turn = {**asdict(job), "contender": contender, "seed": 13 + number, "steps": steps}
            found[contender].append(harness.child(__file__, turn))
    return found


def try_good(job: Job, steps: int) -> dict[str, float]:
    """Variant -> samples a second."""
    found = {}
    for words, changes in TRIED.items():
        try:
            figures = harness.child(__file__, {**asdict(job), "steps": steps, "options": changes})
        except SystemExit as error:  # a variant that this machine cannot run is a result, too
            print(error)
            continue
        found[words] = round(figures["samples_per_second"], 1)
    return found


def page(name: str, run: dict[str, Any]) -> list[str]:
    """A section of the page."""
    contenders = run["contenders"]
    first = next(iter(contenders.values()))[0]
    speeds = {key: median(one["samples_per_second"] for one in rounds) for key, rounds in contenders.items()}
    header = "contender|precision|samples/s|tunesmith is|test accuracy|training s|whole process s|MiB|of the peak"
    lines = [
        f"## {name}",
        "",
        f"{first['rows']:,} rows of {first['tokens_per_row']} tokens, {first['classes']} classes; "
        f"{first['flops_per_row'] / 1e9:.2f} GFLOP a row for forward and backward without padding. "
        f"Rounds: {max(map(len, contenders.values()))}.",
        "",
        *harness.table(header.split("|"), [row(key, run, speeds) for key in contenders]),
        "",
        *speed_gaps(name, speeds),
        *accuracy_gaps(contenders),
        "",
        "Settings:",
        "",
    ]
    for key, rounds in contenders.items():
        lines.append(f"- {CONTENDERS[key]}: {', '.join(f'{k} {v}' for k, v in rounds[0]['settings'].items())}.")
    everyone = [one for rounds in contenders.values() for one in rounds]
    return [*lines, "", *harness.context_lines(run), *harness.busy_note(everyone), ""]


def row(key: str, run: dict[str, Any], speeds: dict[str, float]) -> list[str]:
    """A contender's line: medians over the rounds, and the mean accuracy."""
    rounds = run["contenders"][key]
    first = rounds[0]
    whole = [one["accuracy"] for one in rounds if "accuracy" in one]
    share = first["flops_per_row"] * speeds[key] / 1e9 / run["machine"]["gflops"][first["precision"]]
    return [
        CONTENDERS[key],
        first["precision"],
        f"{speeds[key]:.1f}",
        f"{speeds['ours'] / speeds[key]:.2f}x" if "ours" in speeds else "-",
        f"{mean(whole):.4f}" if whole else f"timed {first['steps']} steps",
        f"{median(one['train_seconds'] for one in rounds):.1f}",
        f"{median(one['wall'] for one in rounds):.1f}",
        f"{max(one['peak_mib'] for one in rounds):,}",
        f"{100 * share:.0f}%",
    ]


def speed_gaps(name: str, speeds: dict[str, float]) -> list[str]:
    """Whether it is as much faster as wanted."""
    lines = []
    for key, least in WANTED[name].items():
        if key in speeds and "ours" in speeds:
            times = speeds["ours"] / speeds[key]
            verdict = "met" if times >= least else "NOT met"
            lines.append(f"- Wanted: at least {least:g}x {CONTENDERS[key]}; measured {times:.2f}x: {verdict}.")
    return lines


def accuracy_gaps(contenders: dict[str, list[dict[str, Any]]]) -> list[str]:
    """How far our accuracy is from each Trainer's, in points."""
    means = {key: mean(run["accuracy"] for run in runs) for key, runs in contenders.items() if "accuracy" in runs[0]}
    lines = []
    for key in ("textbook", "good"):
        if key in means and "ours" in means:
            gap = 100 * (means["ours"] - means[key])
            verdict = "met" if gap >= -0.5 else "NOT met"
            lines.append(f"- Wanted: accuracy no more than 0.5 points below {CONTENDERS[key]}; {gap:+.2f}: {verdict}.")
    return lines


def tried_page(tried: dict[str, dict[str, float]], steps: int) -> list[str]:
    rows = [[words, *(found.get(words, "fails") for found in tried.values())] for words in TRIED]
    about = f"Samples a second over {steps} steps from a cold start; one setting changed at a time."
    return [about, "", *harness.table(["changed", *tried], rows)]


if __name__ == "__main__":
    harness.entry(work, main)
