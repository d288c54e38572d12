"""How a text is to be written, in the words of OpenAI's API and of vLLM's beyond it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from tunesmith.core.contracts import Decoding
from tunesmith.service.problems import Refused
from tunesmith.service.routes.openai_like import Body

Stop = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Unasked = SkipJsonSchema[Any]
Penalty = Annotated[float, Field(ge=-2, le=2)]
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "logprobs": (None, False, 0),
    "top_logprobs": (None, 0),
    "logit_bias": (None, {}),
    "tools": (None, []),
    "tool_choice": (None, "none", "auto"),
    "functions": (None, []),
    "function_call": (None, "none", "auto"),
    "parallel_tool_calls": (None, True, False),
    "response_format": (None, {"type": "text"}),
    "modalities": (None, ["text"]),
    "echo": (None, False),
    "suffix": (None, ""),
    "best_of": (None, 1),
    "store": (None, False),
    "metadata": (None, {}),
    "service_tier": (None, "auto", "default"),
}
"""Fields of OpenAI's that this service knows and does not do -> the values with which they ask for nothing."""


class StreamOptions(BaseModel):
    """What a stream tells beside texts."""

    model_config = ConfigDict(extra="forbid")
    include_usage: bool = False


class Sampling(Body):
    """What chat and completions share. What is absent is as the product's bundle has it, not as OpenAI has it."""

    max_tokens: int | None = Field(None, ge=1, le=1_000_000)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    n: int | None = Field(None, ge=1, le=8)
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = None
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    top_k: int | None = Field(None, ge=-1)
    repetition_penalty: float | None = Field(None, gt=0, le=10)
    min_tokens: int | None = Field(None, ge=0, le=1_000_000)
    logprobs: Unasked = None
    top_logprobs: Unasked = None
    logit_bias: Unasked = None
    tools: Unasked = None
    tool_choice: Unasked = None
    functions: Unasked = None
    function_call: Unasked = None
    parallel_tool_calls: Unasked = None
    response_format: Unasked = None
    modalities: Unasked = None
    echo: Unasked = None
    suffix: Unasked = None
    best_of: Unasked = None
    store: Unasked = None
    metadata: Unasked = None
    service_tier: Unasked = None

    @property
    def longest(self) -> int | None:
        """Tokens that may be written, where the request says it."""
        return self.max_tokens

    @property
    def usage_wanted(self) -> bool:
        """Whether a stream ends with what it cost."""
        return self.stream_options is not None and self.stream_options.include_usage

    def how(self) -> dict[str, Any]:
        """What of it makes a question another one."""
        left_out = {"model", "user", "messages", "prompt", "stream", "stream_options", *NEUTRAL}
        return self.model_dump(exclude=left_out, exclude_none=True)


def refuse_unknown(body: Sampling) -> None:
    """Raise Refused (400) where something is asked for that is not done here: nothing is left out in silence."""
    for name, neutral in NEUTRAL.items():
        given = getattr(body, name)
        if not any(given == one and type(given) is type(one) for one in neutral):
            raise Refused(400, "unsupported", f'"{name}" is not done by this service. Leave it out.', param=name)
    if body.stream_options is not None and not body.stream:
        why = '"stream_options" is for streams. Set "stream", or leave it out.'
        raise Refused(400, "invalid_request", why, param="stream_options")


def decodings(body: Sampling, own: Decoding) -> list[Decoding]:
    """How each of the asked texts is written.

    Args:
        body: what the client says.
        own: the bundle's, for all else. Its seed holds where the bundle's own sampling does.
    """
    given: dict[str, Any] = {
        "max_new_tokens": body.longest,
        "min_new_tokens": body.min_tokens,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "top_k": None if body.top_k is None else max(body.top_k, 0),
        "repetition_penalty": body.repetition_penalty,
        "presence_penalty": body.presence_penalty,
        "frequency_penalty": body.frequency_penalty,
    }
    stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
    seed = body.seed if body.seed is not None or body.temperature is not None else own.seed
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    one = replace(own, **changed, stop=(*own.stop, *stop), seed=seed)
    return [replace(one, seed=None if seed is None else seed + number) for number in range(body.n or 1)]
