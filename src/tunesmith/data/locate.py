"""From what a user wrote to files and their format: a file, a glob, a folder, several, or a hub id."""

from __future__ import annotations

import glob
import json
import os
import re
import zlib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from tunesmith.core.errors import DataError
from tunesmith.core.registry import load_object
from tunesmith.data.bytestream import open_bytes
from tunesmith.data.sources import SOURCES

TEST_NAMES = re.compile(r"(^|[_\-. ])(test|dev|valid|validation|val|eval|heldout)([_\-. ]|$)", re.I)
HUB_ID = re.compile(r"^[\w.-]+(/[\w.-]+)?$")
FOLDER_MARKS = ("state.json", "dataset_dict.json")


@dataclass(frozen=True)
class Located:
    """Files of one format."""

    format: str
    files: list[str]
    split: str | None = None
    notes: tuple[str, ...] = ()


def locate(path: str) -> Located:
    """Files and format of ``path``. ``folder#split`` or ``hub/id#split`` names a split.

    Raises:
        DataError: nothing is there; the nearest name is said.
    """
    place, _, split = path.partition("#") if "#" in path and not os.path.exists(path) else (path, "", "")
    if os.path.isdir(place):
        return _folder(place, split or None)
    if os.path.isfile(place):
        return Located(format_of(place), [place])
    if any(c in place for c in "*?["):
        files = sorted(f for f in glob.glob(place, recursive=True) if os.path.isfile(f))
        if not files:
            raise DataError(f"No file matches {place}.", f"Looked in {os.path.abspath(os.path.dirname(place) or '.')}.")
        return Located(_one_format(files), files)
    if HUB_ID.match(place) and not place.startswith(".") and suffix_of(place) not in known_suffixes():
        return Located("hub", [place], split or None)
    raise DataError(f"There is no file {place}.", _nearest(place))


def _folder(place: str, split: str | None) -> Located:
    if any(os.path.exists(os.path.join(place, mark)) for mark in FOLDER_MARKS):
        return Located("dataset", [place], split)
    files = [
        str(f) for f in sorted(Path(place).rglob("*"))
        if f.is_file() and suffix_of(f.name) in known_suffixes() and not f.name.startswith(".")
    ]  # fmt: skip
    if not files:
        allowed = ", ".join(sorted(known_suffixes()))
        raise DataError(f"The folder {place} holds no data file.", f"Files ending in {allowed} (also .gz) are read.")
    held = [f for f in files if TEST_NAMES.search(os.path.basename(f))]
    files = [f for f in files if f not in held] or files
    notes = [f"{', '.join(held)} left out of training rows by name; use them with data.test=FILE."] if held else []
    return Located(_one_format(files), files, split, tuple(notes) if files != held else ())


def format_of(path: str) -> str:
    """The format's name: by the file's first bytes where these tell, then by its suffix."""
    with open(path, "rb") as raw:
        start = raw.read(4)
    if start == b"PAR1":
        return "parquet"
    if start == b"PK\x03\x04" and _is_workbook(path):
        return "excel"
    by_name = known_suffixes().get(suffix_of(path), "csv")
    if by_name in ("csv", "lines", "json", "jsonl"):
        return _json_or(by_name, path)
    return by_name


def known_suffixes() -> dict[str, str]:
    """Suffix -> format."""
    return {suffix: name for name in SOURCES for suffix in load_object(SOURCES[name]).suffixes}


def suffix_of(path: str) -> str:
    """The suffix in lower case, ``.gz`` left off."""
    name = os.path.basename(path).lower()
    return os.path.splitext(name[:-3] if name.endswith(".gz") else name)[1]


def _json_or(by_name: str, path: str) -> str:
    """Whether text that is called something else is JSON lines, or the other way round."""
    try:
        with open_bytes(path) as file:
            head = file.read(2**16).lstrip(b"\xef\xbb\xbf \t\r\n")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}.", "Check the file, or unpack it by hand.") from error
    first, newline, _ = head.partition(b"\n")
    if by_name == "jsonl":
        return "json" if head.startswith(b"[") else "jsonl"
    if head.startswith(b"{") and newline:
        try:
            return "jsonl" if isinstance(json.loads(first), dict) else by_name
        except ValueError:
            return by_name
    return by_name


def _is_workbook(path: str) -> bool:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except zipfile.BadZipFile:
        return False


def _one_format(files: list[str]) -> str:
    formats = {format_of(f): f for f in files}
    if len(formats) > 1:
        some = ", ".join(f"{f} ({kind})" for kind, f in formats.items())
        raise DataError(f"The files are of several formats: {some}.", "Give files of one format.")
    return next(iter(formats))


def _nearest(place: str) -> str:
    folder = os.path.dirname(place) or "."
    if not os.path.isdir(folder):
        return f"The folder {folder} does not exist either."
    near = get_close_matches(os.path.basename(place), os.listdir(folder), n=1, cutoff=0.6)
    return f'Did you mean "{os.path.join(os.path.dirname(place), near[0])}"?' if near else "Check the path."
