"""Names that columns go by, English and Chinese, likeliest first; and what rules a column out by its name."""

from __future__ import annotations

import re

TEXT = (
    "text", "review", "review_text", "content", "sentence", "comment", "body", "message", "document", "utterance",
    "full_text", "query", "question", "description", "tweet", "post", "review_body", "verbatim", "feedback", "input",
    "article", "abstract", "title", "headline", "summary", "文本", "评论", "内容", "正文", "评价", "留言",
    "句子", "语句", "文章", "问题", "描述", "反馈", "评论内容", "评价内容", "微博", "弹幕", "摘要", "标题",
)  # fmt: skip
PAIRS = (
    ("text", "text_pair"), ("text_a", "text_b"), ("text1", "text2"), ("sentence1", "sentence2"),
    ("sentence_a", "sentence_b"), ("premise", "hypothesis"), ("question1", "question2"), ("question", "sentence"),
    ("query", "passage"), ("query", "document"), ("question", "passage"), ("question", "context"),
    ("concept_a", "concept_b"), ("句子1", "句子2"), ("文本1", "文本2"), ("前提", "假设"), ("问题1", "问题2"),
    ("问题", "文章"), ("问题", "段落"), ("问题", "材料"),
)  # fmt: skip
LABEL = (
    "label", "target", "class", "sentiment", "category", "intent", "polarity", "label_text", "gold", "gold_label",
    "emotion", "topic", "domain", "type", "tag", "stars", "rating", "score", "y", "output", "标签", "类别", "情感",
    "分类", "意图", "情绪", "类型", "主题", "领域", "倾向", "评级", "星级", "评分", "分数", "得分",
)  # fmt: skip
LABELS = (
    "labels", "tags", "categories", "topics", "genres", "classes", "emotions", "标签", "类别", "分类", "话题",
    "标签列表",
)  # fmt: skip
NUMBERS = (
    "score", "rating", "similarity", "price", "value", "stars", "grade", "label", "target",
    "分数", "评分", "得分", "价格", "相似度", "打分",
)  # fmt: skip

_ID = re.compile(
    r"(^|[_\-. ])(id|ids|uuid|guid|index|idx|no|key|hash|url|uri|link)$|^unnamed|id$|编号|序号|链接|网址", re.I
)
_ID_CAMEL = re.compile(r"[a-z]I[dD]$|^I[dD]$")
_TIME = re.compile(
    r"(^|[_\-. ])(date|time|timestamp|datetime|created|updated|year|month|day)([_\-. ]|$)|_at$|日期|时间", re.I
)


def normal(name: str) -> str:
    """A column's name as it is compared: lower case, spaces and dashes as underscores."""
    return re.sub(r"[\s\-]+", "_", name.strip().lower())


def rank(name: str, known: tuple[str, ...]) -> int | None:
    """The place of a name among known ones; None where it is none of them."""
    plain = normal(name)
    return known.index(plain) if plain in known else None


def names_id(name: str) -> bool:
    """Whether the name says identifier ("movie_id", "userId", "编号")."""
    plain = normal(name)
    if plain.endswith("id") and not plain.endswith("_id") and plain not in ("id", "uid", "pid"):
        return bool(_ID_CAMEL.search(name))
    return bool(_ID.search(plain))


def names_time(name: str) -> bool:
    """Whether the name says date or time."""
    return bool(_TIME.search(normal(name)))


def is_known(name: str) -> bool:
    """Whether a name says what a column holds.

    >>> is_known("Review Text"), is_known("id"), is_known("we left the house.")
    (True, True, False)
    """
    from tunesmith.data.shapes.text_to_text_names import LONG, SHORT, language_code

    plain = normal(name)
    pairs = (one for pair in PAIRS for one in pair)
    return plain in {*TEXT, *LABEL, *LABELS, *NUMBERS, *LONG, *SHORT, *pairs} or bool(
        language_code(plain) or _ID.search(plain) or _TIME.search(plain)
    )
