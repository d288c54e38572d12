"""How the vectors of several modalities become one. A new one: a file here, a line in this table."""

from tunesmith.core.registry import Registry

_HERE = "tunesmith.models.fusion"

FUSIONS = Registry(
    "fusion",
    {
        "late": f"{_HERE}.late:Late",
        "cross-attention": f"{_HERE}.cross_attention:CrossAttention",
        "early": f"{_HERE}.early:Early",
    },
)
