"""Where made things are kept between runs, and how a folder gets there whole, once, and is checked before use."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from tunesmith.core.errors import ModelError

STAMP = ".tunesmith-cache.json"
"""In every kept folder: the hash of each file, and the key of what it was made from."""

WAIT_SECONDS = 600.0
"""How long to wait for another process that makes the same folder."""


def cache_folder(*parts: str) -> Path:
    """The user's cache, or a folder in it; made if absent.

    ``TUNESMITH_CACHE`` names it; else the platform's place (``$XDG_CACHE_HOME/tunesmith`` or ``~/.cache/tunesmith``).

    Raises:
        ModelError: it cannot be written.
    """
    folder = _root().joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ModelError(
            f"The cache folder {folder} cannot be written: {error.strerror or error}.",
            "Set TUNESMITH_CACHE to a folder that can be.",
        ) from error
    return folder


def keep(folder: Path, key: str, make: Callable[[Path], None]) -> Path:
    """The folder as ``make`` made it from ``key``: made once, checked on each use, made again when damaged.

    Several processes may ask at once: one makes, the others wait. It appears whole or not at all.

    Args:
        folder: where it is kept, inside the cache.
        key: what it is made from (a hash, a version); another key makes it again.
        make: writes the files into an empty folder.

    Raises:
        ModelError: the disk is full or not writable, or another process does not finish.
    """
    if _sound(folder, key):
        return folder
    from filelock import FileLock, Timeout

    try:
        with FileLock(f"{folder}.lock", timeout=WAIT_SECONDS):
            if not _sound(folder, key):
                if folder.exists():
                    warnings.warn(f"The cache folder {folder} is damaged or outdated; making it again.", stacklevel=2)
                _make(folder, key, make)
    except Timeout:
        raise ModelError(
            f"Another process has been making {folder} for {WAIT_SECONDS:.0f} seconds.",
            f"End it, or delete {folder}.lock.",
        ) from None
    except OSError as error:
        raise ModelError(
            f"The cache folder {folder} cannot be written: {error.strerror or error}.",
            "Free some space, or set TUNESMITH_CACHE to another folder.",
        ) from error
    return folder


def file_hash(path: Path) -> str:
    """BLAKE2b (256 bits) of a file's bytes, in hex. A file is read again only when its size or time has changed."""
    status = path.stat()
    return _file_hash(str(path.resolve()), status.st_size, status.st_mtime_ns, status.st_ino)


def content_hash(folder: Path, names: list[str]) -> str:
    """One hash over the names and bytes of files in a folder, in hex."""
    digest = hashlib.blake2b(digest_size=32)
    for name in sorted(names):
        digest.update(f"{name}\0{file_hash(folder / name)}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _file_hash(path: str, size: int, time: int, inode: int) -> str:
    # BLAKE2b: without the processor's SHA instructions, SHA-256 takes three times as long, and weights are large.
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()


def _root() -> Path:
    given = os.environ.get("TUNESMITH_CACHE")
    if given:
        return Path(given).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tunesmith"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "tunesmith"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tunesmith"


def _sound(folder: Path, key: str) -> bool:
    """Whether every file is there and holds the bytes that were written."""
    try:
        stamp = json.loads((folder / STAMP).read_text("utf-8"))
        return bool(stamp["key"] == key) and all(file_hash(folder / n) == h for n, h in stamp["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _make(folder: Path, key: str, make: Callable[[Path], None]) -> None:
    for stale in folder.parent.glob(f".{folder.name}.*"):  # of processes that died: whoever lives waits for our lock
        shutil.rmtree(stale, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        make(fresh)
        made = sorted(path for path in fresh.rglob("*") if path.is_file())
        for path in made:
            path.chmod(0o644)  # safetensors writes for the owner alone; a cache may be shared
        files = {path.relative_to(fresh).as_posix(): file_hash(path) for path in made}
        (fresh / STAMP).write_text(json.dumps({"key": key, "files": files}, indent=1), "utf-8")
        fresh.chmod(0o755)
        if folder.exists():
            folder.rename(fresh.with_name(f"{fresh.name}.old"))
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(fresh.with_name(f"{fresh.name}.old"), ignore_errors=True)
