"""Manifests: the service behind probes, scaled by its queue, kept from what it need not reach."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tunesmith.service.deploy.docker import PORT, USER

GIB = 1 << 30
SECRET = "tunesmith"
"""The Secret with the keys "store", the URL of PostgreSQL, and perhaps "admin", the admin key, and
"limits", the URL of Redis. It is made by
hand, and in none of these files."""


@dataclass(frozen=True)
class Deployed:
    """What differs between installations.

    Args:
        name: of everything.
        image: with its tag.
        replicas: at least and at most.
        queue: tokens that wait in a replica, above which another one is started.
        memory: of a replica.
        cpu: of a replica.
        gpus: of a replica; 0: it computes on CPUs.
    """

    name: str
    image: str
    replicas: tuple[int, int] = (2, 8)
    queue: int = 20_000
    memory: str = "2Gi"
    cpu: str = "2"
    gpus: int = 0
    egress: Any = (
        {"port": 53, "protocol": "UDP"},
        *({"port": port, "protocol": "TCP"} for port in (53, 5432, 6379, 4318)),
    )
    """Where a pod may go: names, PostgreSQL, Redis, and a collector of traces."""
    tries: int = 90
    """Times, two seconds apart, that a pod is asked whether it has started."""


def memory_for(weights: int) -> str:
    """What a replica asks for, of a bundle of so many bytes: the weights, what is computed of them, and the rest.

    >>> memory_for(90 << 20), memory_for(3 << 30)
    ('2Gi', '9Gi')
    """
    return f"{max(2, math.ceil(2.5 * weights / GIB + 1))}Gi"


def tries_for(weights: int) -> int:
    """Times, two seconds apart, that a pod with so many bytes may be found not started: a minute more for each GiB.

    >>> tries_for(0), tries_for(3 << 30)
    (90, 180)
    """
    return 90 + math.ceil(30 * weights / GIB)


def manifests(one: Deployed) -> list[dict[str, Any]]:
    """All of them, in the order in which they are made."""
    return [_account(one), _deployment(one), _service(one), _scaler(one), _budget(one), _policy(one)]


def _labels(one: Deployed) -> dict[str, str]:
    return {"app.kubernetes.io/name": "tunesmith", "app.kubernetes.io/instance": one.name}


def _made(kind: str, version: str, one: Deployed, spec: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    metadata = {"name": one.name, "labels": _labels(one)}
    made = {"apiVersion": version, "kind": kind, "metadata": metadata, **more}
    return made if spec is None else {**made, "spec": spec}


def _account(one: Deployed) -> dict[str, Any]:
    return _made("ServiceAccount", "v1", one, None, automountServiceAccountToken=False)


def _deployment(one: Deployed) -> dict[str, Any]:
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": str(PORT), "prometheus.io/path": "/metrics"}
    pod = {
        "serviceAccountName": one.name,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 60,
        "securityContext": {
            "runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(one)],
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
        "topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": _labels(one)},
        }],
    }  # fmt: skip
    spec = {
        # The scaler says how many there are; a number here would undo it at every apply.
        "selector": {"matchLabels": _labels(one)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {"metadata": {"labels": _labels(one), "annotations": annotations}, "spec": pod},
    }
    return _made("Deployment", "apps/v1", one, spec)


def _container(one: Deployed) -> dict[str, Any]:
    secret = {"secretKeyRef": {"name": SECRET, "key": "store"}}
    admin = {"secretKeyRef": {"name": SECRET, "key": "admin", "optional": True}}
    limits_url = {"secretKeyRef": {"name": SECRET, "key": "limits", "optional": True}}
    limits = {"memory": one.memory, **({"nvidia.com/gpu": str(one.gpus)} if one.gpus else {})}
    return {
        "name": "tunesmith",
        "image": one.image,
        "ports": [{"name": "http", "containerPort": PORT}],
        "env": [
            {"name": "TUNESMITH_STORE", "valueFrom": secret},
            {"name": "TUNESMITH_ADMIN_KEY", "valueFrom": admin},
            {"name": "TUNESMITH_LIMITS", "valueFrom": limits_url},
        ],
        "resources": {"requests": {"cpu": one.cpu, "memory": one.memory}, "limits": limits},
        "startupProbe": {**_probe("/readyz"), "periodSeconds": 2, "failureThreshold": one.tries},
        "readinessProbe": {**_probe("/readyz"), "periodSeconds": 5, "failureThreshold": 2},
        "livenessProbe": {**_probe("/healthz"), "periodSeconds": 10, "failureThreshold": 6},
        # Endpoints are taken out of the list beside the signal: without a pause the last requests find a closed door.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
        "securityContext": {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}],
    }  # fmt: skip


def _probe(path: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 3}


def _service(one: Deployed) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return _made("Service", "v1", one, {"selector": _labels(one), "ports": ports})


def _scaler(one: Deployed) -> dict[str, Any]:
    """By the queue, through prometheus-adapter: ``tunesmith_waiting_tokens`` of each pod."""
    low, high = one.replicas
    waiting = {
        "type": "Pods",
        "pods": {
            "metric": {"name": "tunesmith_waiting_tokens"},
            "target": {"type": "AverageValue", "averageValue": str(one.queue)},
        },
    }
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": one.name},
        "minReplicas": low,
        "maxReplicas": high,
        "metrics": [waiting],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
    }
    return _made("HorizontalPodAutoscaler", "autoscaling/v2", one, spec)


def _budget(one: Deployed) -> dict[str, Any]:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": _labels(one)}}
    return _made("PodDisruptionBudget", "policy/v1", one, spec)


def _policy(one: Deployed) -> dict[str, Any]:
    """In: HTTP. Out: where it must go."""
    out = [dict(port) for port in one.egress] if isinstance(one.egress, tuple) else one.egress
    spec = {
        "podSelector": {"matchLabels": _labels(one)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"ports": [{"port": PORT, "protocol": "TCP"}]}],
        "egress": [{"ports": out}],
    }
    return _made("NetworkPolicy", "networking.k8s.io/v1", one, spec)
