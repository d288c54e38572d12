"""Run a bundle's recipe again: same data, same base weights, same figures?"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

from tunesmith.bundle.environment import packages
from tunesmith.bundle.layout import ENVIRONMENT, RECIPE
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.errors import BundleError
from tunesmith.core.recipe import Recipe
from tunesmith.core.registry import family
from tunesmith.pipeline.plan import plan
from tunesmith.pipeline.run import run

SAME = 1e-6
"""Figures closer than this are the same: the bootstrap and the training are seeded."""


def reproduced(path: str | Path, output: str | None = None) -> dict[str, Any]:
    """Tune again and compare.

    Args:
        output: where to keep the second bundle; None: it is dropped.

    Returns:
        ``agrees``, ``verdict`` in words, ``metrics``: name -> then and now, ``differences`` in words.

    Raises:
        TunesmithError: the bundle is damaged or was not tuned, or its data or model cannot be had any more.
    """
    first = read_bundle(path)
    if first.manifest.lineage.parent is not None:
        raise BundleError(
            f"{first.path} was made from other bundles, which a recipe alone does not make again.",
            "Run the command that made it again, from the same bundles: tunesmith learn, soup or ensemble.",
        )
    refuse_otherwise_made(first)
    with tempfile.TemporaryDirectory(prefix="tunesmith-") as scratch:
        target = output or str(Path(scratch, first.path.name))
        recipe = Recipe.model_validate({**first.manifest.recipe, "bundle": target})
        planned = plan(recipe)
        differences = _differences(first, planned)
        second = run(planned)
        pairs = {
            name: {"then": figure.value, "now": second.manifest.metrics[name].value}
            for name, figure in first.manifest.metrics.items()
        }
        exact = _weights(first) == _weights(second)
    apart = [name for name, pair in pairs.items() if not same(**pair)]
    agrees = not apart
    words = "The figures agree" + (", and the weights are the same, byte for byte." if exact else ".")
    return {
        "bundle": str(first.path),
        "agrees": agrees,
        "identical_weights": exact,
        "verdict": words if agrees else f"The figures do not agree: {', '.join(apart)}.",
        "metrics": pairs,
        "differences": differences,
    }


def refuse_otherwise_made(bundle: Bundle) -> None:
    """Raise BundleError where it was not tuned: its recipe is another verb's, and tuning would make something else."""
    name, again = bundle.manifest.task.name, f"{bundle.path / RECIPE} bundle={bundle.path}-again"
    if name in family("prompts"):
        raise BundleError(
            f"{bundle.path} was found by tunesmith prompt, which trains nothing; only what was tuned is reproduced.",
            f"Search again, and compare: tunesmith prompt {again} --way {name.removeprefix('prompted-')}",
        )
    if name in family("objectives"):
        raise BundleError(
            f"{bundle.path} was pretrained; only what was tuned is reproduced.",
            f"Pretrain again, and compare: tunesmith pretrain {again}",
        )


def same(then: float, now: float) -> bool:
    """Whether two values of a figure agree: both are not defined, or they are as near as makes no difference.

    >>> same(0.5, 0.5), same(float("nan"), float("nan")), same(0.5, float("nan"))
    (True, True, False)
    """
    if not math.isfinite(then) or not math.isfinite(now):  # a manifest keeps no infinity
        return not math.isfinite(then) and not math.isfinite(now)
    return abs(then - now) <= SAME


def _weights(bundle: Bundle) -> dict[str, str]:
    return {n: f.sha256 for n, f in bundle.manifest.files.items() if n.endswith(".safetensors") and "/" not in n}


def _differences(first: Bundle, planned: Any) -> list[str]:
    """What is not as it was then, and may explain other figures."""
    said = []
    for name, now in planned.data.fingerprints.items():
        then = first.manifest.data.get(name) or {}
        if now != then:
            said.append(f"the {name} rows are other ones: {then.get('rows')} then, {now['rows']} now")
    if first.manifest.lineage.content_hash != planned.reference.content_hash:
        said.append("the base model's files are other ones")
    path = first.path / ENVIRONMENT
    then_packages = set(path.read_text("utf-8").splitlines()) if path.is_file() else set()
    changed = [line for line in packages() if line not in then_packages]
    if then_packages and changed:
        said.append(f"other package versions: {', '.join(changed[:8])}")
    return said
