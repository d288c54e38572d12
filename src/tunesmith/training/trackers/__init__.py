"""Where a run is written down."""

from tunesmith.core.registry import Registry

TRACKERS = Registry(
    "tracker",
    {
        "console": "tunesmith.training.trackers.console:Console",
        "jsonl": "tunesmith.training.trackers.jsonl:Jsonl",
        "tensorboard": "tunesmith.training.trackers.tensorboard:TensorBoard",
    },
)
