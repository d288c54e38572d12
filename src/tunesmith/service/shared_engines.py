"""Versions over one backbone on one engine: their requests go into one batch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from tunesmith.service.engine import Engine
from tunesmith.service.job import Check, Computed
from tunesmith.service.settings import Batching

if TYPE_CHECKING:
    from tunesmith.bundle.read import Bundle
    from tunesmith.core.contracts import Row

log = logging.getLogger(__name__)


class View:
    """One version's share of an engine: the same calls, and a deadline of its own. The queue is the engine's."""

    def __init__(self, engine: Engine, member: Any, limits: Batching, closed: Any) -> None:
        self._engine = engine
        self._closed = closed
        self.predictor = member
        self.limits = engine.limits.model_copy(update={"deadline": limits.deadline})

    @property
    def waiting(self) -> int:
        """Of all versions of the engine."""
        return self._engine.waiting

    def wait_expected(self) -> float:
        """As ``Engine.wait_expected``."""
        return self._engine.wait_expected()

    def refuse_if_full(self, more: int = 0, deadline: float | None = None) -> None:
        """As ``Engine.refuse_if_full``."""
        self._engine.refuse_if_full(more, self._within(deadline))

    async def submit(
        self,
        rows: Sequence[Row],
        key: str,
        *,
        deadline: float | None = None,
        low: bool = False,
        check: Check | None = None,
    ) -> Computed:
        """As ``Engine.submit``."""
        return await self._engine.submit(
            rows, key, deadline=self._within(deadline), low=low, who=self.predictor, check=check
        )

    def close(self, timeout: float = 30.0) -> None:
        """Give up the share; the last one ends the engine."""
        self._closed(self, timeout)

    def _within(self, deadline: float | None) -> float:
        return self.limits.deadline if deadline is None else deadline


class SharedEngines:
    """Which bundles have their backbone in memory already."""

    def __init__(self) -> None:
        self._groups: dict[str, tuple[Any, Engine, list[View]]] = {}
        self._lock = Lock()
        self.wanted: dict[str, int] = {}
        """Fingerprint -> bundles that are about to be loaded: one alone is better off with its own weights."""

    def open(self, told: str, bundle: Bundle, limits: Batching) -> View | None:
        """A share for a bundle with this fingerprint; None: it has nobody to share with."""
        from tunesmith.bundle import shared

        if told not in self._groups and self.wanted.get(told, 0) < 2:
            return None
        with self._lock:
            try:
                return self._joined(told, bundle, limits)
            except shared.NotShared as why:
                log.warning("%s has a backbone of its own in memory: %s", bundle.path, why)
                return None

    def _joined(self, told: str, bundle: Bundle, limits: Batching) -> View:
        from tunesmith.bundle.shared import SharedBackbone

        if told not in self._groups:
            backbone = SharedBackbone(bundle)
            engine = Engine(backbone.members[0], limits, "shared")
            self._groups[told] = (backbone, engine, [])
            member = backbone.members[0]
        else:
            backbone, engine, _ = self._groups[told]
            with engine.paused():
                member = backbone.add(bundle)
        view = View(engine, member, limits, lambda view, timeout: self._leave(told, view, timeout))
        self._groups[told][2].append(view)
        return view

    def _leave(self, told: str, view: View, timeout: float) -> None:
        with self._lock:
            _, engine, views = self._groups[told]
            if view in views:
                views.remove(view)
            if views:
                return
            del self._groups[told]
        engine.close(timeout)
