"""The door of all paths below ``/admin``: a dependency of their routers.

FastAPI runs it before it looks at a body, so that nobody else learns anything from what is wrong with one.
"""

from __future__ import annotations

from fastapi import Request


def admin_only(request: Request) -> None:
    """Raises ``Refused`` (401, 403) for everybody else."""
    request.app.state.services.admin(request)
