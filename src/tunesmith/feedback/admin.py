"""A running service, asked over HTTP: what drifts, and which version answers."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from typing import Any

from tunesmith.core.errors import TunesmithError

SECONDS = 120.0
"""That the service may take: to load a bundle takes time."""
_DRIFTING = re.compile(r'^tunesmith_drifting\{product="([^"]+)",version="([^"]+)"\} 1(?:\.0)?$', re.M)


class Several(TunesmithError):
    """One of several replicas was asked for what it cannot tell, or change, for all of them."""


class Admin:
    """The admin API of a service.

    Args:
        url: its address.
        key: the admin key; empty where it asks for none.
    """

    def __init__(self, url: str, key: str = "") -> None:
        self._url, self._key = url.rstrip("/"), key

    def alone(self) -> bool:
        """Whether versions can be loaded and routed over HTTP: several replicas take them from the catalog alone."""
        return bool(self._json("GET", "/admin/products").get("alone", True))

    def drifting(self, product: str) -> list[str] | None:
        """Versions of a product whose last rows differ from those that they were proven on.

        None: not known, as each of several replicas counts for itself.
        """
        try:
            page = self._text("GET", "/metrics")
        except Several:
            return None
        return [version for name, version in _DRIFTING.findall(page) if name == product]

    def product(self, name: str) -> dict[str, Any]:
        """Its route and its versions."""
        found = self._json("GET", "/admin/products")["products"]
        for one in found:
            if one["product"] == name:
                return dict(one)
        raise TunesmithError(f"{self._url} serves no {name}.", f"It serves: {', '.join(o['product'] for o in found)}")

    def load(self, product: str, version: str, bundle: str) -> None:
        """Load a bundle that lies on the service's disk."""
        self._json("PUT", f"/admin/products/{product}/versions/{version}", {"bundle": bundle})

    def unload(self, product: str, version: str) -> None:
        """Take a version out of the service's memory, when it has answered what it was asked."""
        self._json("DELETE", f"/admin/products/{product}/versions/{version}")

    def route(self, product: str, stable: str, canary: tuple[str, float] | None = None) -> None:
        """Say which version answers, and which gets a share."""
        share = None if canary is None else {"version": canary[0], "share": canary[1]}
        self._json("PUT", f"/admin/products/{product}", {"stable": stable, "canary": share})

    def rollback(self, product: str) -> None:
        """The route before the last change."""
        self._json("POST", f"/admin/products/{product}/rollback")

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        return json.loads(self._text(method, path, body))

    def _text(self, method: str, path: str, body: Any = None) -> str:
        headers = {"content-type": "application/json"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        data = None if body is None else json.dumps(body).encode("utf-8")
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return str(answer.read().decode("utf-8"))
        except urllib.error.HTTPError as error:
            said = error.read().decode("utf-8", "replace")[:500]
            kind = Several if error.code == 409 and "several_replicas" in said else TunesmithError
            raise kind(
                f"{method} {self._url}{path} was refused ({error.code}): {said}",
                "Give the admin key in TUNESMITH_ADMIN_KEY, and look at GET /admin/products.",
            ) from error
        except OSError as error:
            raise TunesmithError(f"{self._url} does not answer: {error}.", "Is the service running?") from error
