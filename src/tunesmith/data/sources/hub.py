"""A dataset of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from tunesmith.core.errors import DataError
from tunesmith.core.extras import need
from tunesmith.data.sources.dataset import batches_of, chosen_split
from tunesmith.data.sources.source import Reading, Source


class Hub(Source):
    """A hub id such as ``stanfordnlp/imdb``, through ``datasets.load_dataset``; never runs remote code.

    Args:
        split: None: "train" if there is one.
        config: the dataset's configuration, where it has several.
    """

    name = "hub"
    summary = "a dataset of the Hugging Face hub, by its id"

    def __init__(self, split: str | None = None, config: str | None = None) -> None:
        self.split = split
        self.config = config

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The split's rows."""
        datasets = need("datasets", extra="hub", purpose=f"reading {path} from the hub")
        try:
            found = datasets.load_dataset(path, self.config)
        except Exception as error:  # the hub's clients raise many kinds: network, HTTP, missing, offline
            raise DataError(
                f"{path} is no file or folder here, and could not be had from the hub ({_short(error)}).",
                "Check the spelling of the path; for a hub id, check the network, or give a local file.",
            ) from error
        yield from batches_of(chosen_split(found, self.split, path, reading))


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}"
