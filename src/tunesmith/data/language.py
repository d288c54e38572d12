"""Which language texts are in: by script, and within Latin script by the small words and letters of each language."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice

ENOUGH = 200_000
"""Characters that are looked at."""

SCRIPTS = {
    "han": re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]"),
    "kana": re.compile(r"[\u3040-\u30ff]"),
    "hangul": re.compile(r"[\u1100-\u11ff\uac00-\ud7af]"),
    "cyrillic": re.compile(r"[\u0400-\u04ff]"),
    "arabic": re.compile(r"[\u0600-\u06ff]"),
    "hebrew": re.compile(r"[\u0590-\u05ff]"),
    "thai": re.compile(r"[\u0e00-\u0e7f]"),
    "devanagari": re.compile(r"[\u0900-\u097f]"),
    "greek": re.compile(r"[\u0370-\u03ff]"),
    "latin": re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]"),
}
ALONE = {"hangul": "ko", "hebrew": "he", "thai": "th", "devanagari": "hi", "greek": "el"}
SMALL_WORDS = {
    "en": "the and is to of it in that this was for with you not are have my but they be on",
    "de": "der die das und ist nicht ich zu mit ein eine auf war es den sehr auch aber von wir",
    "fr": "le la les et est pas je un une des que pour dans ce qui très mais avec sur vous",
    "es": "el la los y es no que de un una por con para muy pero lo se mi está del",
    "it": "il la che di e è non un una per con molto ma sono mi del della questo ho anche",
    "pt": "o a os e é não que de um uma para com muito mas do da em eu foi você",
    "nl": "de het een en is niet ik van dat op te met voor zijn maar heel ook was er aan",
    "pl": "nie się jest na że to i w z do jak ale o co bardzo był po mnie tak jestem",
    "tr": "bir ve bu çok da de için ne ben ama daha gibi var değil o mi ile en kadar iyi",
    "sv": "och det att är en jag som på inte för med den har ett av till mycket men var så",
    "id": "yang dan di ini itu tidak dengan untuk saya dari ada ke bisa juga sudah akan karena sangat",
    "vi": "và là của không có tôi cho được rất này người một những trong các với đã",
}
_SMALL = {language: frozenset(words.split()) for language, words in SMALL_WORDS.items()}
_WORD = re.compile(r"[^\W\d_]+")


def language_of(texts: Iterable[str]) -> str:
    """The ISO 639-1 code of the language that most of the texts are in; "und" where there is nothing to tell by.

    >>> language_of(["房间很干净，服务也好"]), language_of(["The room was clean and the staff friendly"])
    ('zh', 'en')
    """
    text = _sample(texts)
    counts = {script: len(pattern.findall(text)) for script, pattern in SCRIPTS.items()}
    # A character of Chinese says about as much as four letters.
    weights = {s: n * (4 if s in ("han", "kana", "hangul") else 1) for s, n in counts.items()}
    if not any(weights.values()):
        return "und"
    weights["han"] += weights["kana"]
    script = max(weights, key=lambda s: weights[s])
    if script in ("han", "kana"):
        return "ja" if counts["kana"] > 0.1 * (counts["han"] + counts["kana"]) else "zh"
    if script == "cyrillic":
        return "uk" if len(re.findall("[іїєґ]", text)) > 0.02 * counts["cyrillic"] else "ru"
    if script == "arabic":
        return "fa" if len(re.findall("[پچژگ]", text)) > 0.01 * counts["arabic"] else "ar"
    return ALONE.get(script) or _latin(text)


def _latin(text: str) -> str:
    words = Counter(_WORD.findall(text.lower()))
    total = max(sum(words.values()), 1)
    hits = {language: sum(words[w] for w in small) for language, small in _SMALL.items()}
    best = max(hits, key=lambda language: hits[language])
    if hits[best] >= 0.03 * total:
        return best
    # Titles and intents have few small words; plain ASCII is likeliest English.
    letters = SCRIPTS["latin"].findall(text)
    return "en" if sum(c.isascii() for c in letters) > 0.98 * len(letters) else "und"


def _sample(texts: Iterable[str]) -> str:
    parts, size = [], 0
    for text in islice(texts, 5000):
        parts.append(text[:2000])
        size += len(parts[-1])
        if size > ENOUGH:
            break
    return "\n".join(parts)
