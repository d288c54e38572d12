"""A run of pretraining, written down: a corpus in the place of rows, an objective in the place of a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from tunesmith.core.recipe import Block, EvaluationBlock, Model, ModelBlock, Plugin, PluginBlock, TrainingBlock


class CorpusBlock(Block):
    """Where documents come from."""

    path: str = Field("", description="file, glob, folder or hub id: text (a line is a document), JSON lines, CSV ...")
    text: str = Field("", description="the column that holds a document; absent: guessed")
    test: str | None = Field(None, description="file of documents to measure on; absent: some of path are held out")
    hold: float = Field(
        0.02, gt=0, le=0.5, description="share of documents that may be held out where test is not given"
    )
    held_tokens: int = Field(40_000, ge=100, description="tokens that are measured on at most: half to choose by")
    tokens: int | None = Field(None, ge=1, description="learn from at most so many tokens; the rest is not read")
    encoding: str | None = Field(None, description="absent: detected")

    @model_validator(mode="before")
    @classmethod
    def _fold(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value


class VocabularyBlock(Block):
    """Words of the corpus that the tokenizer gets."""

    add: int = Field(0, ge=0, description="words of the corpus that the tokenizer cuts in pieces, made one token each")
    least: int = Field(20, ge=1, description="times that such a word stands in the corpus")


class ScratchBlock(Block):
    """A model that is made anew."""

    size: Literal["tiny", "small", "base"] = Field("small", description="4 x 256, 6 x 384, 12 x 768 (layers x width)")
    vocabulary: int = Field(8000, ge=100, description="pieces that the tokenizer learns")


class DownstreamBlock(Block):
    """A task by which the gain is measured: a recipe for `tunesmith tune`, run from both models."""

    recipe: dict[str, Any] = Field(default_factory=dict)
    labels: list[int] = Field(default_factory=list, description="numbers of training rows; empty: all")
    seeds: int = Field(3, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _fold(cls, value: Any) -> Any:
        """``downstream=reviews.csv``; ``downstream.data.label=stars`` are settings of the recipe."""
        if isinstance(value, str):
            return {"recipe": {"data": {"path": value}}}
        if isinstance(value, Mapping):
            own = {key: one for key, one in value.items() if key in cls.model_fields}
            rest = {key: one for key, one in value.items() if key not in cls.model_fields}
            if "name" in rest:  # downstream=FILE with further settings behind it
                rest["data"] = {"path": rest.pop("name"), **dict(rest.get("data") or {})}
            return {**own, "recipe": {**dict(own.get("recipe") or {}), **rest}}
        return value

    @field_validator("labels", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [value] if isinstance(value, int) else value


class PretrainRecipe(Block):
    """What `tunesmith pretrain` runs."""

    data: CorpusBlock = Field(default_factory=CorpusBlock)
    model: Model = Field(default_factory=ModelBlock)
    scratch: ScratchBlock | None = Field(None, description="make a model anew instead of taking one")
    objective: Plugin = Field(default_factory=lambda: PluginBlock(name="masked-lm"))
    vocabulary: VocabularyBlock = Field(default_factory=VocabularyBlock)
    training: TrainingBlock = Field(default_factory=TrainingBlock)
    head_steps: int | None = Field(None, ge=0, description="steps of a fresh head alone; absent: a tenth of all")
    evaluation: EvaluationBlock = Field(default_factory=EvaluationBlock)
    downstream: DownstreamBlock | None = Field(None, description="a task by which the gain is measured")
    bundle: str | None = Field(None, description="folder to write; absent: out/NAME")

    @field_validator("objective", mode="before")
    @classmethod
    def _usual(cls, value: Any) -> Any:
        """``objective.ratio=0.3`` alone is of masked-lm."""
        return {"name": "masked-lm", **value} if isinstance(value, Mapping) else value

    @field_validator("scratch", mode="before")
    @classmethod
    def _sized(cls, value: Any) -> Any:
        """``scratch=small``; ``scratch=true``: the usual size."""
        if value is True:
            return {}
        if value is False:
            return None
        if isinstance(value, Mapping) and "name" in value:
            return {"size": value["name"], **{key: one for key, one in value.items() if key != "name"}}
        return {"size": value} if isinstance(value, str) else value
