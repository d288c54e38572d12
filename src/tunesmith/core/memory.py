"""A device or a machine without room: which errors say so, in whose words, and how to give room back.

Nothing of torch is loaded here; where it is not loaded, nothing of it can be full.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tunesmith.core.errors import TrainingError

SAID = ("can't allocate memory", "out of memory", "alloc_failed")
"""What torch's RuntimeErrors say where they have no class of their own: on CPUs, of MPS, of cuBLAS."""
FULL = "The memory is full."
HINT = (
    "Halve training.batch_size and double training.accumulate (the same step in less room), "
    "or set training.gradient_checkpointing=true or a smaller model.max_length."
)


def is_full(error: BaseException) -> bool:
    """Whether an error says that there is no memory left.

    >>> is_full(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."))
    True
    >>> is_full(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    False
    """
    if isinstance(error, MemoryError) or any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error).lower() for said in SAID)


def full(hint: str = HINT) -> TrainingError:
    """What a user is told where the memory is full."""
    return TrainingError(FULL, hint)


@contextmanager
def told(hint: str = HINT) -> Iterator[None]:
    """Within, an error of a full memory is a ``TrainingError``: the settings are too large, not the code wrong."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if is_full(error):
            raise full(hint) from error
        raise


def release() -> None:
    """Give back what the last model held, so that the next has the whole device."""
    gc.collect()  # a model and its hooks are cycles
    torch: Any = sys.modules.get("torch")
    for kind in ("cuda", "mps"):
        device = getattr(torch, kind, None)
        if device is not None and device.is_available():
            device.empty_cache()
