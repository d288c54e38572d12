from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from tunesmith.core.errors import RecipeError, TunesmithError
from tunesmith.service.auth import KeyRing
from tunesmith.service.invoice import invoice
from tunesmith.service.metering.event import Event
from tunesmith.service.metering.settle import count
from tunesmith.service.settings import Plan
from tunesmith.service.store.connect import writing
from tunesmith.service.usage import csv_text, usage


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc]


def events(key: str, moment: float, times: int = 1, **more: Any) -> list[Event]:
    values = {"product": "茶", "version": "1", "rows": 2, "tokens": 7, "at": moment, **more}
    return [Event(f"req_{number}", key, **values) for number in range(times)]


def used(store: Engine, *groups: list[Event]) -> None:
    with writing(store) as connection:
        count(connection, [event for group in groups for event in group])


def test_by_what_one_likes(store: Engine) -> None:
    used(
        store,
        events("a", at(2026, 10, 31, 23), 2),
        events("a", at(2026, 11, 1), 3, product="b"),
        events("b", at(2026, 11, 30, 23, 59), 4, status=500, tokens=0),
    )
    assert usage(store, by=("key",)) == [
        {"key": "a", "requests": 5, "failed": 0, "rows": 10, "tokens": 35},
        {"key": "b", "requests": 4, "failed": 4, "rows": 8, "tokens": 0},
    ]
    assert [(row["month"], row["requests"]) for row in usage(store, by=("month",))] == [("2026-10", 2), ("2026-11", 7)]
    november = usage(store, date(2026, 11, 1), date(2026, 11, 30))
    assert [(row["key"], row["product"], row["day"], row["requests"]) for row in november] == [
        ("a", "b", date(2026, 11, 1), 3),
        ("b", "茶", date(2026, 11, 30), 4),
    ]
    assert usage(store, until=date(2026, 10, 31), by=("day", "hour"))[0]["hour"] == 23
    assert usage(store, by=()) == [{"requests": 9, "failed": 4, "rows": 18, "tokens": 35}]
    assert usage(store, since=date(2027, 1, 1)) == []


def test_what_cannot_be_told(store: Engine) -> None:
    with pytest.raises(RecipeError, match='by "keys"') as caught:
        usage(store, by=("keys",))
    assert "key" in caught.value.hint
    with pytest.raises(RecipeError, match="no time"):
        usage(store, date(2026, 2, 1), date(2026, 1, 1))


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1"])
def test_no_formula_gets_into_a_spreadsheet(name: str) -> None:
    assert csv_text(["name"], [{"name": name}]).splitlines()[1].lstrip('"').startswith("'")


PLANS = {
    "small": Plan.model_validate({"price": {"request": "0.001", "thousand_tokens": "0.0125", "month": "9.90"}}),
    "free": Plan.model_validate({"price": {"currency": "CNY"}}),
}


def lines(store: Engine, month: str = "2026-11") -> dict[tuple[str, str], Any]:
    return {(line["name"], line["item"]): line for line in invoice(store, PLANS, month)}


def test_an_invoice(store: Engine) -> None:
    clock = lambda: at(2026, 10, 15)  # noqa: E731
    ring = KeyRing(store, clock=clock)
    tea, free, other = ring.make("王记", plan="small"), ring.make("free", plan="free"), ring.make("no plan")
    used(
        store,
        events(tea.id, at(2026, 11, 1), 1499, tokens=3),
        events(tea.id, at(2026, 11, 30, 23, 59), 1, tokens=0),
        events(tea.id, at(2026, 11, 2), 10, status=500, tokens=0),
        events(tea.id, at(2026, 12, 1), 5),
        events(free.id, at(2026, 11, 1), 5),
        events(other.id, at(2026, 11, 1), 5),
        events("open", at(2026, 11, 1), 5),
    )
    found = lines(store)
    assert {name for name, _ in found} == {"王记", "free"}
    month, requests, tokens = (found["王记", item] for item in ("month", "requests", "thousand tokens"))
    assert (month["amount"], month["currency"]) == (Decimal("9.90"), "EUR")
    assert (requests["quantity"], requests["amount"]) == (1500, Decimal("1.50"))  # the failed are not charged
    # 4.497 thousand tokens at 0.0125 are 0.0562125
    assert (tokens["quantity"], tokens["amount"]) == (Decimal("4.497"), Decimal("0.06"))
    assert found["free", "requests"]["amount"] == 0 and found["free", "month"]["currency"] == "CNY"


def test_rounding_is_half_up_and_of_decimals(store: Engine) -> None:
    key = KeyRing(store, clock=lambda: at(2026, 11, 1)).make("one", plan="small")
    used(store, events(key.id, at(2026, 11, 1), 1, tokens=400))
    assert lines(store)["one", "thousand tokens"]["amount"] == Decimal("0.01")  # 0.005; a float gives 0.00


def test_a_month_is_charged_while_the_key_works(store: Engine) -> None:
    now = [at(2026, 11, 20)]
    ring = KeyRing(store, clock=lambda: now[0])
    ring.make("ends", plan="small", expires_in=20 * 86400)  # on the 10th of December
    revoked = ring.make("revoked", plan="small")
    now[0] = at(2026, 11, 25)
    ring.revoke(revoked.id)
    assert [line["name"] for line in invoice(store, PLANS, "2026-10")] == []
    assert {name for name, _ in lines(store, "2026-11")} == {"ends", "revoked"}
    assert {name for name, _ in lines(store, "2026-12")} == {"ends"}
    assert lines(store, "2027-01") == {}


def test_what_cannot_be_invoiced(store: Engine) -> None:
    for month in ("2026-13", "november", "2026-1", "２０２６-11"):
        with pytest.raises(RecipeError, match="no month"):
            invoice(store, PLANS, month)
    KeyRing(store, clock=lambda: at(2026, 11, 1)).make("one", plan="gone")
    with pytest.raises(TunesmithError, match="gone"):
        invoice(store, PLANS, "2026-11")
