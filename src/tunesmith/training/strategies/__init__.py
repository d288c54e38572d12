"""How a model is trained: plain objects that wrap positions of the one loop."""

from tunesmith.core.registry import Registry

STRATEGIES = Registry(
    "strategy",
    {
        "fgm": "tunesmith.training.strategies.fgm:Fgm",
        "r_drop": "tunesmith.training.strategies.r_drop:RDrop",
    },
)
