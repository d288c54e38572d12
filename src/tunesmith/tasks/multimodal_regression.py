"""A number for a row of several modalities."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from tunesmith.core.contracts import Column, Prediction
from tunesmith.tasks.multimodal import INPUTS, MultimodalTask
from tunesmith.tasks.text_regression import NumberPrediction, TextRegression


class MediaNumberPrediction(NumberPrediction):
    """The number, and by how much it would be smaller without each modality that the row has."""

    contributions: dict[str, float]


class MultimodalRegression(MultimodalTask, TextRegression):
    """A number a row of any of text, image, audio, numeric and categorical columns, in the data's own unit."""

    name: ClassVar[str] = "multimodal-regression"
    summary: ClassVar[str] = "a number for any of text, image, audio, numbers and categories"
    pipeline_tag: ClassVar[str] = "any-to-any"
    columns: ClassVar[tuple[Column, ...]] = (*INPUTS, Column("label", "number", target=True))

    def added(self, whole: Prediction, without: Prediction) -> float:
        """How much smaller the number would be."""
        return float(whole["value"]) - float(without["value"])

    def response_model(self) -> type[BaseModel]:
        """Value, contributions."""
        return MediaNumberPrediction
