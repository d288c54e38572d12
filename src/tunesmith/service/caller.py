"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Caller:
    """A key, without its secret.

    Args:
        key: the key's public id.
        name: what its owner called it.
        products: those that it may ask; None: all.
        plan: the name of its plan; "" is none, and has no limits.
        admin: whether it may change what is served, and make keys.
    """

    key: str
    name: str = ""
    products: frozenset[str] | None = None
    plan: str = ""
    admin: bool = False

    def may(self, product: str) -> bool:
        """Whether this product is open to it."""
        return self.products is None or product in self.products


OPEN = Caller("open", "no key")
"""Where no keys are asked for."""
