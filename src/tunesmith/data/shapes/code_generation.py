"""A problem in words (or the beginning of a program), a program that solves it, and tests that it must pass."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from tunesmith.data.shapes.parsed import parsed, quoted
from tunesmith.data.shapes.shape import Cells, RowProblem, Shape
from tunesmith.data.traits import Traits
from tunesmith.data.words import rank

TEXT = (
    "text", "prompt", "problem", "instruction", "question", "description", "task", "docstring", "input", "题目",
    "问题", "描述", "指令", "要求", "提示",
)  # fmt: skip
TARGET = (
    "code", "canonical_solution", "solution", "completion", "program", "reference", "代码", "程序", "参考代码", "解答",
)  # fmt: skip
WEAK_TARGET = ("target", "answer", "答案")
"""Names that say code only where the cells do."""
TESTS = ("test_list", "tests", "test", "unit_tests", "asserts", "assertions", "测试", "测试用例", "断言")
ENTRY_POINT = ("entry_point", "function_name", "函数名")
TEST_SETUP = ("test_setup", "test_setup_code", "setup", "测试准备")
_CODE = re.compile(r"^\s*(def |class |import |from \w[\w.]* import |return\b|for .+:\s*$|if .+:\s*$|\w+ = )", re.M)
_TEST = re.compile(r"^\s*(assert\b|def (check|test)\w*\()", re.M)
_CHECK = re.compile(r"\bdef check\(\s*\w")
_DEFINED = re.compile(r"^def\s+(\w+)\s*\(", re.M)
_NAME = re.compile(r"^[^\W\d]\w*$")


class CodeShape(Shape):
    """Gives ``text``, ``target``, ``tests`` (list of str), ``entry_point`` and ``test_setup`` (may be empty).

    HumanEval's test defines ``check(candidate)``: its call stands as the last of the tests then.
    """

    task: ClassVar[str] = "code-generation"
    summary: ClassVar[str] = "a problem in words, a Python program that solves it, and tests that it must pass"
    roles: ClassVar[tuple[str, ...]] = ("text", "target", "tests", "entry_point", "test_setup")
    target: ClassVar[str] = "target"
    keeps_text: ClassVar[bool] = True

    def guess(self, found: Mapping[str, Traits], samples: Mapping[str, list[Any]], why: list[str]) -> dict[str, Any]:
        """A problem beside tests, or beside a program."""
        said: list[str] = []
        columns: dict[str, Any] = {}
        for role, known in (("tests", TESTS), ("target", TARGET), ("target", WEAK_TARGET), ("text", TEXT)):
            able = [name for name in found if rank(name, known) is not None and name not in columns.values()]
            holds = {"tests": _TEST, "target": _CODE}.get(role)
            able = [name for name in able if holds is None or _mostly(samples.get(name, []), holds)]
            if able and role not in columns:
                columns[role] = min(able, key=lambda name: rank(name, known) or 0)
                said.append(f'{role}: "{columns[role]}", by its name{" and its code" if holds else ""}')
        if "text" not in columns or not columns.keys() & {"tests", "target"}:
            return {}
        for role, names in (("entry_point", ENTRY_POINT), ("test_setup", TEST_SETUP)):
            for name in found:
                if rank(name, names) is not None and role not in columns:
                    columns[role] = name
                    said.append(f'{role}: "{name}", by its name')
        why += said
        return columns

    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """One row."""
        text = _lines(cells.get("text"))
        if not text.strip():
            raise RowProblem("the problem is empty")
        row: dict[str, Any] = {"text": text, "tests": tests_of(cells.get("tests"))}
        entry = str(cells.get("entry_point") or "").strip()
        if entry and not _NAME.match(entry):
            raise RowProblem(f"the entry point is no name of a function: {quoted(entry)}")
        if entry and any(map(_CHECK.search, row["tests"])) and f"check({entry})" not in row["tests"]:
            row["tests"] = [*row["tests"], f"check({entry})"]
        row["entry_point"] = entry
        row["test_setup"] = _lines(cells.get("test_setup")).strip()
        if target:
            row["target"] = _lines(cells.get("target")).rstrip()
            if not row["target"].strip():
                raise RowProblem("the program is empty")
        yield row


def tests_of(value: Any) -> list[str]:
    """Tests as a list of pieces of Python, however a file spells them: a list, JSON text of one, lines.

    >>> tests_of("assert f(1) == 2\\nassert f(2) == 3")
    ['assert f(1) == 2\\nassert f(2) == 3']

    Raises:
        RowProblem: they are neither.
    """
    value = parsed(value)
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [_lines(value).strip()]
    if not isinstance(value, list) or not all(isinstance(test, str) for test in value):
        raise RowProblem(f"the tests are no list of texts: {quoted(str(value))}")
    return [_lines(test).strip() for test in value if test.strip()]


def defined_in(code: str) -> list[str]:
    """Names of the functions that a program defines outside of others, in order.

    >>> defined_in("import re\\ndef f(x):\\n    def g(): ...")
    ['f']
    """
    return _DEFINED.findall(code)


def _lines(value: Any) -> str:
    """Text with the line ends of this system; the beginning of a program stays as it stands."""
    return "" if value is None else str(value).replace("\r\n", "\n").replace("\r", "\n")


def _mostly(values: list[Any], holds: re.Pattern[str]) -> bool:
    texts = ["\n".join(map(str, value)) if isinstance(value, list) else str(value) for value in map(parsed, values)]
    return bool(texts) and sum(bool(holds.search(text)) for text in texts) >= 0.5 * len(texts)
