"""``watch`` in the catalog: how closely the service looks at what it answers, and whom it tells."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Url = Annotated[str, Field(pattern=r"^https?://")]


class Part(BaseModel):
    """A block: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Drift(Part):
    """When rows of today differ from those that a bundle was proven on."""

    rows: int = Field(default=500, ge=50)
    """That are looked at together."""
    step: int = Field(default=100, ge=1)
    """Rows between two looks."""
    level: float = Field(default=1e-4, gt=0, lt=0.5)
    """Probability of a false alarm at one look."""
    effect: float = Field(default=0.1, ge=0, lt=1)
    """The least difference that matters, of 0 to 1."""
    per_second: float = Field(default=100, gt=0)
    """Rows that are looked at in a second at most: what bounds its cost. Beyond it rows are left out."""


class Email(Part):
    """A mail server, and who is written to. Its password is taken from the environment."""

    server: str = "localhost"
    port: int = Field(default=25, ge=1, le=65535)
    tls: bool | Literal["implicit"] = False
    """Whether STARTTLS is asked for; always where there is a user. "implicit": TLS from the first byte on, as always on
    port 465."""
    user: str = ""
    password: str = "TUNESMITH_SMTP_PASSWORD"
    """Name of the environment variable with it."""
    sender: str = "tunesmith@localhost"
    to: list[str] = Field(min_length=1)


class Alerts(Part):
    """Whom the service tells, where nobody runs Prometheus."""

    webhook: Url | None = None
    """Is sent ``{"alert", "product", "version", "words", "at", ...}`` as JSON."""
    email: Email | None = None
    cooldown: float = Field(default=3600, ge=0)
    """Seconds in which the same alert about the same version is told once."""
    errors: float = Field(default=0.05, gt=0, le=1)
    """Share of requests that the service may refuse or fail in a minute."""
    wait: float = Field(default=5.0, gt=0)
    """Seconds that a request may be expected to wait."""
    abstained: float = Field(default=0.3, gt=0, le=1)
    """Share of answers of a calibrated bundle that may abstain."""


class Watch(Part):
    """All of it."""

    drift: Drift | None = Drift()
    alerts: Alerts = Alerts()
    logs: Literal["text", "json"] = "text"
    """How the service's own log is written to stderr."""
    traces: Url | None = None
    """Where OpenTelemetry traces go, by OTLP over HTTP: http://collector:4318/v1/traces."""
