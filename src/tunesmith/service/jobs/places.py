"""Where files and jobs are on the disk. No name that a client gives is ever part of a path.

FOLDER/<hash of the key>/files/file_<24 hex>/{about.json, data.csv}
                        /batches/batch_<24 hex>/{about.json, data.csv, output.jsonl, cancel}
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tunesmith.core.durable import fsync
from tunesmith.service.problems import Refused

_ID = re.compile(r"(file|batch)_[0-9a-f]{24}")
ABOUT = "about.json"
OUTPUT = "output.jsonl"
CANCEL = "cancel"


def folder_of(base: Path, key: str, kind: str) -> Path:
    """A key's folder of ``kind``, "files" or "batches"."""
    return base / hashlib.sha256(key.encode()).hexdigest()[:32] / kind


def place(base: Path, key: str, kind: str, id: str) -> Path:
    """The folder of an id that a client has named.

    Raises:
        Refused: 404, for what is not there, is another's, or is no id.
    """
    path = folder_of(base, key, kind) / id
    if not _ID.fullmatch(id) or not (path / ABOUT).is_file():
        what = "file" if kind == "files" else "batch"
        raise Refused(404, f"{what}_not_found", f"There is no such {what}.", param="id")
    return path


def all_of(base: Path, kind: str, key: str | None = None) -> Iterator[Path]:
    """Folders of a key, or of all keys, in no order."""
    owners = [folder_of(base, key, kind)] if key is not None else base.glob(f"*/{kind}")
    for owner in owners:
        with suppress(FileNotFoundError):
            yield from (path for path in owner.iterdir() if _ID.fullmatch(path.name))


def read(path: Path) -> dict[str, Any] | None:
    """What a folder's ``about.json`` says; None where the folder is just being removed."""
    try:
        told: dict[str, Any] = json.loads((path / ABOUT).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return told


def write(path: Path, told: Mapping[str, Any]) -> None:
    """Replace a folder's ``about.json``: after a crash it is the old one or the new one."""
    part = path / f".{ABOUT}"
    part.write_text(json.dumps(told, ensure_ascii=False), "utf-8")
    fsync(part)
    os.replace(part, path / ABOUT)
    fsync(path)


def remove(path: Path) -> None:
    """Remove a folder; first what makes it one, so that half of it is none."""
    with suppress(FileNotFoundError):
        (path / ABOUT).unlink()
    shutil.rmtree(path, ignore_errors=True)
