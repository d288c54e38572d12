"""How tasks that tag each word are trained, where the recipe is silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SLOWLY = {"learning_rate": 5e-4}
"""At the methods' own 2e-3 e5-small learned nothing of 800 sentences (benchmarks/LOG.md)."""
TAGGING: Mapping[str, Any] = {"least_steps": 600, "lora": SLOWLY, "qlora": SLOWLY, "adapter": SLOWLY}
"""``least_steps``: most words are outside, and a new head says so of all of them for hundreds of steps."""
