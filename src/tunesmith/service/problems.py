"""What a client is told when it gets no answer: one shape for all, the one that OpenAI's client reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

MOST = 8
"""Mistakes that are told of."""
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}


class Refused(Exception):
    """A request that gets no answer, and why.

    Args:
        status: of HTTP.
        code: a short name that a program can compare.
        message: what is wrong, of what, and what to do; for people. It never holds a secret or another's data.
        param: the field that is wrong.
        retry_after: seconds after which it is worth asking again.
    """

    def __init__(
        self, status: int, code: str, message: str, *, param: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.retry_after = retry_after

    def body(self, request_id: str = "") -> dict[str, Any]:
        """``{"error": {"message", "type", "code", "param", "request_id"}}``."""
        kind = TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        told = {"message": self.message, "type": kind, "code": self.code, "param": self.param}
        return {"error": {**told, "request_id": request_id}}

    def headers(self) -> dict[str, str]:
        """``Retry-After`` in whole seconds, where it is worth it."""
        return {} if self.retry_after is None else {"retry-after": str(max(1, math.ceil(self.retry_after)))}


def invalid(mistakes: Iterable[tuple[Sequence[int | str], str]]) -> Refused:
    """What pydantic found, (place, what is wrong) each, as a refusal that names the fields."""
    told = [(".".join(str(part) for part in place if part != ""), said) for place, said in islice(mistakes, MOST)]
    message = "; ".join(f"{place}: {said}" if place else said for place, said in told)
    return Refused(422, "invalid_request", message, param=told[0][0] or None)
