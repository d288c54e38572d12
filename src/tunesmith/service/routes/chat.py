"""``POST /v1/chat/completions``, as OpenAI's: the next answer in a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tunesmith.bundle.rows import as_rows
from tunesmith.core.errors import DataError
from tunesmith.service.job import guessed
from tunesmith.service.problems import Refused
from tunesmith.service.request_id import request_id_of
from tunesmith.service.routes.answer import with_limits
from tunesmith.service.routes.openai_like import need_task, read
from tunesmith.service.routes.sampling import Sampling, decodings, refuse_unknown
from tunesmith.service.routes.told import streamed, whole
from tunesmith.service.streaming import Question, Shown, tell
from tunesmith.service.version import Version

TASK = "dialogue"


def nothing(value: Any) -> Any:
    """What OpenAI's client sends back of an answer's fields; anything in them is not done here."""
    if value not in (None, "", [], {}):
        raise ValueError("it is not done by this service; leave it out")
    return value


Empty = Annotated[SkipJsonSchema[Any], AfterValidator(nothing)]


class TextPart(BaseModel):
    """A part of a message; texts are the only kind."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """What one side says."""

    model_config = ConfigDict(extra="forbid")
    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[TextPart], Field(min_length=1, max_length=256)]
    name: str | None = Field(None, max_length=256, description="Not read.")
    refusal: Empty = None
    tool_calls: Empty = None
    function_call: Empty = None
    audio: Empty = None
    annotations: Empty = None

    def plain(self) -> dict[str, str]:
        """As the task reads it."""
        content = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": content}


class ChatBody(Sampling):
    """A conversation that ends with the user's message."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=1024)
    max_completion_tokens: int | None = Field(None, ge=1, le=1_000_000)

    @property
    def longest(self) -> int | None:
        """OpenAI's new name first."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens


class ChatForm:
    """Messages and deltas."""

    whole: ClassVar[str] = "chat.completion"
    part: ClassVar[str] = "chat.completion.chunk"

    def choice(self, text: Shown) -> dict[str, Any]:
        """A message."""
        message = {"role": "assistant", "content": text.text, "refusal": None}
        return {"index": text.index, "message": message, "logprobs": None, "finish_reason": text.finish}

    def begin(self, index: int) -> dict[str, Any]:
        """Who speaks."""
        return self._delta(index, {"role": "assistant", "content": ""}, None)

    def piece(self, shown: Shown) -> dict[str, Any]:
        """A delta."""
        return self._delta(shown.index, {"content": shown.text} if shown.text else {}, shown.finish or None)

    def _delta(self, index: int, delta: dict[str, str], finish: str | None) -> dict[str, Any]:
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def routes() -> list[Route]:
    """The endpoint."""
    return [Route("/v1/chat/completions", chat, methods=["POST"])]


async def chat(request: Request) -> Response:
    """An answer, whole or as it is written."""
    services, caller, product, body = await read(request, ChatBody)
    need_task(product, TASK)
    refuse_unknown(body)
    if body.messages[-1].role != "user":
        why = "A conversation ends with the user's message; here the last one is of the " + body.messages[-1].role + "."
        raise Refused(400, "invalid_messages", why, param="messages")

    def question(version: Version, rows: Sequence[Any]) -> Question:
        who = version.engine.predictor
        asked = checked(version, rows)
        own: Any = version.task
        return Question(asked, lambda: who.encode(asked), guessed(asked), decodings(body, own.decoding))

    row = {"messages": [message.plain() for message in body.messages]}
    request_id = request_id_of(request.scope)
    try:
        telling = await tell(services, caller, product.name, [row], request_id, question, body.how())
    except Refused as why:
        raise misfit(why) from why
    form = ChatForm()
    if body.stream:
        made = await streamed(request, telling, form, product.name, usage=body.usage_wanted, texts=body.n or 1)
    else:
        made = await whole(request, telling, form, product.name)
    return await with_limits(services, caller, made)


def checked(version: Version, rows: Sequence[Any]) -> list[Any]:
    """Rows as the task reads them; raises Refused (422)."""
    try:
        return list(as_rows(version.task, rows))
    except DataError as error:
        raise Refused(422, "unreadable_rows", str(error).replace("\n", " ")) from error


def misfit(why: Refused) -> Refused:
    """A conversation that the task or its chat template does not take is a bad request, as OpenAI has it."""
    if why.code != "unreadable_rows":
        return why
    return Refused(400, "invalid_messages", why.message.removeprefix("Row 1: "), param="messages")
