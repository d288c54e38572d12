"""Which scripts a piece of a vocabulary is written in, and which a language needs."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache

from tunesmith.core.errors import RecipeError, did_you_mean

ASCII = "ascii"
"""The 52 letters of English: a script of its own here, since Latin letters with accents are of other languages."""
OF_SCRIPTS = {
    "ascii": "en",
    "latin": "af az br bs ca cs cy da de eo es et eu fi fr fy ga gd gl ha hr hu id is it jv la lt lv mg ms mt nb nl nn "
    "no om pl pt ro sk sl so sq su sv sw tl tr uz vi xh zu",
    "han": "zh",
    "han kana": "ja",
    "hangul": "ko",
    "cyrillic": "be bg kk ky mk mn ru sr tg uk",
    "arabic": "ar ckb fa ps sd ug ur",
    "hebrew": "he yi",
    "devanagari": "hi mr ne sa",
    "bengali": "as bn",
    "greek": "el",
    "thai": "th",
    "gujarati": "gu",
    "gurmukhi": "pa",
    "oriya": "or",
    "tamil": "ta",
    "telugu": "te",
    "kannada": "kn",
    "malayalam": "ml",
    "sinhala": "si",
    "lao": "lo",
    "khmer": "km",
    "myanmar": "my",
    "georgian": "ka",
    "armenian": "hy",
    "ethiopic": "am ti",
}
"""Scripts -> the languages (ISO 639) that are written in them."""
SEVERAL = {"latin": (ASCII, "latin"), "han": ("cjk",), "kana": ("hiragana", "katakana", "katakana-hiragana")}
"""Our word for a script -> Unicode's, where they differ."""
COMMON = frozenset(
    [
        "combining",
        "variation",
        "modifier",
        "micro",
        "feminine",
        "masculine",
        "ideographic",
        "vertical",
        "halfwidth",
        "mathematical",
        "script",
        "double-struck",
        "black-letter",
        "superscript",
        "subscript",
        "caron",
        "ohm",
        "kelvin",
        "angstrom",
    ]
)
"""First words of the names of letters and marks that belong to no script, or to several."""


def languages() -> dict[str, tuple[str, ...]]:
    """Language -> its scripts, in our words.

    >>> languages()["ja"], languages()["en"]
    (('han', 'kana'), ('ascii',))
    """
    return {code: tuple(scripts.split()) for scripts, codes in OF_SCRIPTS.items() for code in codes.split()}


def scripts_of(names: Sequence[str]) -> frozenset[str]:
    """The scripts of languages and of scripts by name, in Unicode's words.

    >>> sorted(scripts_of(["zh", "en"])), sorted(scripts_of(["latin"]))
    (['ascii', 'cjk'], ['ascii', 'latin'])

    Raises:
        RecipeError: there is no such language or script.
    """
    of, known = languages(), {script for scripts in OF_SCRIPTS for script in scripts.split()}
    found: set[str] = set()
    for name in names:
        own = of.get(name.lower().split("-")[0], (name.lower(),))
        if not set(own) <= known:
            raise RecipeError(
                f'There is no language or script "{name}" to keep.', did_you_mean(name, [*known, *of]).strip()
            )
        found.update(word for script in own for word in SEVERAL.get(script, (script,)))
    return frozenset(found)


def scripts_in(text: str) -> frozenset[str]:
    """The scripts that a text's letters are of, in Unicode's words; digits, signs and emoji are of none.

    >>> sorted(scripts_in("▁café")), sorted(scripts_in("房间")), sorted(scripts_in("5 €🙂"))
    (['ascii', 'latin'], ['cjk'], [])
    """
    return frozenset(script for letter in text if (script := _script(letter)))


def belongs(piece: str, scripts: Iterable[str]) -> bool:
    """Whether all letters of a piece are of the scripts.

    A letter of a script alone is kept with ASCII, too: "é" stays where "café" goes.
    """
    wanted = frozenset(scripts)
    if ASCII in wanted and len(piece) == 1:
        wanted |= {"latin"}
    return scripts_in(piece) <= wanted


@cache
def _script(letter: str) -> str:
    """The script of a letter or mark; "" of anything else."""
    if unicodedata.category(letter)[0] not in "LM":
        return ""
    if letter.isascii():
        return ASCII
    first = unicodedata.name(letter, "unknown").split()[0].lower()
    first = "latin" if first == "fullwidth" else first
    return "" if first in COMMON else first
