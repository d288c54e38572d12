"""Several rewards as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.core.contracts import Reward, Row
from tunesmith.core.errors import RecipeError
from tunesmith.core.registry import family


class Together:
    """The weighted sum of rewards, as a recipe names them.

    Args:
        blocks: each a name, or a mapping of ``name``, ``weight`` (1) and the reward's own options.

    Raises:
        RecipeError: there is none, one is not known, or an option of it is wrong.
    """

    def __init__(self, blocks: Sequence[str | Mapping[str, Any]]) -> None:
        named = [{"name": block} if isinstance(block, str) else dict(block) for block in blocks]
        if not named:
            raise RecipeError("grpo.rewards is empty.", "Name one: rewards: [{name: format, pattern: ...}]")
        self.weights = [_weight(block) for block in named]
        self.rewards: list[Reward] = [_made(block) for block in named]
        names = [reward.name for reward in self.rewards]
        self.names = [
            f"{name}_{names[:i].count(name) + 1}" if name in names[:i] else name for i, name in enumerate(names)
        ]

    @property
    def reads(self) -> tuple[str, ...]:
        """Roles that any of them compares with."""
        return tuple(dict.fromkeys(role for reward in self.rewards for role in reward.reads))

    def problem(self) -> str | None:
        """Why one of them cannot be used, in words; None where all can."""
        return next((why for reward in self.rewards if (why := reward.problem())), None)

    def __call__(self, rows: Sequence[Row], texts: Sequence[str]) -> tuple[list[float], dict[str, list[float]]]:
        """The sum for each text, and each reward by itself, without its weight."""
        each = {name: reward(rows, texts) for name, reward in zip(self.names, self.rewards, strict=True)}
        columns = zip(*each.values(), strict=True)
        return [sum(w * v for w, v in zip(self.weights, values, strict=True)) for values in columns], each


def _weight(block: dict[str, Any]) -> float:
    weight = block.pop("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise RecipeError(f"grpo.rewards: a weight is {weight!r:.40}.", "Give a number.")
    return float(weight)


def _made(block: dict[str, Any]) -> Reward:
    from pydantic import ValidationError

    name = block.pop("name", None)
    if not isinstance(name, str):
        raise RecipeError(f"grpo.rewards: {block!r:.80} names no reward.", "Write: {name: format, pattern: ...}")
    try:
        made: Reward = family("rewards").make(name, block)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors())
        raise RecipeError(
            f'grpo.rewards: the options of "{name}" are wrong: {said}.', "See docs/preference.md."
        ) from error
    return made
