"""Pairs of texts that belong together, triplets with texts that do not, and pairs with a similarity."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from tunesmith.data.shapes.shape import Cells, RowProblem, Shape
from tunesmith.data.traits import Traits
from tunesmith.data.words import normal

FIRST = ("text", "anchor", "query", "question", "sentence1", "sentence_a", "text1", "question1", "sentence")
SECOND = (
    "text_pair", "positive", "positives", "pos", "passage", "document", "answer", "response", "sentence2",
    "sentence_b", "text2", "question2",
)  # fmt: skip
NEGATIVE = ("negatives", "negative", "neg", "hard_negatives")
SCORE = ("score", "similarity", "label")
"""How rows spell their roles, in the order in which they are looked for. A label counts only where it is a number."""

ANCHORS = ("anchor", "query", "question", "sentence", "text", "锚点", "查询", "问题", "问句", "句子", "文本")
POSITIVES = ("positive", "positives", "pos", "正例", "正样本", "相似句")
NEGATIVES = (*NEGATIVE, "负例", "负样本", "不相似句")
ALIKE = (
    ("sentence1", "sentence2"), ("sentence_1", "sentence_2"), ("sentence_a", "sentence_b"), ("text1", "text2"),
    ("text_1", "text_2"), ("text_a", "text_b"), ("question1", "question2"), ("text", "text_pair"),
    ("句子1", "句子2"), ("文本1", "文本2"), ("问题1", "问题2"),
)  # fmt: skip
SIMILARITIES = ("similarity", "similarity_score", "sim", "relatedness", "relatedness_score", "相似度", "相似性")
SCORES = (*SIMILARITIES, "score", "分数", "得分", "打分", "评分")
_NUMBERED = re.compile(r"(negative|neg|负例|负样本)_?\d+$")


class TextEmbeddingShape(Shape):
    """``text``, ``text_pair``, and ``score`` or ``negatives`` or neither."""

    task: ClassVar[str] = "text-embedding"
    summary: ClassVar[str] = "pairs that belong together, triplets, or pairs with a similarity"
    roles: ClassVar[tuple[str, ...]] = (*FIRST, *SECOND, *NEGATIVE, *SCORE, "prompt")
    target: ClassVar[str] = ""

    def __init__(self) -> None:
        self._blank = 0

    def guess(self, found: Mapping[str, Traits], samples: Mapping[str, list[Any]], why: list[str]) -> dict[str, Any]:
        """Anchor and positive by their names; two texts of like names beside a number that is called a similarity.

        A question beside an answer is not taken: such files are for several tasks.
        """
        names = {normal(name): name for name in found}
        return _triplets(names, found, why) or _scored(names, found, why)

    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """A row for each second text; one without a second text only where nothing is learned."""
        first = _text(_first_of(cells, FIRST), "the first text")
        role, second = next(((r, cells[r]) for r in SECOND if cells.get(r) is not None), ("", None))
        row: dict[str, Any] = {"text": first}
        if cells.get("prompt") is not None:
            row["prompt"] = _prompt(cells["prompt"])
        if second is None:
            if target:
                raise RowProblem("there is no second text (text_pair, positive ...)")
            yield row
            return
        seconds = _listed(second) if role in ("positive", "positives", "pos") else [second]
        if not seconds:
            raise RowProblem(f"{role} is an empty list")
        if target:
            row |= self._learned(cells)
        for text in seconds:
            yield {**row, "text_pair": _text(text, f"the second text ({role})")}

    def repaired(self) -> dict[str, int]:
        """Blank texts among negatives are passed over."""
        return {"blank negatives passed over": self._blank}

    def _learned(self, cells: Cells) -> dict[str, Any]:
        negatives = [text for value in _all(cells, NEGATIVE) for text in _listed(value)]
        kept = [str(text).strip() for text in negatives if text is not None and str(text).strip()]
        self._blank += len(negatives) - len(kept)
        score = _score(cells)
        if score is not None and kept:
            raise RowProblem("there are negatives and a score; a row has one of them")
        return {"negatives": kept} if kept else {} if score is None else {"score": score}


def _triplets(names: Mapping[str, str], found: Mapping[str, Traits], why: list[str]) -> dict[str, Any]:
    names = {plain: name for plain, name in names.items() if not _figures(found[name])}
    first = next((names[name] for name in ANCHORS if name in names), None)
    second = next((names[name] for name in POSITIVES if name in names), None)
    if first is None or second is None:
        return {}
    why.append(f'text and positive: "{first}" and "{second}", by their names')
    columns: dict[str, Any] = {"text": first, "positive": second}
    negatives = [names[name] for name in names if name in NEGATIVES or _NUMBERED.match(name)]
    if negatives:
        columns["negatives"] = negatives[0] if len(negatives) == 1 else negatives
        why.append(f"negatives: {', '.join(negatives)}, by name")
    why.append("task: text-embedding, since texts stand beside texts that belong to them")
    return columns


def _figures(look: Traits) -> bool:
    """Whether a column holds numbers or yes and no: a "positive" beside a "negative" may be two classes of a text."""
    return look.numeric > 0.5 or look.flag


def _scored(names: Mapping[str, str], found: Mapping[str, Traits], why: list[str]) -> dict[str, Any]:
    pair = next(((names[a], names[b]) for a, b in ALIKE if a in names and b in names), None)
    score = next((names[name] for name in SCORES if name in names and found[names[name]].numeric > 0.9), None)
    if pair is None or score is None or found[score].constant:
        return {}
    why.append(f'text and text_pair: "{pair[0]}" and "{pair[1]}", by their names; score: "{score}", by its name')
    why.append(
        f'task: text-embedding, since "{score}" says how alike two texts are; '
        "for a model that reads both texts at once and gives the number itself: task=text-regression"
    )
    return {"text": pair[0], "text_pair": pair[1], "score": score}


def _first_of(cells: Cells, roles: tuple[str, ...]) -> Any:
    return next((cells[role] for role in roles if cells.get(role) is not None), None)


def _all(cells: Cells, roles: tuple[str, ...]) -> list[Any]:
    return [cells[role] for role in roles if cells.get(role) is not None]


def _text(value: Any, what: str) -> str:
    text = "" if value is None else str(value)
    if not text.strip():
        raise RowProblem(f"{what} is empty")
    return text


def _listed(value: Any) -> list[Any]:
    """A list, a list as JSON text, or one text."""
    if isinstance(value, list | tuple):
        return [inner for item in value for inner in (_listed(item) if isinstance(item, list) else [item])]
    text = str(value).strip()
    if text.startswith("[") and text.endswith("]"):
        try:
            return _listed(json.loads(text))
        except ValueError:
            pass
    return [value] if text else []


def _score(cells: Cells) -> float | None:
    for role in SCORE:
        value = cells.get(role)
        if value is None or value == "":
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if math.isfinite(number):
            return number
        if role != "label":
            raise RowProblem(f'the {role} is no number: "{str(value)[:40]}"')
    if any(cells.get(role) == "" for role in ("score", "similarity")):
        raise RowProblem("the score is empty")
    return None


def _prompt(value: Any) -> str:
    if value not in ("query", "passage"):
        raise RowProblem(f'prompt is "{str(value)[:40]}"; it is query or passage')
    return str(value)
