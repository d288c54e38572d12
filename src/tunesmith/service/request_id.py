"""A request's name: the client's ``Idempotency-Key``, or one of ours."""

from __future__ import annotations

import random
import re
from collections.abc import MutableMapping
from typing import Any

from tunesmith.service.problems import Refused
from tunesmith.service.watching.logs import TRACE_PARENT, current

_FINE = re.compile(r"[!-~]{1,128}")
_draw = random.Random(random.SystemRandom().getrandbits(256))
_STATE = "tunesmith.request_id"


def request_id_of(scope: MutableMapping[str, Any]) -> str:
    """The id of a request (an ASGI scope): always the same one for the same scope.

    Raises:
        Refused: the client's own is too long, or has other characters than visible ASCII ones.
    """
    found = scope.get(_STATE)
    if found is None:
        TRACE_PARENT.set(next((v.decode("latin-1") for n, v in scope.get("headers", ()) if n == b"traceparent"), None))
        found = scope[_STATE] = new_id()
        own = next((value for name, value in scope.get("headers", ()) if name == b"idempotency-key"), None)
        if own is not None:
            told = own.decode("latin-1")
            if not _FINE.fullmatch(told):
                raise Refused(400, "bad_idempotency_key", "Idempotency-Key: 1 to 128 visible ASCII characters.")
            if told.startswith("req_"):  # of ours none is remembered, so a retry under one would be counted twice
                raise Refused(400, "bad_idempotency_key", "Idempotency-Key: req_... are the service's own.")
            found = scope[_STATE] = told
    current.set(str(found))
    return str(found)


def new_id(kind: str = "req") -> str:
    """``req_`` and 96 random bits: a name, not a secret; asking the system for each costs more than all the rest."""
    return f"{kind}_{_draw.getrandbits(96):024x}"
