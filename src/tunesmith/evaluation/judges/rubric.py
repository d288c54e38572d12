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
_NAMED = re.compile(r"(?:score|rating|分数|得分|评分)\W{0,8}?(\d+(?:\.\d+)?)", re.I)
_NUMBER = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)(?![\d%])")
_TAG = re.compile(r"</?(?:question|answer)>", re.I)


def asked(question: str, answer: str, criterion: str = "") -> str:
    """The message to a judge, in the language of the question. The answer cannot close its own brackets."""
    language = "zh" if language_of([question, answer]) == "zh" else "en"
    form = CHINESE if language == "zh" else ENGLISH
    parts = {"question": _TAG.sub("", question), "answer": _TAG.sub("", answer)}
    return form.format(criterion=criterion or CRITERION[language], **parts)


def score_in(reply: str) -> float | None:
    """The score that a reply tells, 1 to 10; None where it tells none.

    >>> score_in("Score: 7"), score_in("分数：8"), score_in("I give it 9/10."), score_in("Score: 70"), score_in("good")
    (7.0, 8.0, 9.0, None, None)
    """
    named = _NAMED.search(reply) or _NUMBER.search(reply)
    value = float(named[1]) if named else 0.0
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
