"""Files in requests: within a policy's limits, and decoded beside the event loop."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith import testing
from tunesmith.service.jobs.work import _without
from tunesmith.service.problems import Refused
from tunesmith.service.safety.files import beside, files_within
from tunesmith.service.safety.policy import Limits

soundfile = pytest.importorskip("soundfile")


def a_sound(seconds: float) -> str:
    data = io.BytesIO()
    soundfile.write(data, np.zeros(int(8000 * seconds)), 8000, format="WAV")
    return f"data:audio/*;base64,{base64.b64encode(data.getvalue()).decode()}"


def test_pixels_and_seconds_are_limits() -> None:
    rows: list[Any] = ["a text", {"image": testing.picture_url((9, 9, 9)), "audio": a_sound(0.5)}, {"image": "data:,x"}]
    files_within(Limits(), rows)
    files_within(Limits(pixels=10_000_000, seconds=0.5), rows)
    with pytest.raises(Refused, match=r"a picture of [\d,]+ pixels; the limit is 3\.") as told:
        files_within(Limits(pixels=3), rows)
    assert told.value.status == 413
    with pytest.raises(Refused, match=r"a sound of 0\.5 seconds; the limit is 0\.4\."):
        files_within(Limits(seconds=0.4), rows)


def test_files_are_read_beside_the_event_loop() -> None:
    async def asked() -> None:
        here = threading.get_ident()
        assert await beside(threading.get_ident, [{"text": "a"}], 1.0) == here
        assert await beside(threading.get_ident, [{"image": "data:,x"}], 1.0) != here
        for low in (True, False):
            name = await beside(lambda: threading.current_thread().name, [{"image": "data:,x"}], 1.0, low=low)
            assert ("jobs" in name) == low
        with pytest.raises(Refused, match="in time"):
            await beside(lambda: time.sleep(0.2), [{"image": "data:,x"}], 0.05)

    asyncio.run(asked())


def test_a_row_of_a_job_does_not_tell_where_it_lies(tmp_path: Path) -> None:
    assert _without(tmp_path, f'the picture "{tmp_path}/a.png" is damaged') == 'the picture "./a.png" is damaged'
