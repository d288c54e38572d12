from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from rich.console import Group
from rich.text import Text

from tunesmith.cli import VERBS, frame
from tunesmith.cli.frame import Verb, emit, run
from tunesmith.cli.options import Json, Overrides, is_override, split_overrides
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.pipeline.plan import place_for


def good(text: str = "好", json: Json = False) -> None:
    """Say it."""
    print("a library's chatter")
    emit({"said": text, "nan": float("nan")}, json, lambda payload: payload["said"])


def fails(json: Json = False) -> None:
    raise DataError("a.csv, row 3: the label is empty.", "Fill it in.")


def mistaken(json: Json = False) -> None:
    raise RecipeError("Two mistakes.", "See.", ["one", "two"])


def bug(json: Json = False) -> None:
    raise ZeroDivisionError("by zero")


def full(json: Json = False) -> None:
    raise OSError(28, "No space left on device", "out/model.safetensors")


def needs(json: Json = False) -> None:
    import no_such_package  # noqa: F401


def crowded(json: Json = False) -> None:
    class OutOfMemoryError(RuntimeError):
        """As torch's, which is not loaded here."""

    raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def stopped(json: Json = False) -> None:
    raise KeyboardInterrupt


def piped(json: Json = False) -> None:
    raise BrokenPipeError


def seven(json: Json = False) -> int:
    return 7


def asks(bundle: str, json: Json = False) -> None:
    raise AssertionError(bundle)


def ports(port: Annotated[int, typer.Option("--port", min=0, max=65535)] = 0) -> None:
    raise AssertionError(port)


TABLE = {
    name: Verb(f"{__name__}:{name}", f"{name}!", (f"tunesmith {name} a.csv",), "Run it again to go on.")
    for name in (
        "good",
        "fails",
        "mistaken",
        "bug",
        "full",
        "needs",
        "stopped",
        "piped",
        "seven",
        "asks",
        "ports",
        "crowded",
    )
}
TABLE["absent"] = Verb("tunesmith.cli.no_such_verb:absent", "absent")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__, sys.modules[good.__module__]))


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(TABLE, list(arguments))
    return (code, *capsys.readouterr())


def test_a_person_gets_text(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "good")
    assert (code, out.splitlines()[-1]) == (0, "好")


def test_a_line_that_is_not_wrapped_is_not_cut(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    line = f"report  {'long/' * 20}report.html"
    emit({}, False, lambda _: Group("a table", Text(line, no_wrap=True, overflow="ignore")))
    assert capsys.readouterr().out == f"a table\n{line}\n"


def test_the_first_minute_asks_the_bundle_that_tune_writes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert f"tunesmith predict {place_for('reviews.csv').as_posix()} " in frame.USAGE


def test_json_is_alone_on_stdout_and_strict(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "good", "--json")
    assert code == 0
    assert json.loads(out) == {"said": "好", "nan": None}
    assert "好" in out
    assert "chatter" in err


def test_an_error_is_two_lines_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "fails") == (2, "", "error: a.csv, row 3: the label is empty.\nhint: Fill it in.\n")


def test_an_error_with_json_is_an_object_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "mistaken", "--json")
    error = json.loads(out)["error"]
    assert code == 2
    assert error == {"kind": "RecipeError", "problem": "Two mistakes.", "hint": "See.", "mistakes": ["one", "two"]}
    assert err.startswith("error: Two mistakes.\nhint: See.")


def test_a_traceback_only_with_debug(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Traceback" not in call(capsys, "fails")[2]
    assert "Traceback" in call(capsys, "fails", "--debug")[2]
    assert "Traceback" in call(capsys, "--debug", "fails")[2]


@pytest.mark.parametrize(
    ("verb", "code", "said"),
    [
        ("bug", 1, "error: Unexpected ZeroDivisionError: by zero\nhint: This is our mistake."),
        ("full", 2, "error: out/model.safetensors: No space left on device.\nhint: Check the path"),
        ("needs", 2, 'error: no_such_package is not installed.\nhint: Run: pip install "tunesmith[train]"'),
        ("crowded", 2, "error: The memory is full.\nhint: Ask for less at once"),
        ("absent", 2, 'error: The verb "absent" is not part of this installation.'),
    ],
)
def test_other_failures(capsys: pytest.CaptureFixture[str], verb: str, code: int, said: str) -> None:
    got, out, err = call(capsys, verb)
    assert (got, out) == (code, "")
    assert err.startswith(said)


def test_interrupted_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "stopped")
    assert code == 130
    assert "interrupted. Run it again to go on." in err


def test_a_closed_pipe_is_quiet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    assert run(TABLE, ["piped"]) == 141
    assert capsys.readouterr().err == ""


def test_a_verb_may_choose_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "seven")[0] == 7


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["god"], 'There is no verb "god".\nhint: Did you mean "good"?'),
        (["--versoin"], 'There is no option "--versoin".\nhint: Did you mean "--version"?'),
        (["good", "--jsn"], 'No such option: --jsn.\nhint: Did you mean "--json"? See: tunesmith good --help'),
        (["good", "--text"], "requires an argument"),
        (
            ["ports", "--port", "70000"],
            "Invalid value for '--port': Input should be less than or equal to 65535.\nhint: See:",
        ),
        (["ports", "--port", "b"], "Invalid value for '--port': Input should be a valid integer"),
        (["asks"], "Missing argument 'bundle'.\nhint: See: tunesmith asks --help"),
        (["good", "a", "b"], "unexpected extra argument"),
    ],
)
def test_usage_errors(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_a_port_that_cannot_be_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(VERBS, ["serve", "out/reviews", "--port", "70000"]) == 2
    assert "'--port'" in capsys.readouterr().err


def test_what_follows_two_dashes_is_text() -> None:
    assert not frame._flag(["predict", "b", "--", "--json"], "--json")


def test_help_lists_every_verb_and_no_arguments_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(VERBS, ["--help"]) == 0
    listed = capsys.readouterr().out
    assert all(f"  {name} " in listed and verb.summary in listed for name, verb in VERBS.items())
    assert run(VERBS, []) == 2
    assert capsys.readouterr().out == listed


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_help_with_examples_and_json(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run(VERBS, [name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: tunesmith {name} " in shown
    assert "--json" in shown
    assert VERBS[name].examples
    assert all(f"  {example}\n" in shown for example in VERBS[name].examples)


def test_chinese_prints_where_the_locale_is_c() -> None:
    code = r"from tunesmith.cli import main; main(['\u8bc4\u8bba'])"
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", code],
        env={"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PATH": ""},
        capture_output=True,
    )
    assert "评论" in done.stderr.decode("utf-8")


def test_overrides_are_told_from_texts_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a=b").touch()
    given = ["new.csv", "method=lora", "1+1=2", "training.epochs=3", "a=b", "Note: x=y", "data.text=评论"]
    plain, overrides = split_overrides(given)
    assert overrides == ["method=lora", "training.epochs=3", "data.text=评论"]
    assert plain == ["new.csv", "1+1=2", "a=b", "Note: x=y"]
    assert is_override("bundle=")


def test_shared_arguments(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    heard: dict[str, Any] = {}

    def tune(data: str, overrides: Overrides = None, json: Json = False) -> None:
        heard.update(data=data, overrides=overrides, json=json)

    tune.__globals__["tune_for_test"] = tune
    assert run({"tune": Verb(f"{__name__}:tune_for_test", "")}, ["tune", "a.csv", "method=lora", "--json", "b=c"]) == 0
    assert heard == {"data": "a.csv", "overrides": ["method=lora", "b=c"], "json": True}
