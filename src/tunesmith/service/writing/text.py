"""One text on its way through the writer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.models.decoder.pieces import Pieces
from tunesmith.service.writing.spoken import Spoken
from tunesmith.service.writing.stream import Finish, Part, Stream

if TYPE_CHECKING:
    from tunesmith.core.contracts import Decoding


@dataclass(eq=False)
class Text:
    """A text, and who waits for it.

    Args:
        stream: the request's.
        index: of the text in it.
        prompt: ids.
        decoding: how it is written.
        pieces: its tokens as text.
    """

    stream: Stream
    index: int
    prompt: Sequence[int]
    decoding: Decoding
    pieces: Pieces | Spoken
    writing: Any = None
    """The decoder's, once it is there."""

    @property
    def cost(self) -> int:
        """Tokens that it may take."""
        return len(self.prompt) + self.decoding.max_new_tokens

    def add(self, token: int, finish: str) -> Part:
        """A new token, and why the decoder ends the text by it."""
        shown = self.pieces.add(token)
        ended: Finish = "stop" if self.pieces.stopped or finish == "stop" else "length" if finish else ""
        return Part(self.index, token, shown + self.pieces.end() if ended else shown, ended)
