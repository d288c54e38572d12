"""What is asked of a recommender over HTTP, and what it answers."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_serializer


class Event(BaseModel):
    """An item that was taken."""

    model_config = ConfigDict(extra="forbid")
    item: str | int
    time: float | str | None = None
    rating: float | None = None


class RecommendationRequest(BaseModel):
    """A user that is known, or what somebody took so far, or both; then the history given counts."""

    model_config = ConfigDict(extra="forbid")
    user: str | int | None = None
    history: list[str | int | Event] | None = Field(None, description="the oldest first")
    time: float | str | None = Field(None, description="of the question; absent: after all that is known")
    candidates: list[str | int] | None = Field(None, description="only these are ranked", min_length=1)


class Reason(BaseModel):
    """An item of the history, or of those before it."""

    item: str
    text: str | None = None

    @model_serializer(mode="wrap")
    def _filled(self, make: Any) -> dict[str, Any]:
        return _without_none(make(self))


class Recommended(Reason):
    """An item, how likely it is among all that were looked at, and why it stands there."""

    score: float
    because: list[Reason]
    parts: dict[str, float]


class RecommendationPrediction(BaseModel):
    """The best first."""

    items: list[Recommended]
    history: int = Field(description="items that were looked at of what was taken; 0: nothing is known")
    unknown: list[str] = Field(description="ids of the question that no item has")


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
