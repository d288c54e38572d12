"""A whole service on one machine: PostgreSQL, Redis, Prometheus, Alertmanager and Grafana beside it."""

from __future__ import annotations

from typing import Any

PASSWORD = "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD in .env}"
GRAFANA = "${GRAFANA_PASSWORD:?set GRAFANA_PASSWORD in .env}"


def compose(gpus: int = 0) -> dict[str, Any]:
    """``compose.yaml``. No password is in it: they are in ``.env``, which is not written.

    Args:
        gpus: of the service; 0: it computes on CPUs.
    """
    devices = [{"driver": "nvidia", "count": gpus, "capabilities": ["gpu"]}]
    on_gpus = {"deploy": {"resources": {"reservations": {"devices": devices}}}} if gpus else {}
    return {
        "name": "tunesmith",
        "services": {
            "tunesmith": {
                "build": {"context": ".", "dockerfile": "Dockerfile.cuda" if gpus else "Dockerfile"},
                "image": "tunesmith-service",
                "environment": {
                    "TUNESMITH_STORE": f"postgresql+psycopg://tunesmith:{PASSWORD}@postgres/tunesmith",
                    "TUNESMITH_LIMITS": "redis://redis:6379",
                    "TUNESMITH_ADMIN_KEY": "${TUNESMITH_ADMIN_KEY:-}",
                },
                "ports": ["8000:8000"],
                "volumes": ["data:/data"],
                "depends_on": {
                    "postgres": {"condition": "service_healthy"},
                    "redis": {"condition": "service_started"},
                },
                "read_only": True,
                "tmpfs": ["/tmp"],
                "cap_drop": ["ALL"],
                "security_opt": ["no-new-privileges:true"],
                "restart": "unless-stopped",
                "stop_grace_period": "60s",  # Docker's own 10 s are less than the service takes to answer all
                **on_gpus,
            },
            "postgres": {
                "image": "postgres:17-alpine",
                "environment": {
                    "POSTGRES_USER": "tunesmith",
                    "POSTGRES_PASSWORD": PASSWORD,
                    "POSTGRES_DB": "tunesmith",
                },
                "volumes": ["postgres:/var/lib/postgresql/data"],
                "healthcheck": {"test": ["CMD", "pg_isready", "-U", "tunesmith"], "interval": "5s", "retries": 12},
                "restart": "unless-stopped",
            },
            "redis": {
                "image": "redis:8-alpine",
                # What a month has used is nowhere else that the limits look: it must outlive a restart.
                "command": ["redis-server", "--save", "", "--appendonly", "yes", "--maxmemory", "256mb"],
                "volumes": ["redis:/data"],
                "restart": "unless-stopped",
            },
            "prometheus": {
                "image": "prom/prometheus:v3.5.0",
                "volumes": [
                    "./prometheus.yml:/etc/prometheus/prometheus.yml:ro",
                    "./tunesmith.rules.yml:/etc/prometheus/tunesmith.rules.yml:ro",
                    "prometheus:/prometheus",
                ],
                "ports": ["127.0.0.1:9090:9090"],
                "restart": "unless-stopped",
            },
            "alertmanager": {
                "image": "prom/alertmanager:v0.28.1",
                "ports": ["127.0.0.1:9093:9093"],
                "volumes": [
                    "./alertmanager.yml:/etc/alertmanager/alertmanager.yml:ro",
                    "alertmanager:/alertmanager",
                ],
                "restart": "unless-stopped",
            },
            "grafana": {
                "image": "grafana/grafana:12.1.0",
                "environment": {"GF_SECURITY_ADMIN_PASSWORD": GRAFANA},
                "ports": ["127.0.0.1:3000:3000"],
                "volumes": [
                    "./grafana/datasource.yaml:/etc/grafana/provisioning/datasources/tunesmith.yaml:ro",
                    "./grafana/provider.yaml:/etc/grafana/provisioning/dashboards/tunesmith.yaml:ro",
                    "./grafana/tunesmith.json:/var/lib/grafana/dashboards/tunesmith.json:ro",
                    "grafana:/var/lib/grafana",
                ],
                "restart": "unless-stopped",
            },
        },
        "volumes": {"data": {}, "postgres": {}, "redis": {}, "prometheus": {}, "alertmanager": {}, "grafana": {}},
    }


def datasource() -> dict[str, Any]:
    """Where Grafana reads."""
    source = {"name": "Prometheus", "type": "prometheus", "access": "proxy", "url": "http://prometheus:9090"}
    return {"apiVersion": 1, "datasources": [{**source, "isDefault": True}]}


def provider() -> dict[str, Any]:
    """Where Grafana finds the dashboard."""
    options = {"path": "/var/lib/grafana/dashboards"}
    return {"apiVersion": 1, "providers": [{"name": "tunesmith", "type": "file", "options": options}]}
