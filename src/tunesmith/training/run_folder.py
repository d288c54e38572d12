"""A run's own folder, beside the bundle that it will be: checkpoints, log, what was left out. It outlives a kill."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tunesmith.core.errors import TrainingError

LOCK = "lock"


def run_folder(bundle: Path, identity: dict[str, Any]) -> Path:
    """``.NAME.run-HASH`` beside the bundle; the hash is of what makes the run this one.

    Args:
        identity: JSON values: recipe, data fingerprints, base weights. A changed recipe is another run, so an
            unfinished one is neither mixed up with it nor lost.
    """
    text = json.dumps(identity, sort_keys=True, ensure_ascii=False, default=str)
    return bundle.parent / f".{bundle.name}.run-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


@contextmanager
def opened(folder: Path, *, fresh: bool) -> Iterator[Path]:
    """The folder, locked against a second process; removed when the block ends well, or leaves nothing to go on from.

    Args:
        fresh: drop what an earlier run left.

    Raises:
        TrainingError: another process is at it, or it cannot be written.
    """
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise TrainingError(
            f"Another process is at this very run ({folder}).", "Wait for it, or give this one another bundle=."
        ) from error
    except OSError as error:
        raise TrainingError(
            f"The run's folder {folder} cannot be written: {error.strerror}.", "Set bundle= to a folder that can be."
        ) from error
    try:
        if fresh:
            _emptied(folder)
        yield folder
    except BaseException:
        lock.release()
        if all(path.name == LOCK for path in folder.iterdir()):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    lock.release()
    shutil.rmtree(folder, ignore_errors=True)


def _emptied(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()
