"""A policy: what a product lets in and out. A part of catalog.yaml.

policies:
  shop:
    limits: {rows: 64, characters: 20000}
    prompts:
      - {name: insults, words: [idiot, 笨蛋], action: block}
      - {name: keys, rules: ['sk-[A-Za-z0-9]{16,}'], action: mask}
      - {name: toxic, classifier: toxicity, labels: [toxic, 有害], score: 0.8, action: flag}
    outputs:
      - {name: house words, file: words.txt, action: mask}
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Action = Literal["block", "mask", "flag"]
Some = Annotated[int, Field(ge=1)]
KINDS = ("words", "file", "rules", "classifier")


class Limits(BaseModel):
    """What one request may bring. None: as much as the server takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    bytes: Some | None = None
    """Of the rows' texts in UTF-8; the body as a whole has the server's own limit."""
    rows: Some | None = 1024
    characters: Some | None = 200_000
    """Of one text."""
    tokens: Some | None = None
    """Of one row."""
    pixels: Some | None = None
    """Of one picture, as its header says; none has more than the server reads (64 million)."""
    seconds: Annotated[float, Field(gt=0)] | None = None
    """Of one sound; none is longer than the server reads (half an hour)."""


class Filter(BaseModel):
    """Words, rules or a classifier, and what is done about a text in which they find something.

    ``block`` refuses the request, ``mask`` puts a * for each character that was found (for a classifier: of the whole
    text), ``flag`` says so in the answer's ``flags`` and changes nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Annotated[str, Field(min_length=1, max_length=64)]
    """What clients are told; they are never told the words."""
    words: tuple[str, ...] | None = None
    file: str | None = None
    """A word or phrase a line, UTF-8; lines that begin with # are comments."""
    rules: tuple[str, ...] | None = None
    """Regular expressions."""
    classifier: str | None = None
    """A product of the same catalog; its answers have ``label`` or ``scores``."""
    labels: tuple[str, ...] | None = None
    score: Annotated[float, Field(gt=0, le=1)] = 0.5
    """From which on a label counts."""
    action: Action = "block"

    @model_validator(mode="after")
    def _whole(self) -> Filter:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f'the filter "{self.name}" needs one of {", ".join(KINDS)}, and has {given or "none"}')
        if (self.labels is None) != (self.classifier is None):
            raise ValueError(f'the filter "{self.name}" needs labels beside a classifier, and only there')
        return self


class Policy(BaseModel):
    """What is let in, what is let out, and what is written down."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    limits: Limits = Limits()
    redact: bool = True
    """Whether personal data is taken out of what is logged or stored. What the model sees is as it was asked."""
    feedback: bool = True
    """Whether answers are remembered, so that ``/v1/feedback`` can say what would have been right."""
    keep: bool = False
    """Whether rows are kept beside their answers, so that feedback has the text that it is about."""
    keep_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """After which what was asked and answered is purged, feedback with it."""
    prompts: tuple[Filter, ...] = ()
    outputs: tuple[Filter, ...] = ()
