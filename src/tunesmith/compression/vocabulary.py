"""Vocabulary trimming: only the pieces that are needed, their rows of the embeddings, and nothing else changed.

Most of a small multilingual model is its table of pieces (82% of multilingual-e5-small), and one language uses a
fraction of it (Abdaoui et al. 2020, "Load What You Need"). A text that is cut into kept pieces gets the same pieces
and the same rows, so that the model's answer to it is *equal*, not close.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tunesmith.compression import tokenizer_file as files
from tunesmith.compression.embeddings import gather, named_ids
from tunesmith.compression.scripts import belongs, scripts_of
from tunesmith.core.errors import ModelError
from tunesmith.models.load import take_whole_texts

SPARE = 8000
"""Pieces that are kept for texts to come where no language is named: the most frequent ones."""


@dataclass(frozen=True)
class Trimmed:
    """What is left.

    Args:
        processor: the tokenizer with fewer pieces.
        kept: the old id of each piece, rising: the new id is its place.
        before: pieces that there were.
        saved: bytes of weights.
        checked: texts that were cut anew and compared.
    """

    processor: Any
    kept: list[int]
    before: int
    saved: int
    checked: int

    @property
    def words(self) -> str:
        """In a sentence."""
        told = f"; {self.checked:,} texts are cut as before" if self.checked else ""
        return f"{len(self.kept):,} of {self.before:,} pieces are kept, which saves {self.saved / 1e6:,.1f} MB{told}."


def trim(
    model: Any,
    processor: Any,
    texts: Iterable[str] = (),
    *,
    keep: Sequence[str] = (),
    ids: Iterable[int] = (),
    limit: int | None = None,
) -> Trimmed:
    """Leave out the pieces that are not needed, of the tokenizer and of the model, which is changed in place.

    Kept are: special and added tokens; all pieces of the texts; single characters, so that a new word is cut smaller
    and not lost; and, of the languages to keep, every piece without a letter of another script. So a text all of whose
    letters are of kept scripts is cut as before, whether it is among ``texts`` or not. English is the 52 letters: a
    text with "é" may be cut otherwise unless it is among ``texts``, or "latin" is kept.

    Args:
        model: a transformers model.
        processor: its fast tokenizer; it stays as it is.
        texts: must be cut as before; this is checked. Read twice.
        keep: languages (ISO 639) or scripts: "zh", "en", "latin", "kana". None: the texts decide.
        ids: pieces that must stay, whatever they are.
        limit: of the languages' pieces, only the most frequent ones; the promise is then for ``texts`` alone.
            None: all; without languages, the ``SPARE`` most frequent ones.

    Raises:
        ModelError: the tokenizer cannot be trimmed, or a text would be cut otherwise.
        RecipeError: there is no such language.
    """
    take_whole_texts(processor)  # a call with truncation leaves it switched on, and all after it would be cut short
    file = files.read(processor)
    texts = list(texts) if iter(texts) is texts else texts
    pieces, rows = files.pieces(file), model.get_input_embeddings().num_embeddings
    kept = files.always(file) | named_ids(model) | set(ids)
    kept |= set(_wanted(file, keep, limit if keep or limit is not None else SPARE))
    kept |= _of_texts(processor, file, texts)
    order = sorted(i for i in files.closed(file, kept) if i in pieces)
    if order[-1] >= rows:
        raise ModelError(f"The tokenizer has the id {order[-1]}, the model {rows} rows.", "Take the model's own one.")
    fewer = files.remade(processor, file, order)
    checked = _checked(processor, fewer, texts)
    return Trimmed(fewer, order, rows, gather(model, order), checked)


def _wanted(file: files.File, keep: Sequence[str], limit: int | None) -> Iterator[int]:
    """Pieces of the languages, the most frequent first: tokenizers have them in that order."""
    scripts = scripts_of(keep) if keep else None
    left = limit if limit is not None else len(file["model"]["vocab"])
    for i, text in sorted(files.bare(file).items()):
        if len(text) <= 1:
            if scripts is None or text.isascii() or belongs(text, scripts):
                yield i
        elif left > 0 and (scripts is None or belongs(text, scripts)):
            left -= 1
            yield i


def _of_texts(processor: Any, file: files.File, texts: Iterable[str]) -> set[int]:
    """All ids of the texts; of WordPiece, what leads to an unknown word, too."""
    model, unknown = file["model"], processor.unk_token_id
    of_words = model["type"] == "WordPiece"
    seen: set[int] = set()
    for text, cut in _cut(processor, texts):
        seen.update(cut.ids)
        if of_words and unknown in cut.ids:
            for word in _words(processor.backend_tokenizer, text):
                seen |= files.way_to_unknown(word, model["vocab"], model["continuing_subword_prefix"])
    return seen


def _words(backend: Any, text: str) -> list[str]:
    normal = backend.normalizer.normalize_str(text) if backend.normalizer else text
    return [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(normal)] if backend.pre_tokenizer else [normal]


def _cut(processor: Any, texts: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Each text with its encoding, special tokens left out."""
    remaining = iter(texts)
    while some := list(islice(remaining, 1024)):
        yield from zip(some, processor.backend_tokenizer.encode_batch(some, add_special_tokens=False), strict=True)


def _checked(before: Any, after: Any, texts: Iterable[str]) -> int:
    """Cut all texts both ways; how many they are."""
    count = 0
    for (text, one), (_, other) in zip(_cut(before, texts), _cut(after, texts), strict=True):
        if one.tokens != other.tokens:
            raise ModelError(
                f"With fewer pieces the text {text[:80]!r} would be cut otherwise: {other.tokens[:12]} and not "
                f"{one.tokens[:12]}.",
                "Keep the whole vocabulary, and report this text.",
            )
        count += 1
    return count
