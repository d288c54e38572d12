"""What the service's packages are, asked for at its door: one error that says what to install, no traceback."""

from __future__ import annotations

from tunesmith.core.extras import need

PACKAGES = ("fastapi", "uvicorn", "orjson", "sqlalchemy", "alembic", "limits", "prometheus_client", "multipart")


def enter(purpose: str) -> None:
    """Look whether all packages of the extra "serve" are there.

    Raises:
        ExtraMissing: one is not.
    """
    for name in PACKAGES:
        need(name, extra="serve", purpose=purpose)
