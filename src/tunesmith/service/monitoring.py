"""What Prometheus reads: rates, errors, and where the time goes, by product and version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.extras import need

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
STAGES = ("queue", "first", "compute", "total")
"""``queue`` until it is computed; ``first`` until the first token of a text is there; ``compute``; all of it."""
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Counts:
    """The service's own metrics, in a registry of their own."""

    def __init__(self) -> None:
        client: Any = need("prometheus_client", extra="serve", purpose="the service")
        self._client = client
        self.registry = client.CollectorRegistry()
        which = ("product", "version")

        def made(kind: Any, name: str, help: str, labels: tuple[str, ...], **more: Any) -> Any:
            return kind(f"tunesmith_{name}", help, labels, registry=self.registry, **more)

        self.requests = made(client.Counter, "requests", "Answered requests", (*which, "status"))
        self.refused = made(client.Counter, "refused", "Refused requests", ("code",))
        self.rows = made(client.Counter, "rows", "Answered rows", which)
        self.tokens = made(client.Counter, "tokens", "Tokens read", which)
        self.written = made(client.Counter, "written_tokens", "Tokens written", which)
        self.seconds = made(
            client.Histogram, "seconds", "Seconds of a request, by stage", (*which, "stage"), buckets=SECONDS
        )
        self.waiting = made(client.Gauge, "waiting_tokens", "Tokens that wait", which)
        self.shadow = made(client.Counter, "shadow", "Answers compared with the shadow's", (*which, "same"))
        self._children: dict[tuple[str, str], tuple[Any, ...]] = {}

    def answered(
        self, product: str, version: str, rows: int, read: int, written: int, stages: Mapping[str, float]
    ) -> None:
        """Note an answer; ``stages`` are seconds by name, of ``STAGES``."""
        key = (product, version)
        own = self._children.get(key)
        if own is None:  # looking a child up by its labels costs more than counting does
            stage = {name: self.seconds.labels(*key, name) for name in STAGES}
            kinds = (self.rows, self.tokens, self.written)
            own = (self.requests.labels(*key, "200"), *(kind.labels(*key) for kind in kinds), stage)
            self._children[key] = own
        own[0].inc()
        own[1].inc(rows)
        own[2].inc(read)
        own[3].inc(written)
        for name, seconds in stages.items():
            own[4][name].observe(seconds)

    def page(self, products: Any) -> tuple[bytes, str]:
        """The text that Prometheus reads, and its content type."""
        for product in products:
            for version in product.versions.values():
                self.waiting.labels(product.name, version.name).set(version.engine.waiting)
        return self._client.generate_latest(self.registry), self._client.CONTENT_TYPE_LATEST
