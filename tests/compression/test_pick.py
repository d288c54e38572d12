"""What ships: within the allowed loss, the best by the target."""

from __future__ import annotations

from typing import Any

from tunesmith.compression.pick import Candidate, allowed, words


def made(name: str, **given: Any) -> Candidate:
    base = {"metric": 0.9, "loss": 0.0, "agreement": 1.0, "gap": 0.0, "bytes": 100, "one": 1.0, "many": 10.0}
    return Candidate(name, **{**base, **given})


def test_what_loses_too_much_is_no_choice() -> None:
    quick, true = made("quick", loss=0.02, one=0.1), made("true", one=0.5)
    assert [c.name for c in allowed([quick, true], 0.01, "latency")] == ["true"]
    assert [c.name for c in allowed([quick, true], 0.02, "latency")] == ["quick", "true"]
    assert allowed([quick], 0.0, "latency") == []


def test_a_loss_that_is_not_defined_is_no_choice() -> None:
    assert allowed([made("odd", loss=float("nan"))], 1.0, "size") == []


def test_each_target_has_its_own_best() -> None:
    some = [made("one", one=0.1), made("many", many=1.0), made("small", bytes=10)]
    assert {t: allowed(some, 0.01, t)[0].name for t in ("latency", "throughput", "size")} == {  # type: ignore[arg-type]
        "latency": "one",
        "throughput": "many",
        "size": "small",
    }


def test_of_two_alike_the_truer_one() -> None:
    some = [made("rough", bytes=100, agreement=0.97), made("true", bytes=102), made("large", bytes=110)]
    assert [c.name for c in allowed(some, 0.01, "size")] == ["true", "rough", "large"]


def test_the_reason_in_words() -> None:
    said = words(made("int8", one=0.25, many=5.0, bytes=25), made("torch"), 0.01, "latency")
    assert "int8 is the quickest for one row" in said and "4.0 and 2.0 times" in said and "25% of its size" in said
