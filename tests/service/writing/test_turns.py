from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tunesmith.service.writing.turns import Turns


def text(key: str, name: str = "", low: bool = False, cost: int = 300) -> Any:
    return SimpleNamespace(stream=SimpleNamespace(key=key, low=low, cancelled=False), cost=cost, name=name or key)


def names(texts: Any) -> str:
    return "".join(one.name for one in texts)


def test_a_key_never_has_all_places() -> None:
    turns = Turns(4)
    for _ in range(9):
        turns.put(text("a"))
    first = turns.take()
    assert names(first) == "aaa" and (turns.busy, turns.live) == (3, 6)
    turns.put(text("b"))
    assert names(turns.take()) == "b" and not turns.take()
    turns.end(first[0])
    assert names(turns.take()) == "a"  # no third key waits


def test_keys_take_turns_whatever_they_cost() -> None:
    turns = Turns(7)
    for i in range(6):
        turns.put(text("a", cost=2000 + i))
        turns.put(text("b", cost=2000 + i))
    assert len(turns.take()) == 7 and 3 <= turns.held["a"] <= 4


def test_what_is_low_is_last_and_leaves_a_place_too() -> None:
    turns = Turns(3)
    for i in range(4):
        turns.put(text(f"job{i}", "l", low=True))
    turns.put(text("a"))
    assert names(turns.take()) == "all" and turns.busy == 3
    turns = Turns(3)
    for i in range(4):
        turns.put(text(f"job{i}", "l", low=True))
    assert names(turns.take()) == "ll" and bool(turns)
    turns.put(text("a"))
    assert names(turns.take()) == "a"


def test_what_was_cancelled_takes_no_place() -> None:
    turns = Turns(2)
    gone, here = text("a", "x"), text("a", "y")
    gone.stream.cancelled = True
    turns.put(gone)
    turns.put(here)
    assert names(turns.take()) == "y" and turns.live == 0
    turns.end(here)
    assert turns.busy == 0 and not turns.held


def test_one_place_alone_is_everybodys() -> None:
    turns = Turns(1)
    turns.put(text("a"))
    turns.put(text("b"))
    (first,) = turns.take()
    turns.end(first)
    (second,) = turns.take()
    assert {first.name, second.name} == {"a", "b"}


def test_what_is_left() -> None:
    turns = Turns(2)
    turns.put(text("a"))
    turns.put(text("b", low=True))
    assert names(turns.left()) == "ab" and not turns and turns.live == 0
