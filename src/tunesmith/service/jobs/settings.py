"""How large jobs may be, and how long they are kept. A part of catalog.yaml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class JobSettings(BaseModel):
    """Files and jobs."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    megabytes: float = Field(default=100, gt=0)
    """Of a file; unpacked it may have ten times as many."""
    rows: int = Field(default=1_000_000, ge=1)
    """Of a file."""
    files: int = Field(default=100, ge=1)
    """That a key may have."""
    waiting: int = Field(default=20, ge=1)
    """Jobs of a key that are not done."""
    at_once: int = Field(default=2, ge=1, le=64)
    """Jobs that run at the same time; of different keys where there are several."""
    keep_days: float = Field(default=7, gt=0)
    """After which files, and jobs that are done, are removed."""
