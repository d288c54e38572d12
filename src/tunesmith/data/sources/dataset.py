"""A folder written by ``datasets``' ``save_to_disk``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tunesmith.core.errors import DataError, did_you_mean
from tunesmith.core.extras import need
from tunesmith.data.sources.class_names import classes_of, named
from tunesmith.data.sources.source import BATCH_ROWS, Reading, Source


class DatasetFolder(Source):
    """A ``save_to_disk`` folder, memory-mapped. Class numbers become their names.

    Args:
        split: which, where there are several; None: "train" if there is one.
    """

    name = "dataset"
    summary = "a folder written by datasets' save_to_disk"

    def __init__(self, split: str | None = None) -> None:
        self.split = split

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The split's rows."""
        datasets = need("datasets", extra="hub", purpose=f"reading {path}")
        try:
            found = datasets.load_from_disk(path)
        except (OSError, ValueError, KeyError, pa.ArrowInvalid) as error:
            where = " ".join(str(error).split())
            raise DataError(f"{path} is not a whole datasets folder: {where}", "Save it again.") from error
        yield from batches_of(chosen_split(found, self.split, path, reading))


def chosen_split(found: Any, split: str | None, path: str, reading: Reading) -> Any:
    """One dataset of a dictionary of splits; what was chosen is noted.

    Raises:
        DataError: the split is not there.
    """
    if not isinstance(found, dict):
        return found
    if split is None:
        split = "train" if "train" in found else next(iter(found))
        if len(found) > 1:
            others = ", ".join(s for s in found if s != split)
            reading.note(f'{path} has several splits; "{split}" was read. Another one: {path}#NAME ({others}).')
    if split not in found:
        raise DataError(f'{path} has no split "{split}".', did_you_mean(split, found))
    return found[split]


def batches_of(dataset: Any) -> Iterator[pa.RecordBatch]:
    """A ``datasets.Dataset`` as record batches; numbers of classes, also in lists, become their names."""
    classes = classes_of(dataset.features.to_dict())
    for table in dataset.with_format("arrow").iter(batch_size=BATCH_ROWS):
        yield from (named(batch, classes) for batch in table.to_batches())
