"""What a model is asked for a program: words by the problem's own language. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.data.language import language_of
from tunesmith.data.shapes.code_generation import defined_in
from tunesmith.tasks.code_text import FENCE

TESTS = {"en": "Your code should pass these tests:", "zh": "你的代码应当通过这些测试："}
COMPLETE = {"en": "Complete this Python function:", "zh": "请补全这个Python函数："}
NAMED = {"en": "The function's name is {name}.", "zh": "函数名为{name}。"}


def question(row: Mapping[str, Any], show_tests: int) -> str:
    """The problem, then tests that show what is to be called.

    A beginning of a program is given to be completed, without tests: it says its name itself.

    Args:
        row: as ``CodeShape`` gives it.
        show_tests: so many of the tests at most; those that only define how to test are not shown.
    """
    text = row["text"].strip("\n")
    if defined_in(text):
        language = language_of([text])
        return f"{COMPLETE.get(language, COMPLETE['en'])}\n\n{fenced(text)}"
    language = "zh" if language_of([text]) == "zh" else "en"
    shown = [test for test in row["tests"] if test.startswith("assert")][:show_tests]
    if shown:
        return f"{text}\n\n{TESTS[language]}\n\n{fenced(chr(10).join(shown))}"
    if row["entry_point"]:
        return f"{text}\n\n{NAMED[language].format(name=row['entry_point'])}"
    return str(text)


def answer(row: Mapping[str, Any]) -> str:
    """The program as it is to be written."""
    return fenced(row["target"])


def fenced(code: str) -> str:
    """Code as chat models write it."""
    return f"{FENCE}python\n{code}\n{FENCE}"
