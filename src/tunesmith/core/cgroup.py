"""How much of the processor a container may have: Linux gives it time, and does not take cores out of its sight."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

GROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def quota(groups: Path = GROUPS, own: Path = OWN) -> float | None:
    """Cores' worth of time that this process may use, the least of its groups'; None where there is no limit.

    Args:
        groups: where control groups are mounted: version 2 (``cpu.max``), 1 (``cpu.cfs_quota_us``), or both.
        own: the file that names this process's groups.
    """
    limits = (_limit(folder) for folder in dict.fromkeys((groups, groups / "cpu", *_folders(groups, own))))
    return min((limit for limit in limits if limit is not None), default=None)


def _folders(groups: Path, own: Path) -> Iterator[Path]:
    """Of each of its groups, and of those above. In a container the paths may be of the machine outside, and only the
    mounted root is there.
    """
    for line in _read(own).splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if names and "cpu" not in names.split(","):
            continue
        inside = PurePosixPath(path.lstrip("/"))
        for mount in (groups / names, groups / "cpu") if names else (groups,):
            yield from (mount / part for part in (inside, *inside.parents))


def _limit(folder: Path) -> float | None:
    told = _read(folder / "cpu.max").split() or [
        *_read(folder / "cpu.cfs_quota_us").split(),
        *_read(folder / "cpu.cfs_period_us").split(),
    ]
    try:
        time, period = map(float, told)
    except ValueError:  # none, or "max"
        return None
    return time / period if time > 0 and period > 0 else None


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except (OSError, ValueError):
        return ""
