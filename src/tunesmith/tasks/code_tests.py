"""What is run after a program: its tests, and calls of what they only define. Pure; nothing is run here."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence

Function = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_STILL = (*_FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Pass)
"""Statements that test nothing by themselves."""
_MAINS = ("unittest.main", "pytest.main")
CASES = """
import unittest as _unittest

class _First(_unittest.TestResult):
    error = None
    def addError(self, test, error):
        self.error = self.error or error[1]
    addFailure = addError
    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.addError(test, error)

_told = _First()
_unittest.TestSuite(map(_unittest.defaultTestLoader.loadTestsFromTestCase, [{names}])).run(_told)
if _told.error is not None:
    raise _told.error
assert _told.testsRun, "no test was run"
"""
"""Runs unittest's classes; the first failure is raised as it was."""


def source_of_tests(tests: Sequence[str], setup: str, entry: str = "") -> str:
    """What is run after a program: what the tests need, each of them, and calls of those that nobody calls.

    These are functions ``test*`` and methods ``test*`` of classes, as pytest and unittest run them, and
    ``check(candidate)``, as HumanEval's tests have it, with the function ``entry``. Where nothing would be tested it
    raises: such a program has not passed.

    Args:
        entry: the function that is asked for, by the row and not by the answer; "" where nobody knows.

    >>> source_of_tests(["def test_add():\\n    assert add(1, 2) == 3"], "").splitlines()[-1]
    'test_add()'
    """
    source = _joined(tests, setup)
    tree = _parsed(source)
    if tree is None:
        return source
    if why := nothing_runs(tests, setup, entry):
        return f"{source}\nraise NameError({why!r})"
    calls, _ = _calls(tree, entry)
    return "\n".join([_without_main(source, tree), *calls]) if calls else source


def nothing_runs(tests: Sequence[str], setup: str, entry: str) -> str:
    """Why tests would pass any program, in words; empty where they test something.

    Args:
        entry: the function that ``check(candidate)`` would be called with.
    """
    tree = _parsed(_joined(tests, setup))
    if tree is None:
        return ""  # the error is told of each program
    calls, missing = _calls(tree, entry)
    if missing:
        return missing
    return "" if calls or any(map(_acts, tree.body)) else "its tests only define names, so that any program would pass"


def _joined(tests: Sequence[str], setup: str) -> str:
    return "\n".join([setup, *tests]) if setup else "\n".join(tests)


def _parsed(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _calls(tree: ast.Module, entry: str) -> tuple[list[str], str]:
    """Lines that call what is only defined; and what cannot be called, in words."""
    called = {name for one in tree.body if _acts(one) for name in _names(one)}
    calls, cases = [], []
    for one in tree.body:
        if isinstance(one, ast.ClassDef):
            if _is_case(one, tree):
                cases.append(one.name)
            elif one.name.startswith("Test") and one.name not in called:
                made, missing = _of_class(one)
                if missing:
                    return [], missing
                calls += made
        elif isinstance(one, _FUNCTIONS) and one.name not in called:
            wanted = _wanted(one)
            if one.name != "check" and not one.name.startswith("test"):
                continue
            arguments = [entry] if one.name == "check" and wanted and entry else []
            if len(wanted) != len(arguments):
                if any(one.name in set(_names(other)) for other in tree.body if other is not one):
                    continue  # another test calls it
                if not _is_decorated(one) or (one.name == "check" and not entry):
                    return [], f"nothing calls its {one.name}({', '.join(wanted)}), which wants arguments"
            calls.append(_call(one, f"{one.name}({', '.join(arguments)})"))
    if cases:
        calls += CASES.format(names=", ".join(cases)).splitlines()
    return calls, ""


def _of_class(made: ast.ClassDef) -> tuple[list[str], str]:
    """Calls of the methods ``test*`` of a class as pytest has it, each of an object of its own, amid what sets up."""
    methods = {one.name: one for one in made.body if isinstance(one, _FUNCTIONS)}
    calls = []
    for name, method in methods.items():
        if not name.startswith("test"):
            continue
        wanted = _wanted(method)[0 if _is(method, "staticmethod") else 1 :]
        if wanted and not (_is_decorated(method) or _is_decorated(made)):
            return [], f"nothing calls its {made.name}.{name}({', '.join(wanted)}), which wants arguments"
        before, after = (
            [_hook(methods[one], f"_made.{one}", f"_made.{name}", 1) for one in hooks if one in methods]
            for hooks in (("setup_method", "setup"), ("teardown_method", "teardown"))
        )
        calls += [f"_made = {made.name}()", *before, _call(method, f"_made.{name}()"), *after]
    first, last = (
        [_hook(methods[one], f"{made.name}.{one}", made.name, 0)] if one in methods else []
        for one in ("setup_class", "teardown_class")
    )
    return ([*first, *calls, *last] if calls else []), ""


def _hook(function: Function, name: str, given: str, bound: int) -> str:
    """A call of what sets up or tears down, with what pytest gives it where it wants that: the method, or the class.

    Args:
        bound: arguments that the object gives a plain method; a class gives it none.
    """
    bound = 0 if _is(function, "staticmethod") else 1 if _is(function, "classmethod") else bound
    return f"{name}({given if _wanted(function)[bound:] else ''})"


def _call(function: Function, call: str) -> str:
    return f"__import__('asyncio').run({call})" if isinstance(function, ast.AsyncFunctionDef) else call


def _wanted(function: Function) -> list[str]:
    """Names of the arguments that must be given."""
    given = [*function.args.posonlyargs, *function.args.args]
    needed = given[: len(given) - len(function.args.defaults)]
    only = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    return [one.arg for one in (*needed, *(one for one, default in only if default is None))]


def _is(function: Function, kind: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == kind for one in function.decorator_list)


def _is_decorated(made: Function | ast.ClassDef) -> bool:
    """Whether a decorator may give what is wanted, as ``mock.patch`` does; pytest's only tell pytest to."""
    names = [ast.unparse(one) for one in made.decorator_list]
    return any(one not in ("staticmethod", "classmethod") and not one.startswith("pytest.") for one in names)


def _is_case(made: ast.ClassDef, tree: ast.Module) -> bool:
    """Whether it is one of unittest's, itself or by another class of the tests."""
    others = {one.name: one for one in tree.body if isinstance(one, ast.ClassDef) and one is not made}
    for base in map(ast.unparse, made.bases):
        if base.endswith("TestCase") or (base in others and _is_case(others[base], _before(tree, made))):
            return True
    return False


def _before(tree: ast.Module, made: ast.ClassDef) -> ast.Module:
    """What stands before a class: its bases do, and looking there only comes to an end."""
    return ast.Module(tree.body[: tree.body.index(made)], [])


def _acts(statement: ast.stmt) -> bool:
    """Whether a statement may test something: no definition, no import, no constant, no ``unittest.main()``.

    What is set to a call's result does: ``ok = check_all(add)``.
    """
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return False
    if isinstance(statement, ast.If) and "__name__" in _names(statement.test):
        return any(map(_acts, statement.body))
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        value = statement.value
        if value is None or isinstance(value, ast.Lambda):
            return False
        return any(isinstance(one, ast.Call) for one in ast.walk(value))
    return not isinstance(statement, _STILL) and not _is_main(statement)


def _is_main(statement: ast.stmt) -> bool:
    """``unittest.main()``, alone or in ``sys.exit()``: it would end the program."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(call, ast.Call) and call.args and ast.unparse(call.func) in ("sys.exit", "exit"):
        call = call.args[0]
    return isinstance(call, ast.Call) and ast.unparse(call.func) in _MAINS


def _names(node: ast.AST) -> Iterator[str]:
    return (one.id for one in ast.walk(node) if isinstance(one, ast.Name))


def _without_main(source: str, tree: ast.Module) -> str:
    """The tests with ``pass`` for ``unittest.main()``: their classes are run without it, and it would end them all."""
    lines = source.split("\n")
    for one in ast.walk(tree):
        if isinstance(one, ast.Expr) and _is_main(one):
            first, last = one.lineno - 1, (one.end_lineno or one.lineno) - 1
            head = lines[first].encode()[: one.col_offset].decode()
            tail = lines[last].encode()[one.end_col_offset :].decode()
            lines[first : last + 1] = [f"{head}pass{tail}", *[""] * (last - first)]
    return "\n".join(lines)
