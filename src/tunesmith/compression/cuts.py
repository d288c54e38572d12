"""What is cut off a model, as a user writes it: ``layers=3,feed_forward=0.5,vocabulary=zh+en``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tunesmith.core.errors import RecipeError, did_you_mean

Count = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)]
"""So many, or a share."""


class CutSpec(BaseModel):
    """One way to make a model smaller; the names are those of ``pipeline.smaller.smaller``."""

    model_config = ConfigDict(extra="forbid")
    layers: Count | None = None
    which: Literal["even", "effect", "bottom"] | None = None
    feed_forward: Count | None = None
    heads: Count | None = None
    vocabulary: list[str] | None = None
    pieces: Annotated[int, Field(ge=1)] | None = None
    recover: Annotated[float, Field(ge=0)] | None = None
    """Epochs of training after it."""

    def given(self) -> dict[str, Any]:
        """What was said."""
        return self.model_dump(exclude_none=True)


def parsed(text: str) -> CutSpec:
    """A cut from its spelling.

    >>> parsed("layers=3,feed_forward=0.5,vocabulary=zh+en").given()
    {'layers': 3, 'feed_forward': 0.5, 'vocabulary': ['zh', 'en']}

    Raises:
        RecipeError: it is spelled otherwise.
    """
    values: dict[str, Any] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, equals, value = part.partition("=")
        if key not in CutSpec.model_fields or not equals:
            raise RecipeError(f'--cut has "{part}".', did_you_mean(key, CutSpec.model_fields))
        values[key] = value.split("+") if key == "vocabulary" else value
    if not set(values) - {"recover", "which", "pieces"}:
        raise RecipeError(f'--cut "{text}" cuts nothing off.', "For example: --cut layers=3,feed_forward=0.5")
    try:
        return CutSpec.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise RecipeError(
            f"--cut {'.'.join(map(str, first['loc'][:1]))} is {first.get('input')!r}: {first['msg']}.",
            "A count (layers=3) or a share (feed_forward=0.5).",
        ) from None
