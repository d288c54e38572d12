"""How alike two answers are: exact match and F1, by word for English, by character for Chinese.

English is compared as SQuAD does it (Rajpurkar et al. 2016): lower case, no punctuation, no articles. A text with
Chinese characters in it is cut as CMRC 2018 does it (Cui et al. 2019): each Chinese character is a token, other runs of
letters are one. CMRC's own F1 counts the longest run of tokens that both have (``run_f1``), SQuAD's all that both have.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_ASCII_MARKS = str.maketrans("", "", string.punctuation)


def answer_tokens(text: str) -> list[str]:
    """The tokens that are compared.

    >>> answer_tokens("The U.S. Army!"), answer_tokens("在2015年，TCP协议")
    (['us', 'army'], ['在', '2015', '年', 'tcp', '协', '议'])
    """
    text = text.lower()
    if not _CHINESE.search(text):
        return _ARTICLES.sub(" ", text.translate(_ASCII_MARKS)).split()
    plain = "".join(" " if unicodedata.category(char)[0] in "PSZC" else char for char in text)
    return _CHINESE.sub(r" \g<0> ", plain).split()


def exact(answer: str, reference: str) -> float:
    """1.0 where both have the same tokens, in the same order."""
    return float(answer_tokens(answer) == answer_tokens(reference))


def overlap_f1(answer: str, reference: str) -> float:
    """F1 of the tokens that both have. Two empty answers agree; an empty one agrees with no other.

    >>> round(overlap_f1("the big dog", "a dog"), 3), round(overlap_f1("天津市区", "津市"), 3)
    (0.667, 0.667)
    """
    one, other = answer_tokens(answer), answer_tokens(reference)
    if not one or not other:
        return float(one == other)
    return 2 * (Counter(one) & Counter(other)).total() / (len(one) + len(other))


def run_f1(answer: str, reference: str) -> float:
    """As ``overlap_f1``, of the longest run of tokens that both have: CMRC 2018's own figure."""
    one, other = answer_tokens(answer), answer_tokens(reference)
    if not one or not other:
        return float(one == other)
    return 2 * _longest_run(one, other) / (len(one) + len(other))


def best(score: Callable[[str, str], float], answer: str, references: Sequence[str]) -> float:
    """The score with the reference that fits best; without references, no answer is the right one."""
    return max(score(answer, text) for text in dict.fromkeys(references or [""]))


def _longest_run(one: list[str], other: list[str]) -> int:
    """Length of the longest run of tokens that stands in both."""
    longest, before = 0, [0] * (len(other) + 1)
    for token in one:
        now = [0] * (len(other) + 1)
        for i, candidate in enumerate(other, 1):
            if token == candidate:
                now[i] = before[i - 1] + 1
        longest, before = max(longest, max(now)), now
    return longest
