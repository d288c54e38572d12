"""Layers computed again on the way back, so that only their inputs are kept (Chen et al. 2016, sublinear memory)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tunesmith.core.errors import RecipeError
from tunesmith.training.kernels import plain


@contextmanager
def recomputed(model: Any, wanted: bool) -> Iterator[None]:
    """The model so for the time of the block; as it was where it is not wanted.

    Raises:
        RecipeError: it cannot be.
    """
    if not wanted:
        yield
        return
    transformer = plain(model)
    if transformer is None or not transformer.supports_gradient_checkpointing:
        kind = type(transformer or model).__name__
        raise RecipeError(
            f"training.gradient_checkpointing is on, and a {kind} cannot be computed so.",
            "Leave it out; a smaller training.batch_size with training.accumulate takes less memory, too.",
        )
    caching = getattr(transformer.config, "use_cache", None)
    _switch(transformer, True)
    if caching is not None:
        transformer.config.use_cache = False
    try:
        yield
    finally:
        _switch(transformer, False)
        if caching is not None:
            transformer.config.use_cache = caching


def _switch(model: Any, on: bool) -> None:
    """By the name that the method has in this version of transformers."""
    kind = "activation" if hasattr(model, "activation_checkpointing_enable") else "gradient"
    if on:
        options = {f"{kind}_checkpointing_kwargs": {"use_reentrant": False}}
        getattr(model, f"{kind}_checkpointing_enable")(**options)
    else:
        getattr(model, f"{kind}_checkpointing_disable")()
