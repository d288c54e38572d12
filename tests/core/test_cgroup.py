"""A container's limit on the processor, as version 1 and 2 of control groups tell it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tunesmith.core import runtime
from tunesmith.core.cgroup import quota

QUOTA, PERIOD = "cpu.cfs_quota_us", "cpu.cfs_period_us"


def told(place: Path, own: str, files: dict[str, str]) -> float | None:
    groups = place / "groups"
    for name, text in files.items():
        path = groups / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (place / "own").write_text(own)
    return quota(groups, place / "own")


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {"cpu.max": "a lot"}, None),
        ("0::/\n", {}, None),
        ("", {}, None),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "max 100000\n"}, 2.0),
        ("0::/docker/1f\n", {"cpu.max": "50000 100000\n"}, 0.5),  # the path is of the machine outside
        ("1:cpu,cpuacct:/\n", {f"cpu,cpuacct/{QUOTA}": "300000", f"cpu,cpuacct/{PERIOD}": "100000"}, 3.0),
        ("4:memory:/m\n1:cpu:/a\n", {f"cpu/a/{QUOTA}": "-1", f"cpu/a/{PERIOD}": "100000"}, None),
        ("1:cpu:/x\n", {f"cpu/{QUOTA}": "100000\n", f"cpu/{PERIOD}": "100000\n"}, 1.0),
    ],
)
def test_the_least_limit_of_its_groups(own: str, files: dict[str, str], limit: float | None, tmp_path: Path) -> None:
    assert told(tmp_path, own, files) == limit


@pytest.mark.parametrize(("limit", "cores"), [(None, 4), (0.2, 1), (1.5, 2), (3.0, 3), (9.0, 4)])
def test_threads_are_as_many_as_there_is_time_for(
    limit: float | None, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(runtime, "quota", lambda: limit)
    assert runtime.cores() == cores
