"""Models that installed packages ship, so that a run needs no network. A table only: nothing loads here."""

from tunesmith.core.registry import Registry

PACKAGED_MODELS = Registry(
    "packaged model",
    {
        "minilm": "tunesmith.models.packaged.minilm:MINILM",
        "e5-small": "tunesmith.models.packaged.e5_small:E5_SMALL",
        "distilbert-cased": "tunesmith.models.packaged.distilbert_cased:DISTILBERT_CASED",
        "smollm2": "tunesmith.models.packaged.smollm2:SMOLLM2",
        "flan-t5-small": "tunesmith.models.packaged.flan_t5_small:FLAN_T5_SMALL",
        "efficientnet-lite0": "tunesmith.models.packaged.efficientnet_lite0:EFFICIENTNET_LITE0",
        "whisper-base": "tunesmith.models.packaged.whisper_base:WHISPER_BASE",
        "ge2e": "tunesmith.models.packaged.ge2e:GE2E",
    },
)
