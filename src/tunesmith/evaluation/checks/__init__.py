"""Measured properties beyond the metric. A new one: a file here, a line in this table."""

from tunesmith.core.registry import Registry

CHECKS = Registry(
    "check",
    {
        "calibration": "tunesmith.evaluation.checks.calibration:Calibration",
        "context": "tunesmith.evaluation.checks.context:Context",
        "judge": "tunesmith.evaluation.checks.judge:Judge",
    },
)
