from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tunesmith.service.fair_queue import FairQueue


def test_a_key_with_much_does_not_hold_up_one_with_little() -> None:
    queue: FairQueue[str] = FairQueue(quantum=100)
    for i in range(50):
        queue.put("much", f"much {i}", 20)
    queue.put("little", "little", 20)
    first = queue.take(tokens=220, most=100)
    assert first[5] == "little" and len(first) == 11


def test_shares_are_of_tokens_not_of_requests() -> None:
    queue: FairQueue[str] = FairQueue(quantum=50)
    for _ in range(40):
        queue.put("long", "long", 100)
        queue.put("short", "short", 10)
    taken = queue.take(tokens=1200, most=1000)
    spent = {name: sum(100 if one == "long" else 10 for one in taken if one == name) for name in ("long", "short")}
    assert spent["short"] == 400 and spent["long"] == 800  # all of the short; the rest is what the long one gets


def test_one_that_is_larger_than_a_batch_goes_alone() -> None:
    queue: FairQueue[str] = FairQueue(quantum=10)
    queue.put("a", "huge", 1000)
    queue.put("a", "small", 1)
    assert queue.take(tokens=50, most=8) == ["huge"]
    assert queue.take(tokens=50, most=8) == ["small"]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 300)), max_size=60),
    st.integers(1, 500),
    st.integers(1, 9),
    st.integers(1, 400),
)
def test_nothing_is_lost_doubled_or_passed_over(
    jobs: list[tuple[str, int]], tokens: int, most: int, quantum: int
) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(quantum)
    for number, (key, cost) in enumerate(jobs):
        queue.put(key, (key, number), cost)
    taken: list[tuple[str, int]] = []
    while queue:
        some = queue.take(tokens, most)
        assert 0 < len(some) <= most
        assert len(some) == 1 or sum(jobs[number][1] for _, number in some) <= tokens
        taken += some
    assert queue.tokens == 0 and sorted(number for _, number in taken) == list(range(len(jobs)))
    for key in "abc":
        own = [number for name, number in taken if name == key]
        assert own == sorted(own)
