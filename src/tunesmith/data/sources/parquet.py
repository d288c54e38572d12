"""Parquet."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from tunesmith.core.errors import DataError
from tunesmith.data.sources.class_names import classes_in, named
from tunesmith.data.sources.source import BATCH_ROWS, Reading, Source


class Parquet(Source):
    """Parquet files, row group by row group. Numbers of classes become names where ``datasets`` wrote these beside."""

    name = "parquet"
    summary = "Parquet"
    suffixes = (".parquet", ".pq")

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The file's rows."""
        try:
            with pq.ParquetFile(path) as file:
                classes = classes_in(file.schema_arrow)
                for batch in file.iter_batches(batch_size=BATCH_ROWS):
                    yield named(batch, classes) if classes else batch
        except pa.ArrowInvalid as error:
            where = " ".join(str(error).split())
            raise DataError(f"{path} is not a whole Parquet file: {where}", "Write or download it again.") from error
