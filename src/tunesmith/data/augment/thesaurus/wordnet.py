"""WordNet's own files (Miller 1995), as in Debian's wordnet-base: ``index.noun``, ``data.noun`` and so on."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from tunesmith.core.errors import RecipeError

PARTS = ("noun", "verb", "adj", "adv")
PLACES = ("/usr/share/wordnet", "/usr/local/share/wordnet")


def folder(where: str) -> Path:
    """The folder that holds the files; "auto": $WNSEARCHDIR, or where systems put it.

    Raises:
        RecipeError: it is not there.
    """
    named = [os.environ.get("WNSEARCHDIR", ""), *PLACES] if where == "auto" else [where]
    for place in named:
        if place and (Path(place) / "index.noun").is_file():
            return Path(place)
    raise RecipeError(
        f"data.augment: synonyms.wordnet is {where}, and WordNet's index.noun is in none of: "
        f"{', '.join(place for place in named if place)}.",
        "Install it (Debian: apt install wordnet-base), or name its folder.",
    )


class WordNet:
    """Synonyms by a word's first sense, in the part of speech in which it is counted most often.

    Args:
        place: the folder of the files.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._senses = {part: _senses(place / f"index.{part}") for part in PARTS}

    def synonyms(self, word: str) -> list[str]:
        """Other words of the sense, as they are in the files but for underscores; [] for a word that is not there."""
        known = [(self._senses[part][word], part) for part in PARTS if word in self._senses[part]]
        if not known:
            return []
        (_, offset), part = max(known)
        found = _words(self._place / f"data.{part}", offset)
        return [other for other in found if other.lower() != word]


def _senses(path: Path) -> dict[str, tuple[int, int]]:
    """Lemma -> (senses counted in texts, the first sense's place in the data file)."""
    found = {}
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        if not line.startswith(" "):
            lemma, _, count, *rest = line.split()
            offsets = rest[-int(count) :]
            found[lemma] = (int(rest[-int(count) - 1]), int(offsets[0]))
    return found


@lru_cache(maxsize=4096)
def _words(path: Path, offset: int) -> list[str]:
    with path.open("rb") as file:
        file.seek(offset)
        fields = file.readline().decode("utf-8").split()
    count = int(fields[3], 16)
    plain = (word.partition("(")[0].replace("_", " ") for word in fields[4 : 4 + 2 * count : 2])
    return list(plain)
