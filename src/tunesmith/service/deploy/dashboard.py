"""A Grafana dashboard over the same metrics."""

from __future__ import annotations

from typing import Any

SOURCE = {"type": "prometheus", "uid": "${source}"}
WHICH = '{product=~"$product"}'
WIDTH, HEIGHT = 12, 8


def dashboard() -> dict[str, Any]:
    """JSON that Grafana imports, or is provisioned with."""
    quantile = "histogram_quantile(0.95, sum by (product, le, {}) (rate(tunesmith_{}_bucket{}[5m])))"
    panels = [
        ("Requests a second", "reqps", f"sum by (product, version) (rate(tunesmith_requests_total{WHICH}[5m]))"),
        ("Not answered, by code", "reqps", f"sum by (product, code) (rate(tunesmith_errors_total{WHICH}[5m]))"),
        ("Seconds by stage, 95%", "s", quantile.format("stage", "seconds", WHICH)),
        ("Rows in a batch, 95%", "short", quantile.format("version", "batch_rows", WHICH)),
        ("Tokens a second", "short", f"sum by (product) (rate(tunesmith_tokens_total{WHICH}[5m]))"),
        ("Tokens that wait", "short", f"sum by (product, version) (tunesmith_waiting_tokens{WHICH})"),
        ("Difference to its own rows", "percentunit", f"max by (product, version, of) (tunesmith_drift{WHICH})"),
        ("Abstained, by why", "reqps", f"sum by (product, version, why) (rate(tunesmith_abstained_total{WHICH}[5m]))"),
    ]
    return {
        "uid": "tunesmith",
        "title": "Tunesmith",
        "schemaVersion": 39,
        "version": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "tags": ["tunesmith"],
        "templating": {"list": [_source(), _product()]},
        "panels": [_panel(i, *panel) for i, panel in enumerate(panels)],
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _product() -> dict[str, Any]:
    query = "label_values(tunesmith_requests_total, product)"
    return {
        "name": "product", "label": "Product", "type": "query", "datasource": SOURCE, "query": query,
        "includeAll": True, "multi": True, "allValue": ".*", "refresh": 2,
        "current": {"text": "All", "value": "$__all"},
    }  # fmt: skip


def _panel(index: int, title: str, unit: str, expression: str) -> dict[str, Any]:
    row, column = divmod(index, 2)
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": title,
        "datasource": SOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "datasource": SOURCE, "expr": expression}],
    }
