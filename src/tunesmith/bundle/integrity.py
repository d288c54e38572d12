"""Is every file of a bundle what it was when it was written?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from tunesmith.bundle.layout import MANIFEST, PICKLES, FileRecord
from tunesmith.core.errors import BundleError

AGAIN = "Take the bundle from its source again, or tune it anew."
LOADED = frozenset({".safetensors", ".json", ".jinja", ".model", ".py", ".txt", ".onnx"})
"""Suffixes of files that a loader may pick up by itself: one that the manifest does not know is not ours."""


def files_in(folder: Path) -> list[Path]:
    """All files below ``folder``, by relative name, without hidden ones and the manifest."""
    found = (p for p in folder.rglob("*") if not p.is_dir())
    relative = (p.relative_to(folder) for p in found)
    return sorted(p for p in relative if not any(part.startswith(".") for part in p.parts) and str(p) != MANIFEST)


def sha256_of(path: Path) -> str:
    """The file's sha256 in hex, read in large blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def records_of(folder: Path) -> dict[str, FileRecord]:
    """What every file of the folder is now, by relative name with forward slashes."""
    refuse_pickles(folder)
    names = {p.as_posix(): folder / p for p in files_in(folder)}
    return {name: FileRecord(sha256_of(path), path.stat().st_size) for name, path in names.items()}


def refuse_pickles(folder: Path) -> None:
    """Raises BundleError if a file in the folder could run code when loaded."""
    for path in files_in(folder):
        if path.suffix.lower() in PICKLES:
            raise BundleError(
                f"{folder / path} may hold a pickle, which can run code when it is loaded; bundles hold none.",
                "Save weights as .safetensors and remove this file.",
            )


def verify(folder: Path, files: Mapping[str, FileRecord], *, hashes: bool = True) -> None:
    """Compare the folder with its manifest: names, then sizes, then (unless ``hashes`` is False) content.

    Raises:
        BundleError: naming the first file that is missing, cut, changed or not ours.
    """
    refuse_pickles(folder)
    for name, record in files.items():
        _check_size(folder, name, record)
    _refuse_strangers(folder, files)
    if not hashes:
        return
    for name, record in files.items():
        actual = sha256_of(folder / name)
        if actual != record.sha256:
            raise BundleError(
                f"{folder / name} was changed after it was written: expected sha256 {record.sha256}, got {actual}.",
                AGAIN,
            )


def _check_size(folder: Path, name: str, record: FileRecord) -> None:
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts:
        raise BundleError(f'{folder / MANIFEST} names a file outside of the bundle: "{name}".', AGAIN)
    path = folder / name
    if not path.is_file():
        raise BundleError(f"{path} is missing; {MANIFEST} lists it.", AGAIN)
    size = path.stat().st_size
    if size != record.bytes:
        raise BundleError(f"{path} has {size} bytes; it was written with {record.bytes}.", AGAIN)


def _refuse_strangers(folder: Path, files: Mapping[str, FileRecord]) -> None:
    for path in files_in(folder):
        if path.as_posix() not in files and path.suffix.lower() in LOADED:
            raise BundleError(
                f"{folder / path} is not listed in {MANIFEST}: it was put there after the bundle was written.",
                "Move it out of the bundle.",
            )
