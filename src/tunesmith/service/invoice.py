"""What a key owes for a month: its usage at its plan's prices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import Engine

from tunesmith.core.errors import RecipeError, TunesmithError
from tunesmith.service.keys.record import Key, read_keys
from tunesmith.service.settings import Plan, Price
from tunesmith.service.usage import usage

COLUMNS = ("month", "key", "name", "plan", "item", "quantity", "unit_price", "amount", "currency")
CENT = Decimal("0.01")


def invoice(engine: Engine, plans: Mapping[str, Plan], month: str) -> list[dict[str, Any]]:
    """Three lines a key that had a plan in that month: the month itself, requests, tokens.

    Failed requests are not charged. The amount of a line is rounded to cents once, at its end, half up. A key without
    a plan owes nothing and has no lines.

    Args:
        engine: a store whose tables are there.
        plans: by name, with their prices.
        month: ``2026-11``, in UTC.

    Raises:
        RecipeError: that is no month.
        TunesmithError: keys have plans that are not known; nothing is invoiced then.
    """
    first, last = _days(month)
    used = {row["key"]: row for row in usage(engine, first, last, by=("key",))}
    with engine.connect() as connection:
        keys = [key for key, _ in read_keys(connection) if key.plan and (key.id in used or _alive(key, first, last))]
    unknown = sorted({key.plan for key in keys} - set(plans))
    if unknown:
        raise TunesmithError(
            f"Keys have plans that the catalog does not: {', '.join(unknown)}.", "Put them back, with their prices."
        )
    nothing = {"requests": 0, "failed": 0, "tokens": 0}
    return [
        {"month": month, "key": key.id, "name": key.name, "plan": key.plan, **line}
        for key in keys
        for line in _lines(used.get(key.id, nothing), plans[key.plan].price)
    ]


def _lines(used: Mapping[str, Any], price: Price) -> Iterator[dict[str, Any]]:
    charged = used["requests"] - used["failed"]
    thousands = Decimal(used["tokens"]) / 1000
    for item, quantity, unit in (
        ("month", Decimal(1), price.month),
        ("requests", Decimal(charged), price.request),
        ("thousand tokens", thousands, price.thousand_tokens),
    ):
        amount = (quantity * unit).quantize(CENT, ROUND_HALF_UP)
        yield dict(item=item, quantity=quantity, unit_price=unit, amount=amount, currency=price.currency)


def _alive(key: Key, first: date, last: date) -> bool:
    """Whether it worked on some day of the month."""
    ends = [at for at in (key.expires_at, key.revoked_at) if at is not None]
    return _day(key.made_at) <= last and all(_day(at) >= first for at in ends)


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).date()


def _days(month: str) -> tuple[date, date]:
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise RecipeError(f'"{month[:20]}" is no month.', "Write it as 2026-11.")
    first = date(int(month[:4]), int(month[5:]), 1)
    following = (first + timedelta(days=31)).replace(day=1)
    return first, following - timedelta(days=1)
