"""``POST /v1/completions``, as OpenAI's older one: how a text goes on, without a chat template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tunesmith.service.job import guessed
from tunesmith.service.request_id import request_id_of
from tunesmith.service.routes.answer import with_limits
from tunesmith.service.routes.openai_like import Text, as_list, read
from tunesmith.service.routes.sampling import Sampling, decodings, refuse_unknown
from tunesmith.service.routes.told import streamed, whole
from tunesmith.service.streaming import Question, Shown, tell, writer_of
from tunesmith.service.version import Version

PROMPTS = 16


class CompletionsBody(Sampling):
    """Texts to be gone on with. Token ids are not taken: they mean nothing to another tokenizer."""

    prompt: Text | Annotated[list[Text], Field(min_length=1, max_length=PROMPTS)]


class CompletionsForm:
    """Plain texts."""

    whole: ClassVar[str] = "text_completion"
    part: ClassVar[str] = "text_completion"

    def choice(self, text: Shown) -> dict[str, Any]:
        """A text."""
        return {"index": text.index, "text": text.text, "logprobs": None, "finish_reason": text.finish or None}

    def begin(self, index: int) -> dict[str, Any] | None:
        """Nothing."""
        return None

    def piece(self, shown: Shown) -> dict[str, Any]:
        """As a whole one."""
        return self.choice(shown)


def routes() -> list[Route]:
    """The endpoint."""
    return [Route("/v1/completions", completions, methods=["POST"])]


async def completions(request: Request) -> Response:
    """How texts go on, whole or as it is written."""
    services, caller, product, body = await read(request, CompletionsBody)
    writer_of(product.stable, product.name)
    refuse_unknown(body)

    def question(version: Version, rows: Sequence[Any]) -> Question:
        tokenizer = version.engine.predictor.processor

        def encode() -> list[dict[str, Any]]:
            ids = tokenizer([row["prompt"] for row in rows])["input_ids"]
            return [{"row": i, "input_ids": np.asarray(one, dtype=np.int32)} for i, one in enumerate(ids)]

        own: Any = version.task
        return Question(rows, encode, guessed(rows), decodings(body, own.decoding), strip=False, usual=False)

    rows = [{"prompt": text} for text in as_list(body.prompt)]
    telling = await tell(services, caller, product.name, rows, request_id_of(request.scope), question, body.how())
    form = CompletionsForm()
    if body.stream:
        texts = len(rows) * (body.n or 1)
        made = await streamed(request, telling, form, product.name, usage=body.usage_wanted, texts=texts)
    else:
        made = await whole(request, telling, form, product.name)
    return await with_limits(services, caller, made)
