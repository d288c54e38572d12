"""Alert rules for Prometheus, over the metrics of ``service/monitoring.py``."""

from __future__ import annotations

import json
from typing import Any

SUMMARIES = "{{ $labels.product }} {{ $labels.version }}"
BY = "sum by (product, version)"


def rules(product: str) -> dict[str, Any]:
    """The file that ``rule_files`` names; YAML once it is dumped.

    Args:
        product: what is deployed, that must always be there.
    """
    # A job may have any name; what was seen to serve is known by its metric. A pod that went has no "up" at all.
    seen = "(up == 0 and on (job, instance) count_over_time(tunesmith_waiting_tokens[1h]))"
    down = f'up{{job="tunesmith"}} == 0 or {seen}'
    gone = f"absent(tunesmith_waiting_tokens{{product={json.dumps(product)}}})"
    errors = f'{BY} (rate(tunesmith_errors_total{{code=~"internal_error|overloaded|too_late|.+_unavailable"}}[5m]))'
    # Where nothing is answered there is no series of answers, and a sum with nothing would be nothing.
    answered = f"({_rate('requests')} or {errors} * 0)"
    # What writes texts takes as long as they are; what counts is when it begins.
    slow = f"({_slowest('total')} unless {_rate('written_tokens')} > 0) > 1 or {_slowest('first')} > 1"
    return {
        "groups": [
            {
                "name": "tunesmith",
                "rules": [
                    _rule("TunesmithDown", down, "1m", "critical", "A service does not answer."),
                    _rule("TunesmithGone", gone, "5m", "critical", f"No service has the product {product}."),
                    _rule(
                        "TunesmithErrors", f"{errors} / ({answered} + {errors}) > 0.05", "2m", "critical",
                        f"{SUMMARIES} does not answer more than 5% of its requests.",
                    ),
                    _rule("TunesmithSlow", slow, "5m", "warning", f"{SUMMARIES}: 1 of 100 requests takes over 1 s."),
                    _rule(
                        "TunesmithQueue", f"{BY} (tunesmith_waiting_tokens) > 100000", "1m", "warning",
                        f"{SUMMARIES} has a long queue.",
                    ),
                    _rule(
                        "TunesmithDrift", "max by (product, version) (tunesmith_drifting) > 0", "5m", "warning",
                        f"{SUMMARIES} is asked about other things than it was proven on.",
                    ),
                    _rule(
                        "TunesmithAbstains", f"{_rate('abstained')} / {_rate('rows')} > 0.3", "15m", "warning",
                        f"{SUMMARIES} abstains from more than 30% of its answers.",
                    ),
                ],
            }
        ]
    }  # fmt: skip


def _rate(name: str) -> str:
    return f"{BY} (rate(tunesmith_{name}_total[5m]))"


def _slowest(stage: str) -> str:
    buckets = f'rate(tunesmith_seconds_bucket{{stage="{stage}"}}[5m])'
    return f"histogram_quantile(0.99, sum by (product, version, le) ({buckets}))"


def _rule(name: str, expression: str, wait: str, severity: str, words: str) -> dict[str, Any]:
    labels = {"severity": severity}
    return {"alert": name, "expr": expression, "for": wait, "labels": labels, "annotations": {"summary": words}}


def scraping(target: str = "tunesmith:8000", manager: str = "alertmanager:9093") -> dict[str, Any]:
    """``prometheus.yml``."""
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": ["tunesmith.rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager]}]}]},
        "scrape_configs": [{"job_name": "tunesmith", "static_configs": [{"targets": [target]}]}],
    }
