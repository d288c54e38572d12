"""Groups of words that mean the same, from tables of ours, files of a user's, and WordNet's files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from tunesmith.core.errors import RecipeError
from tunesmith.data.augment.pieces import Span, is_unspaced
from tunesmith.data.augment.pieces import words as words_of
from tunesmith.data.words_in_text import is_unspaced_letter

Lookup = Callable[[str], list[str]]
LANGUAGES = ("en", "zh")


def groups(text: str) -> list[list[str]]:
    """A group a line, words separated by commas; what stands behind ``#`` is left out.

    >>> groups("big, large # size\\n很棒，很好")
    [['big', 'large'], ['很棒', '很好']]
    """
    lines = (line.partition("#")[0] for line in text.splitlines())
    split = ([word.strip() for word in re.split("[,，、\t]", line) if word.strip()] for line in lines)
    return [words for words in split if len(words) > 1]


@lru_cache(maxsize=4)
def words(path: str | None = None) -> Mapping[str, list[str]]:
    """Word -> its synonyms, of all groups; a word in a user's file is not looked up in ours.

    Raises:
        RecipeError: the file cannot be read, or has no groups.
    """
    own = _table(group for language in LANGUAGES for group in groups(_packaged(language)))
    return own if path is None else {**own, **_table(_of_file(path))}


def matches(text: str, table: Mapping[str, list[str]], more: Lookup) -> list[tuple[Span, list[str]]]:
    """Where words stand that have synonyms, and these; spans do not overlap.

    Words of spaced languages are looked up whole, in lower case. Chinese has no spaces: the longest entry that
    begins at a character is taken.
    """
    longest = max((len(word) for word in table if is_unspaced_letter(word[0])), default=0)
    found: list[tuple[Span, list[str]]] = []
    for start, end in words_of(text):
        if found and start < found[-1][0][1]:
            continue
        if is_unspaced(text, (start, end)):
            sizes = (size for size in range(longest, 1, -1) if text[start : start + size] in table)
            if size := next(sizes, 0):
                found.append(((start, start + size), table[text[start : start + size]]))
        else:
            word = text[start:end].lower()
            if others := table.get(word) or more(word):
                found.append(((start, end), others))
    return found


def of_wordnet(where: str) -> Lookup:
    """Lookup in WordNet's files; nothing is found where ``where`` is "none".

    Raises:
        RecipeError: the files are not there.
    """
    from tunesmith.data.augment.thesaurus.wordnet import WordNet, folder

    return (lambda word: []) if where == "none" else WordNet(folder(where)).synonyms


def _table(groups: object) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for group in groups:  # type: ignore[attr-defined]
        for word in group:
            others = found.setdefault(word.lower(), [])
            others += [other for other in group if other != word and other not in others]
    return found


def _packaged(language: str) -> str:
    return files(__name__).joinpath(f"{language}.txt").read_text("utf-8")


def _of_file(path: str) -> list[list[str]]:
    try:
        found = groups(Path(path).read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise RecipeError(f"data.augment: synonyms.path {path} cannot be read: {why}.", "Check the path.") from error
    if not found:
        raise RecipeError(f"data.augment: synonyms.path {path} has no groups.", "Write one a line: big, large, huge")
    return found
