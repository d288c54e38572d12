from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from tunesmith.core import registry
from tunesmith.core.errors import RecipeError
from tunesmith.core.registry import FAMILIES, Registry, family, load_object, options_of, plural


class Smoothing:
    """A plug-in.

    Args:
        amount: how much.
    """

    def __init__(self, amount: Annotated[float, Field(ge=0, le=1)] = 0.1, kind: Literal["a", "b"] = "a") -> None:
        self.amount = amount
        self.kind = kind


class Strict:
    def __init__(self, needed: int) -> None:
        self.needed = needed


@pytest.fixture
def methods(monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setitem(sys.modules, "plug_ins_for_tests", sys.modules[__name__])
    return Registry(
        "method",
        {
            "smoothing": "plug_ins_for_tests:Smoothing",
            "strict": "plug_ins_for_tests:Strict",
            "absent": "no_such_module:Thing",
        },
    )


def test_nothing_loads_until_asked_for(methods: Registry) -> None:
    assert sorted(methods) == ["absent", "smoothing", "strict"]
    assert "absent" in methods
    assert len(methods) == 3
    with pytest.raises(ModuleNotFoundError):
        methods.load("absent")


def test_unknown_name_names_the_nearest(methods: Registry) -> None:
    with pytest.raises(RecipeError) as caught:
        methods.load("smothing")
    assert caught.value.problem == 'There is no method "smothing".'
    assert caught.value.hint.startswith('Did you mean "smoothing"?')
    with pytest.raises(KeyError):
        methods["smothing"]


def test_make_gives_defaults_and_options(methods: Registry) -> None:
    assert methods.make("smoothing").amount == 0.1
    assert methods.make("smoothing", {"amount": "0.5", "kind": "b"}).amount == 0.5


@pytest.mark.parametrize("options", [{"amount": 2}, {"kind": "c"}, {"amuont": 0.1}])
def test_options_are_checked_against_the_signature(methods: Registry, options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        methods.make("smoothing", options)


def test_an_option_without_a_default_is_required() -> None:
    with pytest.raises(ValidationError, match="needed"):
        options_of(Strict)()
    schema = options_of(Strict).model_json_schema()
    assert schema["required"] == ["needed"]


def test_options_schema_comes_from_the_signature() -> None:
    schema = options_of(Smoothing).model_json_schema()
    assert schema["properties"]["amount"]["maximum"] == 1
    assert schema["properties"]["kind"]["enum"] == ["a", "b"]
    assert schema["additionalProperties"] is False


def test_outside_packages_join_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outside.py").write_text("class Mine:\n    summary = 'from outside'\n")
    info = tmp_path / "outside-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tunesmith.methods]\nmine = outside:Mine\nfull = outside:Mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    registry._entry_points.cache_clear()
    try:
        methods = Registry("method", {"full": "tunesmith.methods.full:Full"})
        assert methods.load("mine").summary == "from outside"
        assert methods["full"] == "tunesmith.methods.full:Full", "an outside package cannot take one of our names"
    finally:
        registry._entry_points.cache_clear()


def test_the_group_is_named_as_the_family() -> None:
    for name in FAMILIES:
        assert family(name).group == f"tunesmith.{name}"


def test_every_registered_name_loads() -> None:
    for name in FAMILIES:
        for plugin in family(name):
            assert family(name).load(plugin) is not None


def test_unknown_family() -> None:
    with pytest.raises(RecipeError, match='Did you mean "methods"'):
        family("method")


def test_words() -> None:
    assert [plural(kind) for kind in ("task", "strategy")] == ["tasks", "strategies"]
    assert load_object("json:dumps")([1]) == "[1]"
