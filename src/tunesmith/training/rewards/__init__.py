"""What written answers are worth: functions of rows and texts, for ``grpo``."""

from tunesmith.core.registry import Registry

REWARDS = Registry(
    "reward",
    {
        "arithmetic": "tunesmith.training.rewards.arithmetic:Arithmetic",
        "bundle": "tunesmith.training.rewards.bundle:OfBundle",
        "format": "tunesmith.training.rewards.format:Format",
        "length": "tunesmith.training.rewards.length:Length",
    },
)
