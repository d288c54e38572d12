"""kill -9 in the middle of a run, in four places: the same command goes on and ends with the same weights.

    python benchmarks/kill_resume.py --data FOLDER

Each run is ``python -m tunesmith tune`` on a few hundred rows of banking77. While it runs, the bundle's place is
looked at every few milliseconds: either nothing is there, or a bundle that reads whole, every hash checked.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import harness

EVERY = 0.003
"""Seconds between looks."""


class Traces:
    """What a run leaves beside its bundle while it is at work."""

    def __init__(self, bundle: Path) -> None:
        self.bundle = bundle

    def log(self) -> list[dict[str, Any]]:
        """Lines of the run's log that are whole."""
        found = []
        for path in self.bundle.parent.glob(f".{self.bundle.name}.run-*/log.jsonl"):
            for line in path.read_text("utf-8").splitlines():
                try:
                    found.append(json.loads(line))
                except json.JSONDecodeError:
                    continue
        return found

    def in_stage(self, name: str) -> bool:
        """Whether the run has entered a stage."""
        return any(line.get("stage") == name for line in self.log())

    def part_files(self) -> list[Path]:
        """Files of a bundle that is being written."""
        return list(self.bundle.parent.glob(f".{self.bundle.name}.*.part/**/*"))

    def training(self) -> bool:
        """Some steps after a checkpoint: their work is lost and has to be done again."""
        saved = list(self.bundle.parent.glob(f".{self.bundle.name}.run-*/checkpoint/facts.json"))
        if not saved:
            return False
        step = json.loads(saved[0].read_text("utf-8"))["progress"]["step"]
        return any(line.get("step", 0) > step for line in self.log())

    def evaluation(self) -> bool:
        """The last weights are there, and nothing has been measured."""
        return self.in_stage("evaluate")

    def saving(self) -> bool:
        """The weights are in the hidden folder, perhaps half of them."""
        return any(path.name == "model.safetensors" for path in self.part_files())

    def reloading(self) -> bool:
        """The bundle is whole in its hidden folder, and a fresh process proves it."""
        return self.in_stage("reload")


PLACES: dict[str, tuple[Callable[[Traces], bool], str]] = {
    "training": (Traces.training, "steps after a checkpoint"),
    "evaluation": (Traces.evaluation, "training done, the test rows are being answered"),
    "saving": (Traces.saving, "half of the bundle is in its hidden folder"),
    "reloading": (Traces.reloading, "the hidden folder is whole and is being proven"),
}


class Watch(threading.Thread):
    """Looks at the bundle's place until told to stop."""

    def __init__(self, bundle: Path) -> None:
        super().__init__(daemon=True)
        self.bundle, self.looks, self.whole, self.half = bundle, 0, 0, []
        self._end = threading.Event()

    def run(self) -> None:
        """Look, and look again."""
        while not self._end.wait(EVERY if not self.whole else 0.2):
            self.look()

    def look(self) -> None:
        """Is nothing there, or a whole bundle?"""
        from tunesmith.bundle.read import read_bundle

        self.looks += 1
        if not self.bundle.exists():
            return
        try:
            read_bundle(self.bundle)
            self.whole += 1
        except Exception as error:  # whatever it is: the place held something that is no bundle
            self.half.append(f"{type(error).__name__}: {error}")

    def stop(self) -> None:
        """Look a last time."""
        self._end.set()
        self.join()
        self.look()


@contextmanager
def watched(bundle: Path) -> Any:
    watch = Watch(bundle)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def start(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "tunesmith", *command], stdout=subprocess.PIPE, text=True)


def finished(command: list[str], bundle: Path) -> dict[str, Any]:
    """Run the command to its end: its outcome, the weights' hash, seconds."""
    began = time.perf_counter()
    process = start(command)
    out, _ = process.communicate()
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(out)
    told = json.loads(out)
    digest = hashlib.sha256((bundle / "model.safetensors").read_bytes()).hexdigest()
    return {"sha256": digest, "seconds": seconds, "metrics": told["metrics"], "training": told["training"]}


def killed(command: list[str], bundle: Path, reached: Callable[[Traces], bool]) -> dict[str, Any]:
    """Start the command and kill it with SIGKILL once it is where it should be."""
    traces, began = Traces(bundle), time.perf_counter()
    process = start(command)
    while process.poll() is None:
        try:
            there = reached(traces)
        except (OSError, json.JSONDecodeError):  # a file was renamed between two looks
            there = False
        if there:
            process.kill()
            process.communicate()
            steps = [line["step"] for line in traces.log() if "step" in line]
            left = sorted(path.name.replace(str(process.pid), "PID") for path in bundle.parent.glob(".bundle.*"))
            return {
                "at_seconds": time.perf_counter() - began,
                "at_step": max(steps, default=0),
                "left": [name.partition(".run-")[0] + ".run-HASH" if ".run-" in name else name for name in left],
                "part_files": len(traces.part_files()),
                "target_there": bundle.exists(),
            }
        time.sleep(EVERY)
    raise SystemExit("The run ended before it could be killed: give more --rows or --epochs.")


def trial(place: str, command: Callable[[Path], list[str]]) -> dict[str, Any]:
    """Kill, resume; in a folder of its own. ``place`` "": nothing is killed."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder, "bundle")
        with watched(bundle) as watch:
            kill = killed(command(bundle), bundle, PLACES[place][0]) if place else {}
            found = finished(command(bundle), bundle)
        rest = [path.name for path in Path(folder).iterdir() if path != bundle]
    return {**found, "kill": kill, "looks": watch.looks, "whole": watch.whole, "half": watch.half, "rest": rest}


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: the undisturbed run, then a kill in each place."""
    with tempfile.TemporaryDirectory() as folder:
        train, test = harness.train_and_test(Path(job["data"], "banking77"), folder, job["rows"], job["test_rows"])

        def command(bundle: Path) -> list[str]:
            chosen = [f"data.test={test}", f"bundle={bundle}", "model=minilm", "training.checkpoint_seconds=1"]
            return ["tune", str(train), *chosen, *job["overrides"], "--json"]

        return {"trials": {place: trial(place, command) for place in ("", *job["places"])}}


def main() -> None:
    """The command line."""
    given = options()
    run = harness.context()
    job = {key: getattr(given, key) for key in ("data", "rows", "test_rows", "places")}
    overrides = [f"training.epochs={given.epochs:g}", "evaluation.baselines=false", *given.set]
    found = harness.child(__file__, {**job, "overrides": overrides})
    lines = [*harness.context_lines(run), "", f"Overrides: `{' '.join(overrides)}`.", "", *page(found["trials"])]
    harness.write(given.results, "kill_resume", "kill -9, and the same command again", lines, {**run, **found})


def options() -> argparse.Namespace:
    parser = harness.parser(__doc__)
    parser.add_argument("--rows", type=int, default=800)
    parser.add_argument("--test-rows", type=int, default=600)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--places", nargs="+", choices=list(PLACES), default=list(PLACES))
    parser.add_argument("--set", nargs="*", default=[], help="overrides, method=lora ...")
    given = harness.parse(parser)
    if given.quick:
        given.rows, given.test_rows, given.epochs = 160, 60, 1
    return given


def page(trials: dict[str, Any]) -> list[str]:
    whole = trials[""]
    rows = []
    for place, found in trials.items():
        kill = found["kill"]
        rows.append(
            [
                f"{place}: {PLACES[place][1]}" if place else "nowhere (undisturbed)",
                f"{kill['at_step']} of {whole['training']['steps']}" if kill else "-",
                f"{kill['at_seconds']:.1f}" if kill else "-",
                ", ".join(f"`{name}`" for name in kill["left"]) if kill else "-",
                found["training"]["resumed_at"] if kill else "-",
                f"{found['seconds']:.1f}",
                f"`{found['sha256'][:12]}`",
                "yes" if found["sha256"] == whole["sha256"] and found["metrics"] == whole["metrics"] else "**NO**",
                f"{len(found['half'])} of {found['looks']:,}",
                ", ".join(found["rest"]) or "nothing",
            ]
        )
    header = "killed at|step|after s|left behind|resumed at step|last run s|weights sha256|same weights and figures"
    lines = harness.table([*header.split("|"), "half bundles seen", "left at the end"], rows)
    same = all(found["sha256"] == whole["sha256"] for found in trials.values())
    half = sum(len(found["half"]) for found in trials.values())
    early = [place for place, found in trials.items() if found["kill"] and found["kill"]["target_there"]]
    lines += [
        "",
        f"All weights are {'the same, byte for byte' if same else 'NOT the same'}; half bundles seen: {half}.",
    ]
    lines += [f"A bundle was already there when killed at {place}." for place in early]
    return lines


if __name__ == "__main__":
    harness.entry(work, main)
