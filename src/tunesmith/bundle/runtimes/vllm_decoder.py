"""Many texts, written by vLLM token by token: asked as ``models.decoder.continuous.Continuous`` is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Decoding
from tunesmith.core.errors import ModelError
from tunesmith.core.extras import need
from tunesmith.models.decoder.continuous import Token, Writing

if TYPE_CHECKING:
    from tunesmith.bundle.runtimes.vllm import VllmRuntime

ENDED = ("stop", "length")
"""What ends a text that is well."""


class VllmDecoder:
    """vLLM's engine, a step at a time. For one thread. Stop strings are the caller's.

    Args:
        runtime: whose engine it takes over.
        rows: texts at once, as the caller counts them; vLLM makes batches as it sees fit.
        length: tokens that a text may have, its prompt included.
    """

    def __init__(self, runtime: VllmRuntime, rows: int, length: int) -> None:
        self.rows, self.length = rows, length
        self._runtime, self._engine = runtime, runtime.engine.llm_engine
        self._writing: dict[str, Writing] = {}
        self._count = 0

    def __len__(self) -> int:
        """Texts that are not done yet."""
        return len(self._writing)

    def add(self, prompt: Sequence[int], decoding: Decoding) -> Writing:
        """A text to be written after a prompt; it begins with one of the next steps.

        Raises:
            RecipeError: vLLM cannot write so.
            ModelError: the prompt is empty, or leaves no room for a token.
        """
        made = Writing([int(token) for token in prompt], decoding)
        kind: Any = need("vllm.sampling_params").RequestOutputKind
        more = {"stop": [], "detokenize": False, "output_kind": kind.DELTA}
        params = self._runtime.params(decoding, len(made.prompt), self.length, **more)
        name = f"tunesmith-{self._count}"
        self._count += 1
        self._engine.add_request(name, {"prompt_token_ids": made.prompt}, params)
        self._writing[name] = made
        return made

    def drop(self, writing: Writing) -> None:
        """End a text; nothing happens where it has ended."""
        if writing.finish:
            return
        name = next(name for name, one in self._writing.items() if one is writing)
        self._engine.abort_request([name])
        self._end(name, "dropped")

    def step(self) -> list[Token]:
        """New tokens, those of a text in order. vLLM may give none in a step, or several of a text.

        Raises:
            ModelError: vLLM ended a text for a reason of its own.
        """
        if not self._writing:  # with nothing to do its step would wait for ever
            return []
        return [token for output in self._engine.step() for token in self._told(output)]

    def _told(self, output: Any) -> list[Token]:
        writing = self._writing.get(output.request_id)
        if writing is None:  # dropped meanwhile
            return []
        (new,) = output.outputs
        ids = [int(token) for token in new.token_ids]
        writing.ids += ids
        writing.reused = getattr(output, "num_cached_tokens", None) or writing.reused
        finish = new.finish_reason if output.finished else ""
        if finish:
            self._end(output.request_id, finish)
        if finish and (finish not in ENDED or not ids):
            raise ModelError(f"vLLM ended a text: {finish}.", "Its log says why.")
        return [Token(writing, token, finish if place == len(ids) else "") for place, token in enumerate(ids, 1)]

    def _end(self, name: str, why: str) -> None:
        self._writing.pop(name).finish = why
