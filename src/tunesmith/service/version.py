"""A bundle that is loaded, and what computes it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tunesmith.service.engine import Engine
from tunesmith.service.shared_engines import View
from tunesmith.service.writing.writer import Writer

if TYPE_CHECKING:
    from pydantic import BaseModel

    from tunesmith.bundle.read import Bundle
    from tunesmith.core.contracts import Task


@dataclass(eq=False)
class Version:
    """A version of a product, ready to answer."""

    name: str
    bundle: Bundle
    engine: Engine | View | Writer
    runtime: str
    request: type[BaseModel]
    response: type[BaseModel]
    loaded: float = field(default_factory=time.time)

    @property
    def task(self) -> Task:
        """What it predicts."""
        return self.bundle.task
