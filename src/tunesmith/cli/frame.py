"""What all verbs share: finding the verb, one JSON object on stdout, and errors in two lines.

A verb is a typer function in a file of its own, named as the verb. It calls ``emit`` once with its result,
raises the ``TunesmithError`` family, and returns None or an exit code. What it says on the way goes to stderr.
"""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TextIO

from tunesmith.core.errors import ExtraMissing, RecipeError, TunesmithError, did_you_mean
from tunesmith.core.memory import FULL, is_full

USAGE = """\
Usage: tunesmith [--version] [--debug] VERB [ARGUMENTS] [--json]

From a pretrained model and your data to a proven bundle.

Verbs:
{verbs}

Every verb has --help with examples, and --json for one object on stdout.
Options of a recipe are key=value arguments, for example: training.epochs=3 method=lora
  --debug    a traceback with every error
  --version  the version

First minute:
  tunesmith check reviews.csv
  tunesmith tune reviews.csv
  tunesmith predict out/reviews "great!"
"""

_stdout: ContextVar[TextIO | None] = ContextVar("_stdout", default=None)


@dataclass(frozen=True)
class Verb:
    """A line of the table of verbs.

    Args:
        target: ``"module:function"``, imported when the verb is run.
        summary: one line for ``tunesmith --help``.
        examples: shown at the foot of ``tunesmith VERB --help``.
        interrupted: what to say after Ctrl-C.
    """

    target: str
    summary: str
    examples: tuple[str, ...] = ()
    interrupted: str = "Nothing is left to clean up."

    def load(self) -> Callable[..., Any]:
        """The function; raises ``TunesmithError`` where this installation does not have it."""
        module, _, name = self.target.partition(":")
        try:
            function: Callable[..., Any] = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            raise TunesmithError(
                f'The verb "{name}" is not part of this installation.', "Run: pip install --upgrade tunesmith"
            ) from error
        return function


def run(verbs: Mapping[str, Verb], arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    _force_utf8()
    debug, as_json = _flag(arguments, "--debug"), _flag(arguments, "--json")
    if debug:
        arguments.remove("--debug")
    out = sys.stdout
    token = _stdout.set(out)
    interrupted = ""
    try:
        if not arguments or arguments[0] in ("--help", "-h", "help"):
            out.write(_overview(verbs))
            return 0 if arguments else 2
        if arguments[0] == "--version":
            out.write(_version() + "\n")
            return 0
        verb = _find(verbs, arguments[0])
        interrupted = verb.interrupted
        # A library that prints must not break the one JSON object on stdout.
        with redirect_stdout(sys.stderr if as_json else out):
            return _call(arguments[0], verb, arguments[1:])
    except KeyboardInterrupt:
        print(f"\ninterrupted. {interrupted}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read us has left; a second complaint at exit would be noise.
        sys.stdout = io.StringIO()
        return 141
    except Exception as error:
        return _fail(error, debug=debug, as_json=as_json)
    finally:
        _stdout.reset(token)


def emit(payload: Any, as_json: bool, render: Callable[[Any], Any] = str) -> None:
    """Print a verb's result on stdout, as one JSON object or for a person.

    Args:
        payload: what ``--json`` prints: JSON values, dataclasses, numpy values, paths; NaN becomes null.
        as_json: whether ``--json`` was given.
        render: payload -> text or a rich renderable.
    """
    out = _stdout.get() or sys.stdout
    if as_json:
        from tunesmith.cli.output import to_json

        out.write(to_json(payload) + "\n")
    else:
        shown = render(payload)
        if isinstance(shown, str):
            out.write(shown.rstrip("\n") + "\n")
        else:
            from rich.console import Console

            Console(file=out, highlight=False).print(shown, crop=False)
    out.flush()


def _call(name: str, verb: Verb, arguments: list[str]) -> int:
    import typer
    from typer.main import get_command

    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    examples = "\n".join(f"  {example}" for example in verb.examples)
    app.command(name, epilog=f"\b\nExamples:\n{examples}", context_settings={"help_option_names": ["-h", "--help"]})(
        verb.load()
    )
    try:
        code = get_command(app).main(arguments, prog_name=f"tunesmith {name}", standalone_mode=False)
    except typer.TyperException as error:
        near = "".join(f'Did you mean "{option}"? ' for option in getattr(error, "possibilities", None) or ())
        # Of a wrong value the former does not say of which option, and is empty where an argument is missing.
        said = error.format_message() if isinstance(error, typer.BadParameter) else error.message
        raise RecipeError(f"{said.rstrip('.')}.", f"{near}See: tunesmith {name} --help") from error
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    if code == 130:
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def _find(verbs: Mapping[str, Verb], name: str) -> Verb:
    if name not in verbs:
        what = "option" if name.startswith("-") else "verb"
        known = ("--help", "--version", "--debug") if what == "option" else verbs
        raise RecipeError(f'There is no {what} "{name}".', did_you_mean(name, known))
    return verbs[name]


def _fail(error: Exception, *, debug: bool, as_json: bool) -> int:
    """Two lines on stderr, with ``--json`` an object on stdout, too."""
    code, told = _told(error)
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    print(f"error: {told.problem}", file=sys.stderr)
    if told.hint:
        print(f"hint: {told.hint}", file=sys.stderr)
    if as_json:
        detail = {"kind": type(told).__name__, "problem": told.problem, "hint": told.hint}
        mistakes = {"mistakes": told.mistakes} if isinstance(told, RecipeError) and told.mistakes else {}
        emit({"error": {**detail, **mistakes}}, as_json=True)
    return code


def _told(error: Exception) -> tuple[int, TunesmithError]:
    """Any exception as an exit code, a problem and a hint: 2 is the user's to mend, 1 is ours."""
    if isinstance(error, TunesmithError):
        return 2, error
    if isinstance(error, ModuleNotFoundError) and error.name in sys.stdlib_module_names:
        return 2, TunesmithError(f"This system's Python has no {error.name}.", "Take Linux or macOS; on Windows: WSL.")
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("tunesmith"):
        return 2, ExtraMissing(f"{error.name} is not installed.", 'Run: pip install "tunesmith[train]"')
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return 2, TunesmithError(f"{where}{error.strerror or error}.", "Check the path, its rights and the free space.")
    if is_full(error):
        return 2, TunesmithError(FULL, "Ask for less at once: shorter texts, predict --batch-size, a smaller model.")
    first = " ".join(str(error).split()) or "no message"
    return 1, TunesmithError(
        f"Unexpected {type(error).__name__}: {first}", "This is our mistake. Run again with --debug and report it."
    )


def _overview(verbs: Mapping[str, Verb]) -> str:
    width = max(map(len, verbs))
    return USAGE.format(verbs="\n".join(f"  {name:<{width}}  {verb.summary}" for name, verb in verbs.items()))


def _version() -> str:
    from tunesmith import __version__

    return f"tunesmith {__version__}"


def _flag(arguments: Sequence[str], flag: str) -> bool:
    """Whether ``flag`` stands before a ``--``, after which everything is text."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return flag in arguments[:end]


def _force_utf8() -> None:
    """Chinese must print on a machine whose locale is C, and a broken character must not end a run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
