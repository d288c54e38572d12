"""What strategies need of a method and a task, in words where it is not there: for ``Strategy.fits``."""

from __future__ import annotations

from tunesmith.core.contracts import Method, Task
from tunesmith.training.strategies.decisions import decides


def backbone(method: Method) -> str | None:
    """A backbone that is computed at each step."""
    if not method.frozen_backbone:
        return None
    return f"method={method.name} trains a head on finished vectors, so there is no backbone to change."


def own_table(method: Method) -> str | None:
    """Embeddings that are a table which can be written to."""
    if method.name not in ("prompt", "p_tuning"):
        return None
    return f"method={method.name} computes rows of the embeddings at each look, so they cannot be moved; take pgd."


def classes(task: Task) -> str | None:
    """Classes to decide between."""
    return None if decides(task) else f"{task.name} does not decide between classes."


def one_class(task: Task) -> str | None:
    """One class a row."""
    if task.one_class:
        return None
    return f"it draws rows of one class together, and a row of {task.name} has no one class."


def text_vector(task: Task) -> str | None:
    """One answer a text or pair, read from one vector."""
    if task.one_vector:
        return None
    return f"it works on the one vector that a text's answer is read from; {task.name} has none, or several."


def counted_classes(task: Task) -> str | None:
    """Classes that are the same in every row."""
    if task.same_classes:
        return classes(task)
    return f"it weighs classes by how often they are, and those of {task.name} are other ones in each row or part."


def parts(task: Task) -> str | None:
    """A mixture's."""
    return None if task.name == "mixture" else f"it balances the parts of a mixture, and {task.name} has none."


def causal(task: Task) -> str | None:
    """A causal model that writes answers."""
    if task.auto_model == "AutoModelForCausalLM":
        return None
    return f"it compares answers that a causal model writes (task=dialogue), and {task.name} has no such model."


def unpacked(task: Task) -> str | None:
    """A row of its own for each answer."""
    return "set task.packing=false: answers are compared one by one." if getattr(task, "packing", False) else None
