"""Messages -> the ids that a model reads, and which of them are an assistant's own. Pure functions.

A conversation is rendered by the tokenizer's chat template and by nothing else: a conversation that does not fit it is
an error, never a guess.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tunesmith.core.errors import ModelError

Messages = Sequence[Mapping[str, Any]]
"""``{"role": "system" | "user" | "assistant", "content": ...}``, in order; an answer of ``weight`` 0 is not learned."""
_MARKS = re.compile(r"\{%-?\s*generation\s*-?%\}")
_PROMPT = re.compile(r"^(<prompt-\d+>)+")
_LINE_END = "\n"
_THOUGHT = "</think>"
"""Templates of models that think take thoughts out of earlier answers."""


class Misfit(Exception):
    """A conversation does not fit the chat template: why, in words that end without a stop."""


@dataclass(frozen=True)
class Encoded:
    """A conversation as the model reads it.

    Args:
        ids: int32 [length].
        learned: bool [length]: the tokens that an assistant writes, the one that ends its turn included.
    """

    ids: np.ndarray
    learned: np.ndarray


def template_of(processor: Any) -> str:
    """The tokenizer's chat template.

    Raises:
        ModelError: it has none.
    """
    try:
        template = processor.get_chat_template() if processor.chat_template else None
    except ValueError:  # several, and none of them is called "default"
        template = None
    if not template:
        raise ModelError(
            "The model's tokenizer has no chat template, so there is no telling how a conversation looks to it.",
            "Take a model that was taught to chat (model=smollm2), or give a template: task.template=FILE.jinja",
        )
    return str(template)


def fingerprint(template: str) -> str:
    """SHA-256 of a template, in hex; the tokens that prompt tuning puts before it do not count."""
    return hashlib.sha256(_PROMPT.sub("", template).encode()).hexdigest()


def encoded(messages: Messages, processor: Any, unthought: str = "") -> Encoded:
    """A whole conversation, its answers included.

    Where the template marks what is generated, its marks hold; else an answer is what a longer rendering adds to a
    shorter one, up to the special token that ends the turn.

    Args:
        unthought: what the template puts before an answer by itself: read with the prompt, and not learned.

    Raises:
        Misfit: the template refuses it, or leaves a message out.
    """
    text = rendered(messages, processor)
    if _MARKS.search(template_of(processor)):
        return _by_marks(messages, processor)
    ids: list[int] = []
    learned: list[bool] = []
    answers = _answers(messages, text, processor, unthought)
    starts = [0, *(start for start, _, _ in answers)]
    for (start, end), answer in zip(_pieces(starts, len(text)), [None, *answers], strict=True):
        found, places = _piece(text[start:end], ids, processor)
        ids += found
        length = 0 if answer is None else answer[1] - start
        own = sum(1 for place in places if place < length)
        own = _to_end_of_turn(found[:own], processor) if answer is not None and answer[2] else 0
        learned += [True] * own + [False] * (len(found) - own)
    return Encoded(np.asarray(ids, dtype=np.int32), np.asarray(learned, dtype=bool))


def prompt(messages: Messages, processor: Any, unthought: str = "") -> np.ndarray:
    """The ids after which the next answer is written, int32: what stands before it in ``encoded``.

    Raises:
        Misfit: the template refuses it, or leaves a message out.
    """
    text = rendered(messages, processor, answer=True) + unthought
    marked = _MARKS.search(template_of(processor))
    starts = [0] if marked else [0, *(start for start, _, _ in _answers(messages, text, processor, unthought))]
    ids: list[int] = []
    for start, end in _pieces(starts, len(text)):
        ids += _piece(text[start:end], ids, processor)[0]
    return np.asarray(ids, dtype=np.int32)


def rendered(messages: Messages, processor: Any, *, answer: bool = False) -> str:
    """A conversation as text; with ``answer`` up to where the next answer begins.

    Raises:
        Misfit: the template refuses it, or leaves a message out.
    """
    text = _render(messages, processor, answer)
    place = 0
    for number, message in enumerate(messages, 1):
        content = message["content"].rpartition(_THOUGHT)[2].strip()
        place = text.find(content, place)
        if place < 0:
            raise Misfit(f"the chat template leaves out message {number}, of the {message['role']}")
        place += len(content)
    return text


def unthought(processor: Any) -> str:
    """What the chat template puts by itself before an answer without a thought, "<think></think>"; "" where nothing.

    Hybrid thinkers (Qwen3) are asked so for an answer at once: a prompt that ends before it asks them to think.
    """
    if _MARKS.search(template_of(processor)):
        return ""
    found = set()
    for asks, says in (("1", "2"), ("3", "4")):
        messages = [{"role": "user", "content": asks}, {"role": "assistant", "content": says}]
        try:
            before, after = _render(messages[:1], processor, True), _render(messages, processor, False)
        except Misfit:
            return ""
        found.add(after[len(before) :].partition(says)[0] if after.startswith(before) else "")
    one = found.pop()
    return one if not found and one.rstrip().endswith(_THOUGHT) else ""


def thinks(text: str) -> bool:
    """Whether a thought ends in a text."""
    return _THOUGHT in text


def said(text: str) -> str:
    """What follows a thought; a text without one as it is.

    >>> said("<think>\\nAnna?\\n</think>\\n\\nAnna did."), said(" Anna did.")
    ('Anna did.', ' Anna did.')
    """
    return text.rpartition(_THOUGHT)[2].lstrip() if thinks(text) else text


def end_of_turn(processor: Any) -> int | None:
    """The id of the special token that ends an answer; None where the template ends it by plain text."""
    try:
        found = encoded([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], processor)
    except Misfit:
        return None
    own = found.ids[found.learned]
    last = int(own[-1]) if len(own) else -1
    return last if last in _special(processor) else None


def _render(messages: Messages, processor: Any, answer: bool) -> str:
    from jinja2 import TemplateError

    try:
        text = processor.apply_chat_template(
            [dict(message) for message in messages], tokenize=False, add_generation_prompt=answer
        )
    except (TemplateError, ValueError, TypeError, KeyError, IndexError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise Misfit(f"the chat template refuses it: {why[:200]}") from error
    return str(text)


def _by_marks(messages: Messages, processor: Any) -> Encoded:
    found = processor.apply_chat_template(
        [dict(message) for message in messages], tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    learned = np.asarray(found["assistant_masks"], dtype=bool)
    if not learned.any():
        raise Misfit("the chat template marks nothing in it as generated")
    weights = [_learned(message) for message in messages if message["role"] == "assistant"]
    if not all(weights):
        starts = np.flatnonzero(np.diff(learned.astype(int), prepend=0) == 1)
        if len(starts) != len(weights):
            raise Misfit("the chat template does not mark each answer once, so one of weight 0 cannot be told")
        learned &= np.asarray([True, *weights])[np.searchsorted(starts, np.arange(len(learned)), side="right")]
    return Encoded(np.asarray(found["input_ids"], dtype=np.int32), learned)


def _learned(message: Mapping[str, Any]) -> bool:
    return bool(message.get("weight") != 0)


def _answers(messages: Messages, text: str, processor: Any, unthought: str) -> list[tuple[int, int, bool]]:
    """[first, last + 1) character of each answer in ``text``, what ends its turn included; and whether it is learned.

    A template that writes earlier answers otherwise than the last (thoughts taken out) leaves only the last as it was
    written; the earlier ones are not learned from then.
    """
    found = []
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before, after = _render(messages[:i], processor, True), _render(messages[: i + 1], processor, False)
        if text.startswith(before) and text.startswith(after) and len(after) > len(before):
            own = len(unthought) if after.startswith(unthought, len(before)) else 0
            found.append((len(before) + own, len(after), _learned(message)))
        elif i == len(messages) - 1:
            raise Misfit("the chat template writes an answer otherwise than it asks for one")
    return found


def _piece(text: str, before: Sequence[int], processor: Any) -> tuple[list[int], list[int]]:
    """Ids of a piece that stands behind others, and the characters where they begin.

    Some tokenizers (Llama 2's, Mistral's) put a blank before every text. In the middle of one there is none: such a
    piece is read behind a line's end, which is taken off again. Behind a special token they put one themselves.
    """
    found = processor(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, places = list(found["input_ids"]), [place for place, _ in found["offset_mapping"]]
    if not before or not ids or before[-1] in _special(processor) or not _begins_with_a_blank(processor):
        return ids, places
    behind = processor(_LINE_END + text, add_special_tokens=False, return_offsets_mapping=True)
    line = list(processor(_LINE_END, add_special_tokens=False)["input_ids"])
    if behind["input_ids"][: len(line)] != line:
        return ids, places
    return list(behind["input_ids"][len(line) :]), [place - 1 for place, _ in behind["offset_mapping"][len(line) :]]


def _begins_with_a_blank(processor: Any) -> bool:
    line, alone, behind = (
        list(processor(text, add_special_tokens=False)["input_ids"]) for text in (_LINE_END, "b", f"{_LINE_END}b")
    )
    return behind[: len(line)] == line and behind[len(line) :] != alone


def _to_end_of_turn(ids: Sequence[int], processor: Any) -> int:
    """How many of an answer's ids are learned: all up to its last special token where only blanks follow that."""
    special = _special(processor)
    for place in range(len(ids), 0, -1):
        if ids[place - 1] in special:
            return place
        if processor.decode([ids[place - 1]]).strip():
            break
    return len(ids)


def _special(processor: Any) -> frozenset[int]:
    added = processor.added_tokens_decoder
    return frozenset(processor.all_special_ids) | {i for i, token in added.items() if token.special}


def _pieces(starts: Sequence[int], length: int) -> list[tuple[int, int]]:
    """A text is cut where answers begin, so that a prompt has the same ids with and without its answer."""
    return list(zip(starts, [*starts[1:], length], strict=True))
