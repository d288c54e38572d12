"""Labelled sentences that a tiny model learns in a few epochs, in English and in Chinese."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from typing import Any

_LABELS = {"en": ("negative", "positive"), "zh": ("消极", "积极")}

_SUBJECTS = {
    "en": [
        "room",
        "staff",
        "food",
        "film",
        "plot",
        "phone",
        "battery",
        "service",
        "book",
        "delivery",
        "screen",
        "price",
    ],
    "zh": ["房间", "服务", "早餐", "电影", "剧情", "手机", "电池", "位置", "这本书", "快递", "屏幕", "价格"],
}

_WORDS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "en": (
        ["terrible", "awful", "boring", "broken", "dirty", "disappointing", "horrible", "useless"],
        ["great", "wonderful", "excellent", "lovely", "perfect", "amazing", "superb", "delightful"],
    ),
    "zh": (
        ["很差", "糟糕", "无聊", "太脏了", "让人失望", "难用", "很烂", "可怕"],
        ["很好", "精彩", "优秀", "很干净", "让人满意", "好用", "很棒", "完美"],
    ),
}

_TEMPLATES = {
    "en": [
        "The {subject} was {word}.",
        "I found the {subject} {word}, number {n} on my list.",
        "A {word} {subject}, as my friend said {n} times.",
        "We talked about the {subject} for {n} minutes: simply {word}!",
    ],
    "zh": [
        "{subject}{word}。",
        "我觉得{subject}{word}，这是第{n}次了。",
        "朋友说了{n}遍：{subject}{word}！",
        "聊了{n}分钟，总之{subject}{word}，就是这样。",
    ],
}


def toy_rows(language: str = "en", n: int = 64, seed: int = 13) -> list[dict[str, Any]]:
    """Rows with ``text`` and ``label``, both labels equally often, in an order drawn by the seed; texts differ.

    Args:
        language: "en" (labels "negative" and "positive") or "zh" ("消极" and "积极").
        n: how many rows.
        seed: of the draw.

    Raises:
        ValueError: another language.
    """
    if language not in _LABELS:
        raise ValueError(f'toy_rows has "en" and "zh", not "{language}".')
    draw = random.Random(f"{language}/{seed}")
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for side in islice(cycle((0, 1)), n):
        text = _sentence(language, side, draw)
        while text in seen:
            text = _sentence(language, side, draw)
        seen.add(text)
        rows.append({"text": text, "label": _LABELS[language][side]})
    draw.shuffle(rows)
    return rows


def _sentence(language: str, side: int, draw: random.Random) -> str:
    template = draw.choice(_TEMPLATES[language])
    word, subject = draw.choice(_WORDS[language][side]), draw.choice(_SUBJECTS[language])
    return template.format(subject=subject, word=word, n=draw.randint(2, 9999))


def toy_documents(language: str, count: int, *, seed: int = 13, sentences: int = 3) -> list[str]:
    """Documents of toy sentences: what pretraining reads.

    Args:
        language: "en" or "zh".
        count: documents.
        seed: of the sentences.
        sentences: of a document.
    """
    texts = [row["text"].rstrip(".。") for row in toy_rows(language, count * sentences, seed=seed)]
    stop, space = (".", " ") if language == "en" else ("。", "")
    return [
        space.join(text + stop for text in texts[start : start + sentences])
        for start in range(0, len(texts), sentences)
    ]
