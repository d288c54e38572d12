"""How many texts are written at once. A part of catalog.yaml.

writing: {together: 8, context: 2048, precision: bf16}
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class WritingSettings(BaseModel):
    """Of each version of a product whose model writes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    together: int = Field(default=8, ge=1, le=256)
    """Texts of one key at once; others wait. One place more is kept for a key that has none. Each takes memory for its
    context."""
    context: int | None = Field(default=None, ge=16)
    """Tokens of a prompt and its answer; None: what the bundle reads and ``LONGEST``, or as many as the model takes."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """``auto`` is the one that the bundle was proven with; in another runtime, fp32. bf16 is quicker, and now and
    then writes another word."""


LONGEST = 1024
"""Tokens of an answer."""
