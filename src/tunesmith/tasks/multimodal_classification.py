"""One of several classes for a row of several modalities."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from tunesmith.core.contracts import Column, Prediction
from tunesmith.tasks.multimodal import ENCODERS, INPUTS, MultimodalTask, Rate
from tunesmith.tasks.text_classification import ClassPrediction, TextClassification


class MediaClassPrediction(ClassPrediction):
    """The class, and how much of its probability each modality that the row has adds (below 0: speaks against it)."""

    contributions: dict[str, float]


class MultimodalClassification(MultimodalTask, TextClassification):
    """One label a row of any of text, image, audio, numeric and categorical columns.

    Args:
        image: the encoder of pictures: a packaged name, a hub id or a folder.
        audio: the encoder of sounds, likewise; "ge2e" hears who speaks, "whisper-base" what is said.
        fusion: "late", "cross-attention" or "early".
        modality_dropout: how often training leaves out a modality, so that a missing one hurts little.
        hidden: width inside fusions that have one.
        dropout: share of numbers that training leaves out before the last layer; None: 0.5 of vectors as encoders
            give them (late), 0.2 of those that are learned.
        augment: how files of training rows are changed where encoders are trained, by names of
            ``data/media/vary``; "auto": crop, flip, colour, shift, noise, spec; "none".
        class_weights: "balanced" weighs each class by the inverse root of its share, "auto" does so where the
            largest class has three times the rows of the smallest or more.
        label_smoothing: mass moved from the true class to all (Szegedy et al. 2016, eq. 7).
    """

    name: ClassVar[str] = "multimodal-classification"
    summary: ClassVar[str] = "one of several classes for any of text, image, audio, numbers and categories"
    pipeline_tag: ClassVar[str] = "any-to-any"
    columns: ClassVar[tuple[Column, ...]] = (*INPUTS, Column("label", "label", target=True))

    def __init__(
        self,
        image: str = ENCODERS["image"],
        audio: str = ENCODERS["audio"],
        fusion: Literal["late", "cross-attention", "early"] = "late",
        modality_dropout: Rate = 0.3,
        hidden: Annotated[int, Field(ge=8, multiple_of=4)] = 256,
        dropout: Rate | None = None,
        augment: Literal["auto", "none"] | list[str] = "auto",
        class_weights: Literal["auto", "balanced", "none"] = "auto",
        label_smoothing: Rate = 0.0,
    ) -> None:
        MultimodalTask.__init__(self, image, audio, fusion, modality_dropout, hidden, dropout, augment)
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing

    def added(self, whole: Prediction, without: Prediction) -> float:
        """The probability that the answer loses."""
        return float(whole["score"]) - float(without["scores"][whole["label"]])

    def response_model(self) -> type[BaseModel]:
        """Label, score, scores, contributions."""
        return MediaClassPrediction


class ImageClassification(MultimodalClassification):
    """One label a picture.

    Args:
        image: the encoder: a packaged name, a hub id or a folder.
        audio: not read.
        fusion: how vectors are read: "late" takes the whole picture's, the others those of its parts, too.
        modality_dropout: not read.
        hidden: width inside fusions that have one.
        dropout: share of numbers that training leaves out before the last layer; None: 0.5 of vectors as encoders
            give them (late), 0.2 of those that are learned.
        augment: how files of training rows are changed where encoders are trained, by names of
            ``data/media/vary``; "auto": crop, flip, colour, shift, noise, spec; "none".
        class_weights: as of multimodal-classification.
        label_smoothing: as of multimodal-classification.
    """

    name: ClassVar[str] = "image-classification"
    summary: ClassVar[str] = "one of several classes for a picture"
    pipeline_tag: ClassVar[str] = "image-classification"
    inputs: ClassVar[tuple[str, ...]] = ("image",)
    columns: ClassVar[tuple[Column, ...]] = (Column("image", "image"), Column("label", "label", target=True))


class AudioClassification(MultimodalClassification):
    """One label a sound.

    Args:
        image: not read.
        audio: the encoder: "whisper-base" hears what is said, "ge2e" who speaks; or a hub id, or a folder.
        fusion: how vectors are read: "late" takes the whole sound's, the others those of its parts, too.
        modality_dropout: not read.
        hidden: width inside fusions that have one.
        dropout: share of numbers that training leaves out before the last layer; None: 0.5 of vectors as encoders
            give them (late), 0.2 of those that are learned.
        augment: how files of training rows are changed where encoders are trained, by names of
            ``data/media/vary``; "auto": crop, flip, colour, shift, noise, spec; "none".
        class_weights: as of multimodal-classification.
        label_smoothing: as of multimodal-classification.
    """

    name: ClassVar[str] = "audio-classification"
    summary: ClassVar[str] = "one of several classes for a sound"
    pipeline_tag: ClassVar[str] = "audio-classification"
    inputs: ClassVar[tuple[str, ...]] = ("audio",)
    columns: ClassVar[tuple[Column, ...]] = (Column("audio", "audio"), Column("label", "label", target=True))
