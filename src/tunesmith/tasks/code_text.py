"""Programs in answers: taken out of the words around them, put after the beginning that was given, checked. Pure."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence

from tunesmith.data.shapes.code_generation import defined_in

_FENCE = re.compile(r"^[ \t]*(```|~~~)[ \t]*([\w+.-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.M | re.S)
_PYTHON = ("", "python", "py", "python3")
_BEGINS = re.compile(r"^(?:def |class |import |from \w[\w.]* import |@\w|async def |[A-Za-z_]\w* *=[^=])")
FENCE = "```"


def extracted(answer: str) -> str:
    """The program in an answer: its fenced blocks of Python, else its lines from the first that is code.

    Of several blocks the first is taken, and those after it that go on with it. Words after an unfenced program are
    left out. Where nothing looks like code it is the answer as it is.

    >>> extracted("Sure:\\n```python\\ndef f():\\n    return 1\\n```\\nIt returns 1.")
    'def f():\\n    return 1'
    >>> extracted("def f():\\n    return 1\\n\\nThis returns one.")
    'def f():\\n    return 1'
    """
    blocks = [match[3].strip("\n").rstrip() for match in _FENCE.finditer(answer) if match[2].lower() in _PYTHON]
    blocks = [block for block in blocks if block]
    if blocks:
        return next((block for block in blocks if defined_in(block) and parses(block)), blocks[0])
    if parses(answer):
        return answer.strip("\n").rstrip()
    lines = answer.split("\n")
    first = next((i for i, line in enumerate(lines) if _BEGINS.match(line)), None)
    if first is None:
        return answer.strip("\n").rstrip()
    return _longest(lines[first:])


def program(text: str, answer: str) -> str:
    """The whole program of a problem and an answer.

    Where the problem is the beginning of a program (HumanEval's: a signature and its docstring) and the answer does
    not define that function anew, the answer goes on with it; else it takes that function's place.
    """
    code = extracted(answer)
    begun = defined_in(text)
    if not begun or begun[-1] in defined_in(code):
        return f"{_before(text, begun[-1])}{code}" if begun else code
    beginning = text.rstrip() + "\n"
    return beginning + (code if code[:1] in (" ", "\t") else _indented(code))


def entry_of(text: str, reference: str) -> str:
    """The name of the function that a problem asks for: the last that it begins, else the last of a right program.

    >>> entry_of("Add two numbers.", "def add(a, b):\\n    return a + b")
    'add'
    """
    names = defined_in(text) or defined_in(program(text, reference))
    return names[-1] if names else ""


def parses(code: str) -> bool:
    """Whether it is Python, by its syntax, and not empty. Nothing of it is run."""
    if not code.strip():
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
            compile(tree, "answer", "exec", dont_inherit=True)
            return bool(tree.body)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return False


def _longest(lines: Sequence[str]) -> str:
    """The most lines from the first on that are Python; all of them where none are."""
    for last in range(len(lines), 0, -1):
        code = "\n".join(lines[:last]).rstrip()
        if parses(code):
            return code
    return "\n".join(lines).rstrip()


def _before(text: str, name: str) -> str:
    """What stands before the function that is asked for: one that is written anew may use it, helpers, too.

    Of a beginning that is not Python there, what it imports.
    """
    start = [match.start() for match in re.finditer(rf"^def\s+{re.escape(name)}\s*\(", text, re.M)][-1]
    lines = text[:start].split("\n")[:-1]
    while lines and lines[-1].startswith("@"):  # it is the old function's, not that of whatever the answer begins with
        lines.pop()
    before = "".join(f"{line}\n" for line in lines)
    if not before.strip() or parses(before):
        return before
    lines = [line for line in text.split("\n") if re.match(r"(import |from \w[\w.]* import )", line)]
    return "".join(f"{line}\n" for line in lines)


def _indented(code: str) -> str:
    return "\n".join(f"    {line}" if line.strip() else line for line in code.split("\n"))
