"""Programs are found in what models write, and nothing else is."""

from __future__ import annotations

import pytest

from tunesmith.tasks.code_text import extracted, parses, program

CODE = "import math\n\ndef area(r):\n    return math.pi * r * r"


@pytest.mark.parametrize(
    "answer",
    [
        CODE,
        f"```python\n{CODE}\n```",
        f"Here you are:\n\n```python\n{CODE}\n```\n\nIt uses `math.pi`.",
        f"```\n{CODE}\n```",
        f"~~~py\n{CODE}\n~~~",
        f"当然，代码如下：\n```Python\n{CODE}\n```\n说明：用了圆周率。",
        f"```python\n{CODE}",  # cut by the length
        f"Sure! This is it.\n{CODE}\n\nIt returns the area of the circle.",
        f"好的：\n{CODE}\n这个函数返回圆的面积。",
        f"First install it:\n```bash\npip install math\n```\n```python\n{CODE}\n```",
        f"```python\narea(1)\n```\nbut first\n```python\n{CODE}\n```",
    ],
)
def test_the_program_in_an_answer(answer: str) -> None:
    assert extracted(answer) == CODE


def test_what_is_no_program_stays_as_it_is() -> None:
    assert extracted("I do not know.") == "I do not know." and not parses(extracted("I do not know."))
    assert extracted("") == "" and not parses("")
    assert not any(map(parses, ["# nothing but a comment", "def f(:", "return 1", "\0"]))
    assert not parses("(" * 5000) and not parses("x = " + "-" * 100000 + "1")


BEGINNING = 'from typing import List\n\ndef total(xs: List[int]) -> int:\n    """ Sum of xs. """\n'


@pytest.mark.parametrize(
    "answer",
    [
        "    return sum(xs)",
        "    return sum(xs)\n",
        "return sum(xs)",
        "```python\n    return sum(xs)\n```",
        "```python\nfrom typing import List\ndef total(xs: List[int]) -> int:\n    return sum(xs)\n```",
        "def total(xs: List[int]):\n    return sum(xs)",
    ],
)
def test_an_answer_goes_on_with_a_beginning_or_replaces_it(answer: str) -> None:
    names: dict[str, object] = {}
    exec(program(BEGINNING, answer), names)
    assert names["total"]([1, 2]) == 3  # type: ignore[operator]


HELPED = (
    "import math\nfrom functools import cache\n\nHALF = 0.5\n\n\ndef poly(xs: list, x: float):\n    # 求值\n"
    "    return sum(c * math.pow(x, i) for i, c in enumerate(xs))\n\n\n@cache\ndef double(x):\n"
    '    """ Twice poly([0, 1], x).\n    """\n'
)


@pytest.mark.parametrize(
    "answer",
    [
        "```python\ndef double(x):\n    return poly([0, 1], x) / HALF\n```",
        "当然：\n```python\nTWO = 1 / HALF\n\ndef double(x):\n    return poly([0, TWO], x)\n```",
        "```python\ndef poly(xs, x):\n    return xs[1] * x\n\ndef double(x):\n    return poly([0, 2], x)\n```",
        "    return poly([0, 2], x)",
    ],
)
def test_helpers_before_the_function_stay_where_it_is_written_anew(answer: str) -> None:
    names: dict[str, object] = {}
    exec(program(HELPED, answer), names)
    assert names["double"](3) == 6  # type: ignore[operator]


def test_of_a_beginning_that_is_no_python_the_imports_stay() -> None:
    text = "import math\nWrite this, please:\n\ndef area(r):\n"
    assert program(text, "def area(r):\n    return math.pi") == "import math\ndef area(r):\n    return math.pi"


def test_a_problem_in_words_is_no_beginning() -> None:
    assert program("Write area(r).", CODE) == CODE
