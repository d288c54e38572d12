"""Pictures and sounds changed so that they mean the same. A new one: a function in a file here, a line in a table."""

from tunesmith.core.registry import Registry

_HERE = "tunesmith.data.media.vary"

OF_PICTURES = Registry(
    "change of pictures",
    {
        "crop": f"{_HERE}.pictures:crop",
        "flip": f"{_HERE}.pictures:flip",
        "colour": f"{_HERE}.pictures:colour",
        "rand": f"{_HERE}.rand:rand",
        "erase": f"{_HERE}.pictures:erase",
    },
)
OF_WAVES = Registry(
    "change of sounds",
    {
        "gain": f"{_HERE}.waves:gain",
        "noise": f"{_HERE}.waves:noise",
        "shift": f"{_HERE}.waves:shift",
        "speed": f"{_HERE}.waves:speed",
    },
)
OF_FRAMES = Registry("change of spectrograms", {"spec": f"{_HERE}.frames:spec"})
