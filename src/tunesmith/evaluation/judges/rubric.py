"""What a judge is asked, and the score in what it says. Pure functions.

One answer is scored at a time, from 1 to 10 (as in Zheng et al. 2023, "Judging LLM-as-a-Judge"): scores of single
answers have no order that could favour the first of two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tunesmith.data.language import language_of

LOWEST, HIGHEST = 1, 10
ENGLISH = """You judge an answer. {criterion}
Give a score from 1 (useless) to 10 (perfect). Reply with "Score:" and the number, and nothing else.

<question>
{question}
</question>
<answer>
{answer}
</answer>"""
CHINESE = """请评判一个回答。{criterion}
请给出1（毫无用处）到10（完美）之间的分数。只回复“分数：”和数字。

<question>
{question}
</question>
<answer>
{answer}
</answer>"""
CRITERION = {
    "en": "Is it right, does it do what the question asks for, and is it well written?",
    "zh": "它是否正确，是否做到了问题所要求的，是否写得通顺？",
}
_N = r"(?<![\d.])(-?\d+(?:\.\d+)?)(?![\d%]|\.\d)"
_ONE = rf"{_N}(?![-–~]\d)"
_TEN = r"10(?!\d|\.\d|[%/])"
_GAP = r"[\s*_`'\"“”]*"
_NAME = r"(?:score|rating|分数|得分|评分|打分)"
_OF_TEN = re.compile(rf"{_N}\s*(?:points?\s*)?(?:/|out\s+of)\s*{_TEN}", re.I)
_SCALE = re.compile(
    rf"(?:(?:from|between|从)\s*)?(?<![\d.])[01]\s*(?:分\s*)?(?:[-–—~～]|to|and|到|至)\s*{_TEN}(?:\s*分)?"
    rf"|(?:out\s+of|scale\s+of|满分(?:为|是)?[\s：:]*)\s*{_TEN}(?:\s*分)?"
    r"|(?<![\d.])10\s*分(?:制|满分|为满分|中|里)",
    re.I,
)
"""From where to where scores go: "1 to 10", "out of 10", "满分10分"."""
_TOLD = re.compile(rf"{_NAME}{_GAP}(?:[(（][^)）\n]{{0,40}}[)）])?{_GAP}[:：=]{_GAP}{_ONE}", re.I)
_SAID = re.compile(rf"{_NAME}{_GAP}(?:is|of|为|是)?{_GAP}{_ONE}", re.I)
_NUMBER = re.compile(_N)
_TAG = re.compile(r"</?(?:question|answer)>", re.I)


def asked(question: str, answer: str, criterion: str = "") -> str:
    """The message to a judge, in the language of the question. The answer cannot close its own brackets."""
    language = "zh" if language_of([question, answer]) == "zh" else "en"
    form = CHINESE if language == "zh" else ENGLISH
    parts = {"question": _TAG.sub("", question), "answer": _TAG.sub("", answer)}
    return form.format(criterion=criterion or CRITERION[language], **parts)


def score_in(reply: str) -> float | None:
    """The score that a reply tells, 1 to 10; None where it tells none.

    The scale is no score, nor is a number in a thought; and where two numbers could be the score none is taken.

    >>> score_in("Score: 7"), score_in("分数：8"), score_in("I give it 9/10."), score_in("Score: 70"), score_in("good")
    (7.0, 8.0, 9.0, None, None)
    >>> score_in("Score (1-10): 8"), score_in("满分10分，我给8分"), score_in("It names 2 cities. I'd say 9.")
    (8.0, 8.0, None)
    """
    reply = reply.rpartition("</think>")[2].lstrip()
    if reply.startswith("<think>"):
        return None  # it was cut before it came to an end
    plain = _SCALE.sub(" ", _OF_TEN.sub(r"\1 ", reply))
    # The surest first: "Score: 8", "8/10", "a score of 8". A number without a name must be the only one.
    ways = (_TOLD.findall(plain), _OF_TEN.findall(reply), _SAID.findall(plain))
    found = next((told for told in ways if told), None)
    values = {float(number) for number in found} if found else [float(number) for number in _NUMBER.findall(plain)]
    if len(values) != 1:
        return None
    (value,) = values
    return value if LOWEST <= value <= HIGHEST else None


def question_of(row: Mapping[str, Any]) -> str:
    """What a row asks, as one text: its messages without the answer that is learned, its control, or its text."""
    messages = list(row.get("messages") or ())
    if messages and messages[-1]["role"] == "assistant":
        messages = messages[:-1]
    if messages:
        return "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)
    if row.get("control"):  # the text is the answer
        control = row["control"]
        return ", ".join(control if isinstance(control, list) else [str(control)])
    return "\n\n".join(str(row[role]) for role in ("text", "question", "context") if row.get(role))
