"""From what a user wrote to files and their format: a file, a glob, a folder, several, or a hub id."""

from __future__ import annotations

import glob
import json
import os
import re
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from tunesmith.core.errors import DataError
from tunesmith.core.registry import load_object
from tunesmith.data.bytestream import open_bytes
from tunesmith.data.sources import SOURCES
from tunesmith.data.sources.media_folder import holds_media, media_in_classes
from tunesmith.data.sources.parallel import sides_of

TEST_NAMES = re.compile(r"(^|[_\-. ])(test|dev|valid|validation|val|eval|heldout)([_\-. ]|$)", re.I)
HUB_ID = re.compile(r"^[\w.-]+(/[\w.-]+)?$")
FOLDER_MARKS = ("state.json", "dataset_dict.json")
TEXTUAL = ("csv", "lines", "json", "jsonl", "conll")
"""Formats, by a file's name, whose content is looked at: it may be one that has no suffix of its own."""
HEAD = 2**18
"""Bytes that are looked at."""
_BETWEEN = (re.compile(r"[/\\\"',;:\t\r\n]+"), re.compile(r"[/\\\"',;:\s]+"))
"""What stands between the names of files, with spaces in them or without."""


@dataclass(frozen=True)
class Located:
    """Files of one format."""

    format: str
    files: list[str]
    split: str | None = None
    notes: tuple[str, ...] = ()


def locate(path: str) -> Located:
    """Files and format of ``path``. ``folder#split`` or ``hub/id#split`` names a split, ``hub/id#config:split`` (or
    ``#config:``) a configuration, too; ``book.xlsx#sheet`` a sheet.

    Raises:
        DataError: nothing is there; the nearest name is said.
    """
    place, _, split = path.partition("#") if "#" in path and not os.path.exists(path) else (path, "", "")
    if os.path.isdir(place):
        return _folder(place, split or None)
    if os.path.isfile(place):
        return _located([place], split or None)
    if any(c in place for c in "*?["):
        files = sorted(f for f in glob.glob(place, recursive=True) if os.path.isfile(f))
        if not files:
            raise DataError(f"No file matches {place}.", f"Looked in {os.path.abspath(os.path.dirname(place) or '.')}.")
        return _located(files, split or None)
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
    if not files and holds_media(place):
        return Located("media-folder", [place], split)
    if len(media := media_in_classes(place)) > len(files) and not any(_names_one_of(file, media) for file in files):
        beside = ", ".join(os.path.relpath(file, place) for file in files[:3]) + (" ..." if len(files) > 3 else "")
        note = f"{place} is read as pictures or sounds, a folder a class; not read: {beside}."
        return Located("media-folder", [place], split, (note,))
    if not files:
        allowed = ", ".join(sorted(known_suffixes()))
        raise DataError(f"The folder {place} holds no data file.", f"Files ending in {allowed} (also .gz) are read.")
    held = [f for f in files if TEST_NAMES.search(os.path.basename(f))]
    files = [f for f in files if f not in held] or files
    notes = [f"{', '.join(held)} left out of training rows by name; use them with data.test=FILE."] if held else []
    return _located(files, split, tuple(notes) if files != held else ())


def _names_one_of(file: str, media: Collection[str]) -> bool:
    """Whether a data file names files of the folder: then it is the table, and they belong to it. What is no text is
    taken for one.
    """
    with open(file, "rb") as raw:
        if known_suffixes()[suffix_of(file)] not in TEXTUAL or raw.read(4) in (b"PAR1", b"PK\x03\x04"):
            return True
    names, text = set(media), _head(file).decode("utf-8", "replace")
    return any(not names.isdisjoint(pattern.split(text)) for pattern in _BETWEEN)


def _located(files: list[str], split: str | None = None, notes: tuple[str, ...] = ()) -> Located:
    """Files with their one format, and why it is that one where their names do not say it."""
    formats = {format_and_why(file): file for file in reversed(files)}
    kinds = {kind for kind, _ in formats}
    if len(kinds) > 1:
        some = ", ".join(f"{file} ({kind})" for (kind, _), file in formats.items())
        raise DataError(f"The files are of several formats: {some}.", "Give files of one format.")
    why = tuple(f"{file} is read as {kind}: {reason}." for (kind, reason), file in formats.items() if reason)
    kind = next(iter(kinds))
    return Located(kind, load_object(SOURCES[kind]).parts(files), split, (*notes, *why[-1:]))


def format_of(path: str) -> str:
    """The format's name: by the file's first bytes where these tell, then by its suffix."""
    return format_and_why(path)[0]


def format_and_why(path: str) -> tuple[str, str]:
    """The format's name, and what its content shows where this has decided."""
    with open(path, "rb") as raw:
        start = raw.read(4)
    if start == b"PAR1":
        return "parquet", ""
    if start == b"PK\x03\x04" and _is_workbook(path):
        return "excel", ""
    by_name = known_suffixes().get(suffix_of(path), "csv")
    if by_name == "lines" and os.path.isfile(os.path.splitext(path)[0] + ".ann"):
        return "brat", "an .ann file stands beside it"
    if by_name == "lines" and len(sides_of(path)) > 1:
        return "parallel", "a file of another language stands beside it"
    if by_name not in TEXTUAL:
        return by_name, ""
    head = _head(path)
    shown = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
    for name in SOURCES:
        why = load_object(SOURCES[name]).recognises(shown)
        if why:
            return name, "" if name == by_name else why
    return (by_name, "") if by_name == "conll" else (_json_or(by_name, head), "")


def known_suffixes() -> dict[str, str]:
    """Suffix -> format."""
    return {suffix: name for name in SOURCES for suffix in load_object(SOURCES[name]).suffixes}


def suffix_of(path: str) -> str:
    """The suffix in lower case, ``.gz`` left off."""
    name = os.path.basename(path).lower()
    return os.path.splitext(name[:-3] if name.endswith(".gz") else name)[1]


def _head(path: str) -> bytes:
    """The beginning of a text file, unzipped, without a last line that is cut."""
    try:
        with open_bytes(path) as file:
            head = file.read(HEAD)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}.", "Check the file, or unpack it by hand.") from error
    whole = len(head) < HEAD or b"\n" not in head
    return head if whole else head[: head.rindex(b"\n") + 1]


def _json_or(by_name: str, head: bytes) -> str:
    """Whether text that is called something else is JSON lines, or the other way round."""
    head = head.lstrip(b"\xef\xbb\xbf \t\r\n")
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


def _nearest(place: str) -> str:
    folder = os.path.dirname(place) or "."
    if not os.path.isdir(folder):
        return f"The folder {folder} does not exist either."
    near = get_close_matches(os.path.basename(place), os.listdir(folder), n=1, cutoff=0.6)
    return f'Did you mean "{os.path.join(os.path.dirname(place), near[0])}"?' if near else "Check the path."
