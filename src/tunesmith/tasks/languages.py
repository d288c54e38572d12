"""Languages by code, however a recipe calls them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from tunesmith.core.errors import RecipeError

NAMES = {
    "ar": "Arabic", "cs": "Czech", "de": "German", "en": "English", "es": "Spanish", "fr": "French", "hi": "Hindi",
    "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese",
    "ro": "Romanian", "ru": "Russian", "sv": "Swedish", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian",
    "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
"""ISO 639-1 code -> the language's English name, as prefixes have it."""
CHINESE = {
    "ar": "阿拉伯语", "cs": "捷克语", "de": "德语", "en": "英语", "es": "西班牙语", "fr": "法语", "hi": "印地语",
    "it": "意大利语", "ja": "日语", "ko": "韩语", "nl": "荷兰语", "pl": "波兰语", "pt": "葡萄牙语",
    "ro": "罗马尼亚语", "ru": "俄语", "sv": "瑞典语", "th": "泰语", "tr": "土耳其语", "uk": "乌克兰语",
    "vi": "越南语", "zh": "汉语",
}  # fmt: skip
"""The same in Chinese."""
_OTHER_SCRIPTS = {
    "ar": "arabic", "hi": "devanagari", "ja": "han", "zh": "han", "ko": "hangul", "ru": "cyrillic", "uk": "cyrillic",
    "th": "thai",
}  # fmt: skip
_ISO = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el
    en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu
    ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na
    nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so
    sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
CODES = frozenset(_ISO.split())
"""All of ISO 639-1."""
_CALLED = {
    **{name.lower(): code for table in (NAMES, CHINESE) for code, name in table.items()},
    **{name[:-1] + "文": code for code, name in CHINESE.items()},
    "中文": "zh", "mandarin": "zh", "普通话": "zh",
}  # fmt: skip


def code_of(language: str) -> str | None:
    """The ISO 639-1 code of a tag ("zh-CN", "pt_BR") or of a name in English or Chinese; None where it is not known.

    >>> [code_of(name) for name in ("zh-CN", "Chinese (Simplified)", "英文", "EN", "fi", "klingon")]
    ['zh', 'zh', 'en', 'en', 'fi', None]
    """
    first = re.split(r"[-_\s(（]", language.strip().lower())[0]
    return first if first in CODES else _CALLED.get(first)


def told(key: str, language: str | None) -> str | None:
    """A recipe's language as its code; None where the recipe is silent.

    Raises:
        RecipeError: the language is not known.
    """
    found = None if language is None else code_of(language)
    if language is not None and found is None:
        raise RecipeError(
            f'task.{key} is "{language}", which is no language that is known.',
            f"Give its ISO 639-1 code (en, zh, fi, ...), or one of the names {', '.join(sorted(NAMES.values()))}.",
        )
    return found


def writes(language: str, texts: Iterable[str]) -> bool:
    """Whether more than a hundredth of the letters are of the language's script: titles of goods mix two.

    >>> writes("zh", ["小米 Xiaomi Redmi Note 12 Pro Max 手机"]), writes("zh", ["A phone"]), writes("en", ["手机"])
    (True, False, False)
    """
    script = _OTHER_SCRIPTS.get(language, "latin")
    starts = ("CJK", "HIRAGANA", "KATAKANA") if script == "han" else (script.upper(),)
    letters = [letter for text in texts for letter in text if letter.isalpha()]
    return 100 * sum(unicodedata.name(letter, "").startswith(starts) for letter in letters) > len(letters)


def contradicts(language: str, seen: str) -> bool:
    """Whether texts that look like one language cannot be of the other: it is written in another script.

    >>> contradicts("zh", "en"), contradicts("de", "en"), contradicts("zh", "und")
    (True, False, False)
    """
    one, other = (_OTHER_SCRIPTS.get(code, "latin") if code in NAMES else None for code in (language, seen))
    return one is not None and other is not None and one != other
