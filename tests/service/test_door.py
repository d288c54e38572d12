from __future__ import annotations

import subprocess
import sys

import pytest

from tunesmith.core.errors import TunesmithError


@pytest.mark.parametrize(
    ("verb", "package"),
    [(["serve", "x"], "fastapi"), (["keys", "list"], "sqlalchemy"), (["usage"], "alembic")],
)
def test_what_is_not_installed_is_said_in_two_lines(verb: list[str], package: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None\nfrom tunesmith.cli import main; sys.exit(main({verb!r}))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 2 and package in ended.stderr, ended.stderr
    assert 'pip install "tunesmith[serve]"' in ended.stderr and "Traceback" not in ended.stderr


def test_a_graph_is_served_without_torch() -> None:
    code = """
import sys
import tunesmith.cli.serve, tunesmith.service.run, tunesmith.service.app, tunesmith.service.opening
heavy = {"torch", "transformers", "sklearn", "scipy", "pandas", "peft", "datasets"} & set(sys.modules)
assert not heavy, heavy
assert not {name for name in sys.modules if name.startswith(("tunesmith.pipeline", "tunesmith.training"))}
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_a_port_that_cannot_be_is_a_clear_error() -> None:
    from tunesmith.service.run import bound

    with pytest.raises(TunesmithError, match="cannot listen on 127.0.0.1:70000"):
        bound("127.0.0.1", 70_000)
