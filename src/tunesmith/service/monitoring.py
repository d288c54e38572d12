"""What Prometheus reads: rates, errors, and where the time goes, by product and version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.core.extras import need

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
STAGES = ("queue", "tokenise", "first", "compute", "total")
"""``queue``: it waits; ``tokenise``: its text is cut into tokens; ``first`` until the first token of a text is there;
``compute``; all of it."""
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass
class Tally:
    """Totals of a version since the service began."""

    requests: int = 0
    failed: int = 0
    """For which the service is to blame."""
    answers: int = 0
    abstained: int = 0


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
        self.batch = made(client.Histogram, "batch_rows", "Rows in the batch of a request", which, buckets=SIZES)
        self.errors = made(client.Counter, "errors", "Requests of a product that were not answered", (*which, "code"))
        self.abstained = made(client.Counter, "abstained", "Answers that abstain", (*which, "why"))
        self.drift = made(client.Gauge, "drift", "Difference to the bundle's own rows, 0 to 1", (*which, "of"))
        self.drifting = made(client.Gauge, "drifting", "1 where the difference is more than chance", which)
        self.tallies: dict[tuple[str, str], Tally] = {}
        """The same in numbers of ours, for alerts without Prometheus."""
        self._children: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._gauged: set[tuple[str, str]] = set()
        """Versions whose gauges may be there."""

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
        self.tally(product, version).requests += 1

    def tally(self, product: str, version: str) -> Tally:
        """What is counted of a version."""
        found = self.tallies.get((product, version))
        if found is None:
            found = self.tallies[product, version] = Tally()
        return found

    def computed(self, product: str, version: str, together: int, predictions: Sequence[Mapping[str, Any]]) -> None:
        """Note the batch that a request was in, and how many of its answers abstain."""
        if together:
            self.batch.labels(product, version).observe(together)
        tally = self.tally(product, version)
        tally.answers += len(predictions)
        for why in (one.get("human", "") for one in predictions if one.get("abstain")):
            self.abstained.labels(product, version, why).inc()
            tally.abstained += 1

    def failed(self, product: str, version: str, code: str, status: int) -> None:
        """Note a request that a version did not answer."""
        self.errors.labels(product, version, code).inc()
        tally = self.tally(product, version)
        tally.requests += 1
        tally.failed += status >= 500

    def drifted(self, product: str, version: str, sizes: Mapping[str, float], drifting: bool) -> None:
        """Note a look at a version's last rows."""
        self._gauged.add((product, version))
        for name, size in sizes.items():
            self.drift.labels(product, version, name).set(size)
        self.drifting.labels(product, version).set(drifting)

    def page(self, products: Any) -> tuple[bytes, str]:
        """The text that Prometheus reads, and its content type."""
        live = {(one.name, name): version for one in products for name, version in one.versions.items()}
        for key, version in live.items():
            self.waiting.labels(*key).set(version.engine.waiting)
        self._gauged.update(live)
        for gone in self._gauged - live.keys():  # what a version was like when it went would be told for ever
            for gauge in (self.waiting, self.drift, self.drifting):
                gauge.remove_by_labels(dict(zip(("product", "version"), gone, strict=True)))
            self._gauged.discard(gone)
        return self._client.generate_latest(self.registry), self._client.CONTENT_TYPE_LATEST
