"""A progress bar with the time left, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from tunesmith.core.contracts import Tracker

STAGES = {
    "read": "reading the data",
    "baselines": "baselines",
    "before": "the model before tuning",
    "features": "features of the frozen backbone",
    "train": "training",
    "soup": "averaging the weights",
    "select": "choosing the members' weights",
    "route": "the router",
    "cut": "reading the models, and cutting where it is asked",
    "export": "writing graphs and their forms",
    "measure": "measuring every form on the rows that choose",
    "prove": "holding the pick to its parent on the test rows",
    "test": "measuring every form on the test rows",
    "evaluate": "evaluating on the test rows",
    "save": "writing the bundle",
    "reload": "reloading it in a fresh process",
}


OF_STRATEGIES = 4
"""Figures of strategies that a line has room for."""
QUIET = 5.0
"""Seconds between lines of a stage without steps, where there is no terminal."""


class Console(Tracker):
    """A bar on a terminal; a line for each stage, each evaluation and every tenth of the way elsewhere."""

    name: ClassVar[str] = "console"
    summary: ClassVar[str] = "progress bar with the time left, on stderr"

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._total = 0
        self._first = 0
        self._printed = 0
        self._said = 0.0
        self._begun = 0.0

    def start(self, folder: str, run: Mapping[str, Any]) -> None:
        """What was guessed and left out, while there is time to stop."""
        for note in run.get("notes", ()):
            self._say(f"  {note}")

    def steps(self, done: int, total: int) -> None:
        """The number of steps is known."""
        self.finish()
        self._total, self._first, self._begun = total, done, time.monotonic()
        self._printed = done * 10 // total if total else 0
        if done:
            self._say(f"  an earlier run got to step {done}; going on from there")
        if sys.stderr.isatty():
            self._open(done)

    def _open(self, done: int) -> None:
        from rich.console import Console as Terminal
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        self._bar = Progress(*columns, TextColumn("{task.fields[figures]}"), console=Terminal(stderr=True))
        self._task = self._bar.add_task("training", total=self._total, completed=done, figures="")
        self._bar.start()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Move the bar, or print a line where there is no terminal."""
        validation = [key for key in values if key.startswith("validation/")]
        own = [key for key in values if "/" in key and key not in validation]
        shown = validation[:2] or ["loss", *own[:OF_STRATEGIES], "samples_per_second"]
        figures = "  ".join(f"{key.replace('_', ' ')} {values[key]:.4g}" for key in shown if key in values)
        if validation:
            self._say(f"  step {step}/{self._total}  {figures}")
        else:
            self._advance(step, f"step {step}/{self._total}  {figures}", figures)

    def progress(self, done: int, total: int) -> None:
        """Move the stage's bar; elsewhere a line from time to time, none in a short stage."""
        if self._total != total:
            self._total, self._first = total, 0
            if sys.stderr.isatty():
                self._open(0)
        if self._bar is not None or time.monotonic() - self._said > QUIET:
            self._advance(done, f"{done}/{total}", "")

    def _advance(self, done: int, line: str, figures: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=done, figures=figures)
        elif self._total and done * 10 // self._total > self._printed:
            self._printed = done * 10 // self._total
            left = (time.monotonic() - self._begun) / max(1, done - self._first) * (self._total - done)
            self._say(f"  {line}  {left:.0f} s left")

    def stage(self, name: str) -> None:
        """One line."""
        self.finish()
        self._total, self._printed, self._begun = 0, 0, time.monotonic()
        self._say(f"- {STAGES.get(name, name)}")

    def finish(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _say(self, line: str) -> None:
        self._said = time.monotonic()
        if self._bar is not None:
            self._bar.console.print(line, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)
