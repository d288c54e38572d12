"""``replicas`` in the catalog: how many processes Ray Serve runs, and when it starts and ends them."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Replicas(BaseModel):
    """Read by ``tunesmith serve --on ray``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    least: int = Field(default=1, ge=1)
    most: int = Field(default=4, ge=1)
    ongoing: float = Field(default=32, gt=0)
    """Requests that a replica has at a time, on average, before another one is started."""
    up: float = Field(default=5, ge=0)
    """Seconds for which there must be more before a replica is started."""
    down: float = Field(default=120, ge=0)
    """Seconds for which there must be fewer before a replica is ended."""
    window: float = Field(default=10, gt=0)
    """Seconds over which requests are averaged."""
    cpus: float = Field(default=1, ge=0)
    """That Ray sets aside for each."""
    gpus: float = Field(default=0, ge=0)
    metrics_port: int | None = Field(default=None, ge=1, le=65535)
    """Each replica tells Prometheus its own metrics on this port or one of those behind it, by its place on its
    machine. None: nowhere."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"least is {self.least}, and most only {self.most}")
        return self
