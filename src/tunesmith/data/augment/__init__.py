"""Ways to write a text otherwise. One file each; ``apply.py`` adds such rows to the training rows."""

from tunesmith.core.registry import Registry

AUGMENTATIONS = Registry(
    "augmentation",
    {
        "synonyms": "tunesmith.data.augment.synonyms:Synonyms",
        "typos": "tunesmith.data.augment.typos:Typos",
        "random_deletion": "tunesmith.data.augment.random_deletion:RandomDeletion",
        "random_swap": "tunesmith.data.augment.random_swap:RandomSwap",
        "back_translation": "tunesmith.data.augment.back_translation:BackTranslation",
    },
)
