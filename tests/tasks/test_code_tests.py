"""Tests that only define what is to be called are called; those that nobody can call are found out."""

from __future__ import annotations

import pytest

from tunesmith.tasks.code_tests import nothing_runs, source_of_tests
from tunesmith.tasks.code_text import entry_of

RIGHT = "def helper():\n    return 0\n\ndef add(a, b):\n    return a + b"
WRONG = "def helper():\n    return 0\n\ndef add(a, b):\n    return 0"
TESTS = {
    "statements": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"],
    "pytest": ["def test_add():\n    assert add(1, 2) == 3"],
    "pytest's class": [
        "class TestAdd:\n    def setup_method(self):\n        self.a = 1\n    def test_add(self):\n"
        "        assert add(self.a, 2) == 3"
    ],
    "pytest's hooks": [
        "class TestAdd:\n    @classmethod\n    def setup_class(cls):\n        cls.a = 1\n"
        "    def setup_method(self, method):\n        self.b = {'test_add': 2}[method.__name__]\n"
        "    def teardown_method(self): del self.b\n    def teardown_class(cls): del cls.a\n"
        "    def test_add(self):\n        assert add(self.a, self.b) == 3"
    ],
    "patched": [
        "from unittest.mock import patch\n@patch('math.sqrt')\ndef test_add(p):\n    assert add(1, 2) == 3",
        "class TestAdd:\n    @patch('math.sqrt')\n    def test_add(self, p):\n        assert add(1, 2) == 3",
    ],
    "assigned": ["def check_all(f):\n    assert f(1, 2) == 3\n    return True", "ok = check_all(add)"],
    "asyncio": ["async def test_add():\n    assert add(1, 2) == 3"],
    "unittest": [
        "import unittest\nclass Base(unittest.TestCase):\n    def setUp(self):\n        self.a = 1\n"
        "class Adds(Base):\n    def test_add(self):\n        with self.subTest(a=1):\n"
        "            self.assertEqual(add(self.a, 2), 3)\n    @unittest.skip('later')\n    def test_later(self):\n"
        "        self.fail()\nif __name__ == '__main__': unittest.main()"
    ],
    "HumanEval": ["METADATA = {}\n\ndef check(candidate):\n    assert candidate(1, 2) == 3"],
    "HumanEval, called": ["def check(f):\n    assert f(1, 2) == 3", "check(add)"],
    "check of nothing": ["def check():\n    assert add(1, 2) == 3"],
    "main": ["def test_of(a, b, c):\n    assert add(a, b) == c\nif __name__ == '__main__':\n    test_of(1, 2, 3)"],
    "helpers": ["def test_of(a, b, c):\n    assert add(a, b) == c\ndef test_all():\n    test_of(1, 2, 3)"],
}


@pytest.mark.parametrize("tests", TESTS.values(), ids=TESTS)
def test_a_right_program_passes_and_a_wrong_one_does_not(tests: list[str]) -> None:
    assert not nothing_runs(tests, "", "add")
    exec(RIGHT + "\n" + source_of_tests(tests, "", "add"), {"__name__": "__main__"})
    with pytest.raises(AssertionError):
        exec(WRONG + "\n" + source_of_tests(tests, "", "add"), {"__name__": "__main__"})


@pytest.mark.parametrize(
    ("test", "why"),
    [
        ("import math\nx = 1", "only define names"),
        ("def prove():\n    assert add(1, 2) == 3", "only define names"),
        ("import unittest\nunittest.main()", "only define names"),
        ("def test_add(tmp_path):\n    assert add(1, 2) == 3", r"test_add\(tmp_path\), which wants arguments"),
        ("import pytest\n@pytest.mark.p('a', [1])\ndef test_add(a):\n    assert a", r"test_add\(a\), which wants"),
        ("f = lambda: add(1, 2)", "only define names"),
        ("class TestAdd:\n    def test_add(self, a):\n        assert a", r"TestAdd.test_add\(a\), which wants"),
    ],
)
def test_what_any_program_would_pass_is_told(test: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        raise ValueError(nothing_runs([test], "", "add"))


def test_an_answer_without_the_function_that_is_asked_for_does_not_pass() -> None:
    tests = ["def check(candidate):\n    assert candidate(1, 2) == 3"]
    after = source_of_tests(tests, "", entry_of("Add.", RIGHT))
    for program in ("x = 1", "def main(): ..."):
        with pytest.raises(NameError, match="add"):
            exec(program + "\n" + after, {})
    exec("def add(a, b):\n    return a + b\n\ndef main(): ...\n" + after, {})
    with pytest.raises(NameError, match=r"nothing calls its check\(candidate\)"):
        exec(RIGHT + "\n" + source_of_tests(tests, ""), {})
    assert entry_of("def add(a, b):\n", "    return help(a)\ndef help(a): ...") == "add"
    assert entry_of("Add.", "add = sum") == ""


def test_other_tests_stay_as_they_are() -> None:
    assert source_of_tests(["assert area(1) > 3", "assert area(0) == 0"], "x = 1").splitlines()[0] == "x = 1"
    assert source_of_tests(["assert area(1) > 3"], "") == "assert area(1) > 3"
    assert source_of_tests(["no python!"], "") == "no python!" and not nothing_runs(["no python!"], "", "")
