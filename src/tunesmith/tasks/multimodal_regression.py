"""A number for a row of several modalities."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from tunesmith.core.contracts import Column, Prediction
from tunesmith.tasks.multimodal import ENCODERS, MultimodalTask, Rate
from tunesmith.tasks.text_regression import NumberPrediction, TextRegression


class MediaNumberPrediction(NumberPrediction):
    """The number, and by how much it would be smaller without each modality that the row has."""

    contributions: dict[str, float]


class MultimodalRegression(MultimodalTask, TextRegression):
    """A number a row of any of text, image, audio, numeric and categorical columns, in the data's own unit.

    Args:
        image: the encoder of pictures: a packaged name, a hub id or a folder.
        audio: the encoder of sounds, likewise.
        fusion: "late", "cross-attention" or "early".
        modality_dropout: how often training leaves out a modality, so that a missing one hurts little.
        hidden: width inside fusions that have one.
        dropout: share of numbers that training leaves out before the last layer.
        augment: how files of training rows are changed where encoders are trained, by names of
            ``data/media/vary``; "auto": crop, flip, colour, shift, noise, spec; "none".
    """

    name: ClassVar[str] = "multimodal-regression"
    summary: ClassVar[str] = "a number for any of text, image, audio, numbers and categories"
    pipeline_tag: ClassVar[str] = "any-to-any"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("text", required=False),
        Column("image", "image", required=False),
        Column("audio", "audio", required=False),
        Column("numeric", "any", required=False),
        Column("categorical", "any", required=False),
        Column("label", "number", target=True),
    )

    def __init__(
        self,
        image: str = ENCODERS["image"],
        audio: str = ENCODERS["audio"],
        fusion: Literal["late", "cross-attention", "early"] = "late",
        modality_dropout: Rate = 0.3,
        hidden: Annotated[int, Field(ge=8, multiple_of=4)] = 256,
        dropout: Rate = 0.2,
        augment: Literal["auto", "none"] | list[str] = "auto",
    ) -> None:
        MultimodalTask.__init__(self, image, audio, fusion, modality_dropout, hidden, dropout, augment)

    def added(self, whole: Prediction, without: Prediction) -> float:
        """How much smaller the number would be."""
        return float(whole["value"]) - float(without["value"])

    def response_model(self) -> type[BaseModel]:
        """Value, contributions."""
        return MediaNumberPrediction
