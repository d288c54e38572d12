"""What a service is asked for rows of several modalities: texts and numbers as they are, files as base64."""

from __future__ import annotations

import base64
import struct
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, model_validator

from tunesmith.core.errors import did_you_mean
from tunesmith.data.media.limits import MediaProblem
from tunesmith.data.media.place import INLINE, inline_bytes

_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
"""A PNG of one red pixel."""
KINDS = {"image": "image/*", "audio": "audio/*"}


def inline(kind: str) -> Any:
    """A validator: base64, bare or as a ``data:`` URL, is made the latter. A path is refused: who asks over the network
    must not choose which of this machine's files are read.
    """

    def check(value: str) -> str:
        made = value if value.startswith(INLINE) else f"data:{kind};base64,{''.join(value.split())}"
        try:
            inline_bytes(made)
        except MediaProblem as problem:
            raise ValueError(f"{problem}: send the file's bytes in base64, not its path") from None
        return made

    return check


def only(known: Collection[str]) -> Any:
    """A validator: a column that was not trained on is refused, for what is meant would be missing."""

    def check(value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if name not in known:
                raise ValueError(f'there is no column "{name[:80]}". {did_you_mean(name, known)[:400]}')
        return value

    return check


def _names(known: Collection[str]) -> dict[str, Any]:
    """The same for the schema."""
    return {"propertyNames": {"enum": list(known)}}


class MediaRequest(BaseModel):
    """A row; what it lacks is left out."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="after")
    def _something(self) -> MediaRequest:
        if not any(getattr(self, name) not in (None, "", {}) for name in type(self).model_fields):
            raise ValueError(f"give one of: {', '.join(type(self).model_fields)}")
        return self


def request_of(modalities: Sequence[str], numeric: Mapping[str, Any], kinds: Mapping[str, Any]) -> type[BaseModel]:
    """The schema for rows of these modalities and columns."""
    fields: dict[str, Any] = {}
    if "text" in modalities:
        fields["text"] = (str | None, Field(None, description="the text"))
    for name, kind in KINDS.items():
        if name in modalities:
            told = f"the file's bytes in base64, or data:{kind};base64,..."
            fields[name] = (Annotated[str, AfterValidator(inline(kind))] | None, Field(None, description=told))
    if numeric:
        told = f"column -> number: {', '.join(numeric)}"
        kind_of = Annotated[dict[str, float | None], AfterValidator(only(numeric))]
        fields["numeric"] = (kind_of | None, Field(None, description=told, json_schema_extra=_names(numeric)))
    if kinds:
        told = f"column -> category: {', '.join(kinds)}"
        named = Annotated[dict[str, str | None], AfterValidator(only(kinds))]
        fields["categorical"] = (named | None, Field(None, description=told, json_schema_extra=_names(kinds)))
    made: type[BaseModel] = create_model("MediaRequest", __base__=MediaRequest, **fields)
    made.model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [_example(modalities, numeric, kinds)]}
    )
    made.model_rebuild(force=True)
    return made


def _example(modalities: Sequence[str], numeric: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """A row that can be sent: a picture of one pixel, a sound of a hundredth of a second."""
    sizes = (b"RIFF", 36 + 320, b"WAVEfmt ", 16, 1, 1, 16_000, 32_000, 2, 16, b"data", 320)
    wav = struct.pack("<4sI8sIHHIIHH4sI", *sizes) + bytes(320)
    files = {"image": _PIXEL, "audio": base64.b64encode(wav).decode()}
    row: dict[str, Any] = {"text": "a red summer dress"} if "text" in modalities else {}
    row |= {name: value for name, value in files.items() if name in modalities}
    if numeric:
        row["numeric"] = {name: float(next(iter(about), 0.0)) for name, about in numeric.items()}
    if kinds:
        row["categorical"] = {name: next(iter(known), "") for name, known in kinds.items()}
    return row
