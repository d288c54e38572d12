"""How columns of summaries and translations are called, likeliest first; all lower case."""

from __future__ import annotations

import re

from tunesmith.data.words import normal

LONG = (
    "dialogue", "dialog", "article", "document", "source", "src", "source_text", "src_text", "conversation",
    "transcript", "story", "report", "passage", "content", "body", "text", "review", "abstract",
    "原文", "正文", "文章", "对话", "文档", "内容", "全文", "文本", "摘要",
)  # fmt: skip
"""Texts that are summed up."""
SHORT = (
    "summary", "highlights", "highlight", "tldr", "tl;dr", "abstractive_summary", "lay_summary", "summary_text",
    "总结", "概要", "概括", "摘要", "简介", "abstract", "headline", "title", "标题", "题目",
)  # fmt: skip
"""What sums them up."""
SUMMED = ("highlights", "highlight", "tldr", "tl;dr", "abstractive_summary", "lay_summary", "summary_text")
"""Names that stand in no file for another task: what they name is to be learned, even beside a label. A title, a
headline, and the "summary" of a review are read with their text as often."""
SPOKEN = ("dialogue", "dialog", "conversation", "transcript", "对话")
"""Texts whose summary is to be learned, even beside a label."""
PAIRS = (
    ("source", "target"), ("src", "tgt"), ("source_text", "target_text"), ("src_text", "tgt_text"),
    ("source_sentence", "target_sentence"), ("input_text", "target_text"), ("text", "target"), ("text", "translation"),
    ("sentence", "translation"), ("原文", "译文"), ("源文", "译文"), ("原句", "译句"), ("text", "译文"),
)  # fmt: skip
"""Two sides of any kind of pair."""
LANGUAGES: dict[str, tuple[str, ...]] = {
    "en": ("english", "英文", "英语"),
    "zh": ("chinese", "中文", "汉语", "mandarin", "cmn", "zh_cn", "zh_hans", "zh_tw"),
    "de": ("german", "deutsch", "德文", "德语"), "fr": ("french", "français", "法文", "法语"),
    "es": ("spanish", "español", "西班牙语"), "it": ("italian",), "pt": ("portuguese",), "nl": ("dutch",),
    "ru": ("russian", "俄文", "俄语"), "ja": ("japanese", "日文", "日语", "jp"), "ko": ("korean", "韩文", "韩语"),
    "ar": ("arabic",), "cs": ("czech",), "pl": ("polish",), "ro": ("romanian",), "tr": ("turkish",), "sv": ("swedish",),
    "vi": ("vietnamese",), "hi": ("hindi",), "uk": ("ukrainian",), "id": ("indonesian",), "fa": ("persian",),
    "translated": ("译文", "译句", "translation"),
}  # fmt: skip
"""ISO 639-1 code -> what else a column of this language is called; and what a column of translations is called."""
_ENDS = re.compile(r"^(?:text|sentence|source|target|src|tgt|caption)_([a-z]{2})$|^([a-z]{2})_(?:text|sentence)$")


def language_code(name: str) -> str | None:
    """The language that a column is called by; None where it is none.

    >>> language_code("EN"), language_code("中文"), language_code("text_de"), language_code("id")
    ('en', 'zh', 'de', None)
    """
    plain = normal(name)
    if matched := _ENDS.match(plain):
        plain = matched[1] or matched[2]
    elif plain == "id":  # far oftener a number than Indonesian
        return None
    known = {code for code in LANGUAGES if len(code) == 2}
    if plain in known:
        return plain
    return next((code for code in known if plain in LANGUAGES[code]), None)
