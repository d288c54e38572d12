"""Many texts, written token by token in one batch: each joins when it comes and leaves when it ends."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tunesmith.core.contracts import Decoding
from tunesmith.core.errors import ModelError
from tunesmith.models.decoder.choose import chosen, plain
from tunesmith.models.decoder.network import Network
from tunesmith.models.decoder.rows import Rows

CHUNK = 256
"""Tokens of prompts that are read in one step at most: those that write already wait no longer than for these."""
ENOUGH = 64
"""After so many no other prompt is begun in the same step: what was read first shall be told first."""


@dataclass(eq=False)
class Writing:
    """A text that is being written."""

    prompt: Sequence[int]
    decoding: Decoding
    ids: list[int] = field(default_factory=list)
    """What was written so far, its end token included."""
    finish: str = ""
    """"stop", at an end token; "length", where no more may be written; "dropped"; "" while it goes on."""
    reused: int = 0
    """Tokens of the prompt that were computed for a text before."""

    def __post_init__(self) -> None:
        self.draw = random.Random(self.decoding.seed)


class Token(NamedTuple):
    """A token of a text, and why the text ends by it; "" where it goes on."""

    writing: Writing
    token: int
    finish: str


class Continuous:
    """A causal model that many ask at once. For one thread.

    Args:
        network: computes; nobody else asks it.
        ends: tokens that end any text.
    """

    def __init__(self, network: Network, ends: Iterable[int] = ()) -> None:
        self.length = network.length
        self._network, self._ends = network, frozenset(ends)
        self._rows = Rows(network)
        self._waiting: deque[Writing] = deque()
        self._writing: list[Writing] = []  # by row
        self._reading: Writing | None = None  # in the row after them

    @property
    def rows(self) -> int:
        """Texts that are written at once."""
        return self._network.rows

    def __len__(self) -> int:
        """Texts that are not done yet."""
        return len(self._waiting) + len(self._writing) + (self._reading is not None)

    def add(self, prompt: Sequence[int], decoding: Decoding) -> Writing:
        """A text to be written after a prompt; it begins with one of the next steps.

        Raises:
            ModelError: the prompt is empty, or leaves no room for a token.
        """
        if not 0 < len(prompt) < self.length:
            raise ModelError(
                f"The prompt has {len(prompt)} tokens; 1 to {self.length - 1} can be read.", "Give a shorter one."
            )
        made = Writing([int(token) for token in prompt], decoding)
        self._waiting.append(made)
        return made

    def drop(self, writing: Writing) -> None:
        """End a text; nothing happens where it has ended."""
        if writing.finish:
            return
        if writing in self._waiting:
            self._waiting.remove(writing)
            writing.finish = "dropped"
        else:
            self._end(writing, "dropped")

    def step(self) -> list[Token]:
        """Read some of the prompts that wait, and write a token of each text that is read.

        Returns:
            New tokens; of a text whose prompt was just read there may be two, in order.
        """
        told: list[Token] = []
        read = 0
        while read < ENOUGH and (self._reading or (self._waiting and self._rows.busy < self.rows)):
            read += self._read(CHUNK - read, told)
        if self._writing:
            self._write(told)
        return told

    def _read(self, most: int, told: list[Token]) -> int:
        """The next part of a prompt, and the first token where it is the last part; how many tokens that was."""
        if self._reading is None:
            self._reading = self._waiting.popleft()
            _, self._reading.reused = self._rows.take(self._reading.prompt)
        text, row = self._reading, len(self._writing)
        ids = self._rows.ids[row]
        if len(ids) == len(text.prompt) - 1 and self._writing:  # all but one known: that one goes with the others' next
            self._writing.append(text)
            self._reading = None
            return 0
        part = text.prompt[len(ids) : len(ids) + most]
        logits = self._network.logits(np.array([part]), row, np.array([len(ids)]))
        ids += part  # now it is there; if computing fails, nobody must take it over
        if len(ids) == len(text.prompt):
            self._writing.append(text)
            self._reading = None
            self._choose(logits, [text], told)
        return len(part)

    def _write(self, told: list[Token]) -> None:
        texts = list(self._writing)
        starts = np.array([len(ids) for ids in self._rows.ids[: len(texts)]])
        last = [text.ids[-1] if text.ids else text.prompt[-1] for text in texts]
        logits = self._network.logits(np.array(last)[:, None], 0, starts)
        for token, ids in zip(last, self._rows.ids, strict=False):
            ids.append(token)
        self._choose(logits, texts, told)

    def _choose(self, logits: np.ndarray, texts: Sequence[Writing], told: list[Token]) -> None:
        likeliest: list[int] = logits.argmax(-1).tolist()
        for row, text in enumerate(texts):
            token = likeliest[row]
            if not plain(text.decoding, len(text.ids)):
                draw = text.draw.random()
                token = chosen(logits[row], text.decoding, text.prompt, text.ids, self._ends_of(text), draw)
            text.ids.append(token)
        for text in texts:
            why = self._why(text)
            told.append(Token(text, text.ids[-1], why))
            if why:
                self._end(text, why)

    def _why(self, text: Writing) -> str:
        """Why a text ends now; "" where it does not."""
        if text.ids[-1] in self._ends_of(text):
            return "stop"
        full = len(text.prompt) + len(text.ids) >= self.length
        return "length" if full or len(text.ids) >= text.decoding.max_new_tokens else ""

    def _ends_of(self, text: Writing) -> frozenset[int]:
        return self._ends.union(text.decoding.ends) if text.decoding.ends else self._ends

    def _end(self, text: Writing, why: str) -> None:
        text.finish = why
        if text is self._reading:
            self._rows.leave(len(self._writing), len(self._writing))
            self._reading = None
            return
        row, last = self._writing.index(text), len(self._writing) - 1
        self._rows.leave(row, last)
        self._writing[row] = self._writing[last]
        self._writing.pop()


def written(decoder: Continuous, prompts: Iterable[Sequence[int]], decoding: Decoding) -> list[Writing]:
    """Whole texts after prompts, in order; each is drawn by a seed of its own."""
    texts = [decoder.add(prompt, decoding.at(place)) for place, prompt in enumerate(prompts)]
    while not all(text.finish for text in texts):
        decoder.step()
    return texts
