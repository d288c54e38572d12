"""How tasks that are trained together are trained, where the recipe is silent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def trained_together(parts: Iterable[Mapping[str, Any]], own: Callable[[str], float]) -> dict[str, Any]:
    """What ``Task.training`` of the parts comes to: nobody's rate is exceeded, and nobody has too few steps.

    Args:
        parts: what each says, for every method and for some of them.
        own: method -> its own learning rate, which holds for parts that are silent.

    Returns:
        The largest ``least_steps`` and, of the methods that a part names, the smallest ``learning_rate``.

    >>> tags, asked = {"least_steps": 600, "lora": {"learning_rate": 5e-4}}, {"full": {"learning_rate": 2e-4}}
    >>> trained_together([tags, asked, {}], {"lora": 2e-3, "full": 1e-4}.__getitem__)
    {'least_steps': 600, 'lora': {'learning_rate': 0.0005}, 'full': {'learning_rate': 0.0001}}
    """
    parts = list(parts)
    steps = max((said.get("least_steps", 0) for said in parts), default=0)
    rates: dict[str, float] = {}
    for said in parts:
        for method, values in said.items():
            if isinstance(values, Mapping) and "learning_rate" in values:
                rates[method] = min(rates.get(method, own(method)), values["learning_rate"])
    made: dict[str, Any] = {"least_steps": steps} if steps else {}
    return made | {method: {"learning_rate": rate} for method, rate in rates.items()}
