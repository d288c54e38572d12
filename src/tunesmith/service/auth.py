"""Who asks: an ``Authorization`` header becomes a ``Caller``, in microseconds.

All keys are in memory. A change made through this object holds for the very next request. One made by another process
(``tunesmith keys revoke``, a second replica) is seen by a thread that looks at one number in the store four times a
second, and then reads only the keys that are newer. While it cannot look, a key that is not known may be one that was
just made: it is not told that it is none, but to ask again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock

from sqlalchemy import Engine

from tunesmith.service.caller import Caller
from tunesmith.service.keys import change, record
from tunesmith.service.keys.admin import ADMIN, admin_hash
from tunesmith.service.keys.record import Key, Secret
from tunesmith.service.keys.secret import NewKey, hashed, parted, same
from tunesmith.service.problems import Refused
from tunesmith.service.ticker import Ticker

LONGEST = 512
"""Characters of a key: a longer text is not even hashed."""
HOW = "Send it as: Authorization: Bearer ts_..."
STALE = 2.0
"""Seconds beyond the usual pause between looks, after which what is in memory may lack a key."""
NOBODY = (Secret(hashed(""), 0.0),)
"""Compared where an id is unknown, so that time does not tell which ids there are."""


@dataclass(frozen=True)
class _Known:
    key: Key
    caller: Caller
    secrets: tuple[Secret, ...]


class KeyRing:
    """All keys of a store, and the admin's.

    Args:
        engine: a store whose tables are there (``open_store``).
        every: seconds between looks at what other processes changed.
        clock: seconds since 1970.

    Raises:
        TunesmithError: the admin key in the environment is too short.
    """

    def __init__(self, engine: Engine, *, every: float = 0.25, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock
        self._stale = every + STALE
        self._looked = 0.0
        """When the last look that did not fail began, on the monotonic clock. One that hangs leaves it as it is."""
        self._admin = admin_hash()
        self._known: dict[str, _Known] = {}
        self._number = 0
        self._lock = Lock()
        self.refresh()
        self._ticker = Ticker("keys", self.refresh, every)

    def start(self) -> None:
        """Look for changes once now, and again and again from now on. Who does not call it, does so by first asking."""
        self._ticker.start(at_once=True)

    def find(self, authorization: str | None) -> Caller:
        """Who sends this header: ``Bearer ts_...``.

        Raises:
            Refused: 401; no key, not a key, or one that is expired or revoked. 503; it is not known, and the store,
                where it may be new, does not answer.
        """
        self.start()
        scheme, _, text = (authorization or "").strip().partition(" ")
        text = text.strip()
        if scheme.lower() != "bearer" or not text:
            raise Refused(401, "missing_api_key", f"There is no key in this request. {HOW}")
        if self._admin is not None and len(text) <= LONGEST and same(hashed(text), self._admin):
            return ADMIN
        parts = parted(text)
        if parts is None:
            raise Refused(401, "invalid_api_key", f"This is not a key. {HOW}")
        return self._of(*parts)

    def _of(self, id: str, secret: str) -> Caller:
        known, given, now = self._known.get(id), hashed(secret), self._clock()
        right = False
        for one in known.secrets if known else NOBODY:
            right |= same(given, one.hash) and (one.until is None or now < one.until)
        if known is None or not right:
            # One answer for an unknown id, a wrong secret and one that was rotated away.
            raise self._unknown("There is no such key, or it was replaced by a newer one.")
        return _active(known, now)

    def of(self, id: str) -> Caller:
        """Who a key's public id is, for work that goes on without its header.

        Raises:
            Refused: 401; there is no such key, or it is expired or revoked. 503; it is not known, and the store does
                not answer.
        """
        self.start()
        known = self._known.get(id)
        if known is None:
            raise self._unknown("There is no such key.")
        return _active(known, self._clock())

    def _unknown(self, words: str) -> Refused:
        """What nobody in memory is: nobody at all, where memory is as new as it should be."""
        if self._ticker.problem or time.monotonic() - self._looked > self._stale:
            message = "The service cannot look up this key at the moment. Ask again."
            return Refused(503, "keys_unavailable", message, retry_after=1)
        return Refused(401, "invalid_api_key", words)

    def make(
        self, name: str, *, products: Iterable[str] | None = None, plan: str = "", expires_in: float | None = None
    ) -> NewKey:
        """A new key. Its text is in the answer, and nowhere else.

        Args:
            name: what to call it: a customer, a program.
            products: those that it may ask; None: all.
            plan: the name of its plan; "" has no limits.
            expires_in: seconds until it ends; None: never.

        Raises:
            RecipeError: an empty name, no product, or an end that is past.
        """
        text = change.make(self._engine, name, products, plan, expires_in, self._clock())
        self.refresh()
        return text

    def revoke(self, id: str) -> Key:
        """End a key now; it stays in the lists.

        Raises:
            RecipeError: there is no such key.
        """
        change.revoke(self._engine, id, self._clock())
        self.refresh()
        return self._known[id].key

    def rotate(self, id: str, grace: float = 0.0) -> NewKey:
        """A new secret for the same id, so that plan, usage and invoices go on.

        Args:
            id: of the key.
            grace: seconds for which the old secret works beside the new one.

        Raises:
            RecipeError: there is no such key, it does not work any more, or the grace is negative.
        """
        text = change.rotate(self._engine, id, grace, self._clock())
        self.refresh()
        return text

    def all(self) -> list[Key]:
        """Every key there ever was, the oldest first."""
        self.refresh()
        return sorted((known.key for known in self._known.values()), key=lambda key: (key.made_at, key.id))

    def refresh(self) -> None:
        """Read what was changed since the last time."""
        with self._lock:
            began = time.monotonic()
            with self._engine.connect() as connection:
                number = record.changed_number(connection)
                if number != self._number:
                    again = number < self._number  # an older copy of the store was put in its place
                    known = {} if again else dict(self._known)
                    for key, secrets in record.read_keys(connection, 0 if again else self._number):
                        known[key.id] = _Known(key, key.caller(), secrets)
                    # At once, and not before all is read: who asks meanwhile, or where it fails, finds what was there.
                    self._known, self._number = known, number
            self._looked = began

    def close(self) -> None:
        """Stop looking for changes."""
        self._ticker.close()


def _active(known: _Known, now: float) -> Caller:
    state = known.key.state(now)
    if state != "active":
        raise Refused(401, f"{state}_api_key", f"The key {known.key.id} is {state}. Ask its giver for a new one.")
    return known.caller
