from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from tunesmith.core.errors import TunesmithError
from tunesmith.service.allowance.windows import window
from tunesmith.service.caller import OPEN, Caller
from tunesmith.service.metering.event import Event
from tunesmith.service.metering.settle import count
from tunesmith.service.problems import Refused
from tunesmith.service.quotas import Quotas
from tunesmith.service.settings import Plan
from tunesmith.service.store.connect import writing
from tunesmith.testing import servers

NOW = datetime(2026, 11, 30, 23, 58, 30, tzinfo=UTC).timestamp()  # 30 s to the minute's end, 90 s to the month's
ONE, OTHER = Caller("one", plan="small"), Caller("other", plan="small")


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "redis"])
def quotas(request: pytest.FixtureRequest, clock: Clock) -> Callable[..., Quotas]:
    uri = "memory://" if request.param == "memory" else request.getfixturevalue("redis_url")
    return lambda plan: Quotas({"small": Plan.model_validate(plan)}, uri, clock=clock)


def run(call: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(call())


async def refusal(quotas: Quotas, caller: Caller = ONE) -> Refused:
    with pytest.raises(Refused) as caught:
        await quotas.admit(caller, "茶")
    return caught.value


@pytest.mark.parametrize(
    ("span", "code", "wait", "at"),
    [
        ("minute", "rate_limit_exceeded", 30, "2026-11-30T23:59:00Z, in 30 s"),
        ("day", "quota_exceeded", 90, "2026-12-01T00:00:00Z, in 1 min 30 s"),
        ("month", "quota_exceeded", 90, "2026-12-01T00:00:00Z, in 1 min 30 s"),
    ],
)
def test_requests_of_a_window(
    quotas: Callable[..., Quotas], clock: Clock, span: str, code: str, wait: int, at: str
) -> None:
    async def main() -> None:
        made = quotas({"requests": {span: 3}})
        for _ in range(3):
            await made.admit(ONE, "茶")
        why = await refusal(made)
        assert (why.status, why.code, why.retry_after) == (429, code, wait)
        assert why.message == (
            f'The plan "small" allows 3 requests a {span}, and they are used up. Counting begins anew at {at}.'
        )
        await made.admit(OTHER, "茶")  # another key has its own
        clock.now += wait
        await made.admit(ONE, "茶")

    run(main)


def test_tokens_are_known_after(quotas: Callable[..., Quotas], clock: Clock) -> None:
    async def main() -> None:
        made = quotas({"tokens": {"minute": 100, "month": 150}})
        await made.admit(ONE, "茶")
        await made.spend(ONE, "茶", 99)
        await made.admit(ONE, "茶")
        await made.spend(ONE, "茶", 30)
        assert "100 tokens a minute" in (await refusal(made)).message
        await made.admit(OTHER, "茶")
        clock.now += 30
        await made.admit(ONE, "茶")
        await made.spend(ONE, "茶", 30)
        assert "150 tokens a month" in (await refusal(made)).message

    run(main)


def test_what_is_refused_uses_nothing_up(quotas: Callable[..., Quotas], clock: Clock) -> None:
    async def main() -> None:
        made = quotas({"requests": {"minute": 2, "day": 3}})
        for _ in range(2):
            await made.admit(ONE, "茶")
        for _ in range(10):
            assert (await refusal(made)).code == "rate_limit_exceeded"
        clock.now += 30
        await made.admit(ONE, "茶")  # the third of the day
        assert "3 requests a day" in (await refusal(made)).message
        assert (await made.headers(ONE))["x-ratelimit-remaining-requests"] == "1"

    run(main)


def test_what_was_not_answered_is_given_back(quotas: Callable[..., Quotas], clock: Clock) -> None:
    async def main() -> None:
        made = quotas({"requests": {"minute": 1, "month": 2}})
        for _ in range(5):
            await made.admit(ONE, "茶")
            await made.take_back(ONE, "茶")
        clock.now += 30  # a new minute gets nothing that was taken in the old one
        await made.take_back(ONE, "茶")
        await made.admit(ONE, "茶")
        assert (await refusal(made)).code == "rate_limit_exceeded"

    run(main)


def test_a_retry_is_paid_once_and_computed_twice(quotas: Callable[..., Quotas], clock: Clock) -> None:
    async def main() -> None:
        made = quotas({"requests": {"minute": 2, "month": 2}, "tokens": {"minute": 100, "month": 10}})
        await made.admit(ONE, "茶")
        await made.spend(ONE, "茶", 5)
        await made.admit(ONE, "茶")
        await made.retried(ONE, "茶", 5)
        assert (await made.headers(ONE))["x-ratelimit-remaining-tokens"] == "90"
        assert (await refusal(made)).code == "rate_limit_exceeded", "a minute's two were computed"
        clock.now += 30
        await made.admit(ONE, "茶")  # the month's second, and its tokens are not used up
        assert (await refusal(made)).code == "quota_exceeded"

    run(main)


def test_many_at_once_never_get_more(quotas: Callable[..., Quotas]) -> None:
    async def main() -> None:
        made = quotas({"requests": {"minute": 10, "day": 1000}})
        told = await asyncio.gather(*(made.admit(ONE, "茶") for _ in range(50)), return_exceptions=True)
        assert sum(one is None for one in told) == 10
        assert {type(one) for one in told} == {type(None), Refused}

    run(main)


def test_headers(quotas: Callable[..., Quotas]) -> None:
    async def main() -> None:
        made = quotas({"requests": {"minute": 10, "day": 1000}, "tokens": {"minute": 500}})
        await made.admit(ONE, "茶")
        await made.spend(ONE, "茶", 600)
        assert await made.headers(ONE) == {
            "x-ratelimit-limit-requests": "10",
            "x-ratelimit-remaining-requests": "9",
            "x-ratelimit-reset-requests": "30s",
            "x-ratelimit-limit-tokens": "500",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "30s",
        }
        assert await made.headers(OPEN) == {}
        assert await quotas({"tokens": {"day": 5}}).headers(ONE) == {}

    run(main)


def test_no_plan_has_no_limits_and_an_unknown_plan_is_not_no_plan(quotas: Callable[..., Quotas]) -> None:
    async def main() -> None:
        made = quotas({"requests": {"minute": 1}})
        for _ in range(5):
            await made.admit(OPEN, "茶")
            await made.spend(OPEN, "茶", 10**9)
        why = await refusal(made, Caller("three", plan="gone"))
        assert (why.status, why.code) == (403, "plan_not_found")

    run(main)


def test_day_and_month_outlive_the_process(store: Engine, clock: Clock) -> None:
    def event(number: int, at: float, key: str = "one", tokens: int = 5) -> Event:
        return Event(f"req_{number}", key, "茶", "1", rows=1, tokens=tokens, at=at)

    with writing(store) as connection:
        today = [event(number, NOW) for number in range(3)]
        earlier = [event(number, NOW - 10 * 86400) for number in range(4)]
        last_month = [event(0, NOW - 40 * 86400, tokens=10**6)]
        count(connection, [*today, *earlier, *last_month, event(0, NOW, "other")])

    async def main() -> None:
        for plan, left in (
            ({"requests": {"day": 5}}, 2),
            ({"requests": {"month": 8}}, 1),
            ({"tokens": {"day": 16}}, 10),
        ):
            made = Quotas({"small": Plan.model_validate(plan)}, clock=clock)
            made.seed(store)
            for _ in range(min(left, 5)):
                await made.admit(ONE, "茶")
            if "tokens" in plan:
                await made.spend(ONE, "茶", 1)
            await refusal(made)
            await made.admit(OTHER, "茶")

    run(main)


def test_two_processes_share_redis(redis_url: str, clock: Clock) -> None:
    async def main() -> None:
        plans = {"small": Plan.model_validate({"requests": {"minute": 3}})}
        one, two = (Quotas(plans, redis_url, clock=clock) for _ in range(2))
        await one.admit(ONE, "茶")
        await two.admit(ONE, "茶")
        await one.admit(ONE, "茶")
        await refusal(two)

    run(main)


def test_redis_does_not_hold_up_the_event_loop(redis_url: str, clock: Clock) -> None:
    """While Redis sleeps, the loop ticks on."""
    from redis import Redis

    async def main() -> None:
        made = Quotas({"small": Plan.model_validate({"requests": {"minute": 3}})}, redis_url, clock=clock)
        await made.admit(ONE, "茶")
        server = Redis.from_url(redis_url.replace("redis+unix", "unix"))
        server.execute_command("CLIENT", "PAUSE", "300", "ALL")
        waiting, ticks = asyncio.create_task(made.admit(ONE, "茶")), 0
        while not waiting.done():
            await asyncio.sleep(0.005)
            ticks += 1
        assert ticks > 20

    run(main)


def test_redis_goes_and_comes(clock: Clock) -> None:
    """Nothing is given away while nobody counts; what was computed is still answered."""

    async def main() -> None:
        try:
            with servers.redis() as url:
                plan = Plan.model_validate({"requests": {"minute": 9}, "tokens": {"day": 9}})
                made = Quotas({"small": plan}, url, clock=clock)
                await made.admit(ONE, "茶")
        except servers.NoServer as error:
            pytest.skip(f"NOT TESTED HERE: {error}")
        why = await refusal(made)
        assert (why.status, why.code) == (503, "limits_unavailable") and url not in why.message
        await made.spend(ONE, "茶", 5)
        assert await made.headers(ONE) == {}

    run(main)


@pytest.mark.parametrize("uri", ["", "mongodb://me:hunter2@host", "redis+unix", "hunter2"])
def test_a_bad_uri(uri: str) -> None:
    with pytest.raises(TunesmithError, match="memory") as caught:
        Quotas({}, uri)
    assert "me:hunter2" not in str(caught.value)


def test_months_and_days() -> None:
    def at(*parts: int) -> float:
        return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc]

    assert window("month", at(2026, 12, 31, 23)).end == at(2027, 1, 1)
    assert window("month", at(2027, 2, 28)).end == at(2027, 3, 1)
    assert window("day", at(2028, 2, 29, 5)).end == at(2028, 3, 1)


def test_an_answer_under_a_client_s_own_id_is_the_first_once(quotas: Callable[..., Quotas]) -> None:
    async def main() -> None:
        made = quotas({"requests": {"day": 3}})
        assert [await made.first(ONE, "id 茶\nabc") for _ in range(3)] == [True, False, False]
        assert await made.first(ONE, "id\nother") and await made.first(OTHER, "id 茶\nabc")
        assert await made.first(OPEN, "x") and await made.first(OPEN, "x"), "no plan, nothing to count"

    run(main)
