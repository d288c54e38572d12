"""Bundles that a task asks when it is measured: opened here, since tasks know no bundles."""

from __future__ import annotations

from tunesmith.bundle.read import read_bundle
from tunesmith.core.contracts import Task


def hand_over(task: Task) -> Task:
    """The task, with every bundle that it asks. Their weights are loaded when they are first asked.

    Raises:
        BundleError: there is no such bundle.
        RecipeError: it is of no use to the task.
    """
    for word, folder in task.asks.items():
        task.hand(word, read_bundle(folder))
    return task
