"""OpenTelemetry spans of requests and their stages, where the catalog names a collector."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tunesmith.core.extras import need

ORDER = ("queue", "tokenise", "first", "compute")


class Traces:
    """A span for each answer, with one for each stage beneath; the client's ``traceparent`` is taken up.

    Args:
        url: of the collector, OTLP over HTTP.
        exporter: instead of that; tests give their own.

    Raises:
        ExtraMissing: the extra "traces" is not installed.
    """

    def __init__(self, url: str, exporter: Any = None) -> None:
        purpose = "watch.traces"
        trace: Any = need("opentelemetry.sdk.trace", extra="traces", purpose=purpose)
        export: Any = need("opentelemetry.sdk.trace.export", extra="traces", purpose=purpose)
        resources: Any = need("opentelemetry.sdk.resources", extra="traces", purpose=purpose)
        self._context: Any = need("opentelemetry.trace.propagation.tracecontext", extra="traces", purpose=purpose)
        self._trace: Any = need("opentelemetry.trace", extra="traces", purpose=purpose)
        if exporter is None:
            otlp: Any = need("opentelemetry.exporter.otlp.proto.http.trace_exporter", extra="traces", purpose=purpose)
            exporter = otlp.OTLPSpanExporter(endpoint=url)
        self._provider = trace.TracerProvider(resource=resources.Resource.create({"service.name": "tunesmith"}))
        self._provider.add_span_processor(export.BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("tunesmith")
        self._read = self._context.TraceContextTextMapPropagator()

    def answered(
        self, name: str, attributes: Mapping[str, Any], stages: Mapping[str, float], parent: str | None = None
    ) -> None:
        """Note an answer that is there now.

        Args:
            name: of the span.
            attributes: of it; no text and no key.
            stages: seconds; "total" is all of it.
            parent: the client's ``traceparent``.
        """
        end = time.time_ns()
        at = end - int(stages.get("total", 0) * 1e9)
        above = self._read.extract({"traceparent": parent}) if parent else None
        span = self._tracer.start_span(name, context=above, start_time=at, attributes=dict(attributes))
        inside = self._trace.set_span_in_context(span)
        for stage in ORDER:
            if seconds := stages.get(stage):
                until = at + int(seconds * 1e9)
                self._tracer.start_span(stage, context=inside, start_time=at).end(end_time=until)
                at = until
        span.end(end_time=end)

    def flush(self) -> None:
        """Send what waits."""
        self._provider.force_flush()

    def close(self) -> None:
        """Send what waits, and end."""
        self._provider.shutdown()
