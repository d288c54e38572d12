"""What makes vectors of pictures and sounds: a table. Any other folder is read by transformers (``general.py``)."""

from tunesmith.core.registry import Registry

_HERE = "tunesmith.models.encoders"

ENCODERS = Registry(
    "encoder",
    {
        "tunesmith-efficientnet-lite": f"{_HERE}.efficientnet_lite:EfficientNetLite",
        "tunesmith-ge2e": f"{_HERE}.ge2e:Ge2e",
        "whisper": f"{_HERE}.whisper:WhisperSound",
    },
)
"""``model_type`` of a folder's config.json -> its encoder."""
