"""A file that is small on the wire and huge when it is unpacked is refused before anything unpacks it."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from pathlib import Path

from tunesmith.core.extras import need
from tunesmith.service.problems import Refused

TIMES = 10
"""As large as this a file may be when it is unpacked, against what may be uploaded."""
PIECE = 2**20


def refuse_bomb(path: Path, most: int, rows: int) -> None:
    """Raise Refused (413) where a file would unpack to more than ``most`` bytes, or says that it has too many rows."""
    with path.open("rb") as file:
        start = file.read(4)
    try:
        if start[:2] == b"\x1f\x8b":
            unpacked = _gzip(path, most)
        elif start == b"PK\x03\x04":
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(one.file_size for one in archive.infolist())
        elif start == b"PAR1":
            unpacked = _parquet(path, rows)
        else:
            return
    except Refused:
        raise
    except Exception as error:  # zlib, zipfile and Arrow each have their own
        raise Refused(422, "unreadable_file", "The file is packed, and cannot be unpacked.") from error
    if unpacked > most:
        raise Refused(413, "too_large", f"Unpacked the file has more than {most:,} bytes.")


def _gzip(path: Path, most: int) -> int:
    total = 0
    try:
        with gzip.open(path) as file:
            while total <= most and (piece := file.read(PIECE)):
                total += len(piece)
    except (EOFError, zlib.error) as error:
        raise Refused(422, "unreadable_file", "The file is packed, and cut or damaged.") from error
    return total


def _parquet(path: Path, rows: int) -> int:
    about = need("pyarrow.parquet", purpose="reading Parquet").read_metadata(path)
    if about.num_rows > rows:
        raise Refused(413, "too_many_rows", f"The file has {about.num_rows:,} rows; at most {rows:,} are taken.")
    return sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
