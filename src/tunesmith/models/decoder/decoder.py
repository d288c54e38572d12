"""Many texts, written token by token in one batch: each joins when it comes and leaves when it ends."""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from tunesmith.core.contracts import Decoding
from tunesmith.core.errors import ModelError
from tunesmith.models.decoder.choose import chosen, plain
from tunesmith.models.decoder.llama import Llama, fits
from tunesmith.models.decoder.memory import Memory, Place
from tunesmith.models.decoder.network import AnyModel, Network, longest, only_attention
from tunesmith.models.decoder.packed import pack
from tunesmith.models.decoder.proof import Proof
from tunesmith.models.decoder.rows import Rows
from tunesmith.models.decoding import ends_of

CHUNK = 256
"""Tokens of prompts that are read in one step: those that write already wait no longer than for these."""
KINDS = {"fp32": torch.float32, "bf16": torch.bfloat16}


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


class Decoder:
    """A causal model that many ask at once. For one thread.

    Args:
        model: of transformers, in evaluation mode.
        rows: texts that are written at once; others wait.
        length: tokens that a text may have, its prompt included; None: as many as the model takes.
        precision: "fp32" or "bf16".
        own: nobody else uses the model: its weights may be repacked in place.

    Raises:
        ModelError: it is no model that can be asked so, or gives other answers than when it is asked alone.
    """

    def __init__(
        self, model: Any, *, rows: int = 8, length: int | None = None, precision: str = "fp32", own: bool = False
    ) -> None:
        if not only_attention(model.config):
            raise ModelError(
                f"A {model.config.model_type} model cannot write several texts step by step.", "Take a causal model."
            )
        self.length = min(longest(model.config), length or longest(model.config))
        self._device = next(iter(model.parameters())).device
        self._ends = frozenset(ends_of(model.generation_config) or ())
        memory = Memory(rows, self.length)
        proof = Proof(model, memory)
        self._network = _network(model, memory, precision, own)
        proof.hold(self._network, precision)
        self._rows = Rows(memory)
        self._waiting: deque[Writing] = deque()
        self._writing: list[Writing] = []  # by row
        self._reading: Writing | None = None  # in the row after them

    @property
    def rows(self) -> int:
        """Texts that are written at once."""
        return self._rows.memory.rows

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

    @torch.inference_mode()
    def step(self) -> list[Token]:
        """Read some of the prompts that wait, and write a token of each text that is read.

        Returns:
            New tokens; of a text whose prompt was just read there may be two, in order.
        """
        told: list[Token] = []
        left = CHUNK
        while left > 0 and (self._reading or (self._waiting and self._rows.busy < self.rows)):
            left -= self._read(left, told)
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
        part = text.prompt[len(ids) : len(ids) + most]
        end = len(ids) + len(part)
        place = Place(row, row + 1, torch.arange(len(ids), end, device=self._device)[None], end, ragged=False)
        logits = self._network.logits(torch.tensor([part], device=self._device), place)
        ids += part  # now it is there; if computing fails, nobody must take it over
        if end == len(text.prompt):
            self._writing.append(text)
            self._reading = None
            self._choose(logits, [text], told)
        return len(part)

    def _write(self, told: list[Token]) -> None:
        texts = list(self._writing)
        lengths = [len(ids) for ids in self._rows.ids[: len(texts)]]
        positions = torch.tensor(lengths, device=self._device)[:, None]
        place = Place(0, len(texts), positions, max(lengths) + 1, ragged=min(lengths) != max(lengths))
        last = torch.tensor([text.ids[-1:] for text in texts], device=self._device)
        logits = self._network.logits(last, place)
        for text, ids in zip(texts, self._rows.ids, strict=False):
            ids.append(text.ids[-1])
        self._choose(logits, texts, told)

    def _choose(self, logits: torch.Tensor, texts: Sequence[Writing], told: list[Token]) -> None:
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


def written(decoder: Decoder, prompts: Iterable[Sequence[int]], decoding: Decoding) -> list[Writing]:
    """Whole texts after prompts, in order."""
    texts = [decoder.add(prompt, decoding) for prompt in prompts]
    while not all(text.finish for text in texts):
        decoder.step()
    return texts


def _network(model: Any, memory: Memory, precision: str, own: bool) -> Network:
    kind = KINDS[precision]
    if fits(model):
        network = Llama(model, memory, kind)
        if own:
            model.to("meta")  # its weights are packed beside it, and would be in memory twice
        return network
    if kind != model.dtype:
        model = (model if own else copy.deepcopy(model)).to(kind)
        own = True
    if own:
        pack(model)
    return AnyModel(model, memory)
