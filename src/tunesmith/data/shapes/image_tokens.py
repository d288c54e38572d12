"""A text and the spans in it, beside a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from tunesmith.data.shapes.media import file_of
from tunesmith.data.shapes.media_columns import media_columns
from tunesmith.data.shapes.shape import Cells
from tunesmith.data.shapes.token_classification import TokenShape
from tunesmith.data.traits import Traits


class ImageTokenShape(TokenShape):
    """As ``TokenShape``, and ``image`` where a row has a picture.

    Args:
        folder: as of ``MediaShape``.
    """

    task: ClassVar[str] = "image-token-classification"
    summary: ClassVar[str] = "a text with spans, or tokens with tags, beside a picture"
    roles: ClassVar[tuple[str, ...]] = (*TokenShape.roles, "image")

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self.folder = folder

    def beside(self, folder: Path | None) -> Self:
        """The same, for a file of that folder."""
        return type(self)(folder)

    def guess(self, found: Mapping[str, Traits], samples: Mapping[str, list[Any]], why: list[str]) -> dict[str, Any]:
        """Columns of paths of pictures, and what ``TokenShape`` finds beside them."""
        media = media_columns(found, samples, ("image",), why)
        beside = {name: traits for name, traits in found.items() if name not in media.values()}
        columns = super().guess(beside, samples, why) if media else {}
        return {**columns, **media} if columns else {}

    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """One row."""
        for row in super().read(cells, target=target):
            value = cells.get("image")
            yield row if value in (None, "") else {**row, "image": file_of("image", value, self.folder)}
