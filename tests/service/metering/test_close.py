"""What is left when a service ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tunesmith.service.metering.event import Event
from tunesmith.service.metering.meter import Meter
from tunesmith.service.usage import usage


def test_the_end_waits_for_a_store_that_comes_back(
    sqlite_store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod's folder goes with it: no next start would count what is left."""
    meter = Meter(sqlite_store, tmp_path / "usage", every=3600, patience=5.0)
    meter.write([Event("one", "key", "shop", "1", rows=1, tokens=2)])
    tries: list[int] = []

    def settle() -> None:
        tries.append(1)
        if len(tries) < 2:
            raise OSError("no route")
        Meter.settle(meter)

    monkeypatch.setattr(meter, "settle", settle)
    meter.close()
    assert len(tries) == 2 and [row["requests"] for row in usage(sqlite_store)] == [1]
