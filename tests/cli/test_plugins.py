from __future__ import annotations

import json

import pytest

from tunesmith.cli import main
from tunesmith.cli.families import families, summary_of
from tunesmith.core import registry
from tunesmith.core.registry import FAMILIES, Registry


def test_json_maps_each_family_to_its_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert set(listed) == set(FAMILIES)
    assert {"full", "head", "freeze", "lora"} <= set(listed["methods"])
    assert {"fgm", "r_drop"} <= set(listed["strategies"])


def test_every_plugin_has_a_summary_and_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    page = capsys.readouterr().out
    for family, table in families().items():
        assert f"\n{family}\n" in f"\n{page}"
        for name in table:
            summary = summary_of(table, name)
            assert summary and "does not load" not in summary, name
            assert summary in page


def test_one_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "methods", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["methods"]


def test_one_plugin_shows_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "lora"]) == 0
    page = capsys.readouterr().out
    assert "rank = 16  integer" in page
    assert main(["plugins", "lora", "--json"]) == 0
    (lora,) = json.loads(capsys.readouterr().out)["plugins"]
    assert lora["family"] == "methods"
    assert lora["options"]["rank"]["default"] == 16


def test_a_name_in_two_families_is_shown_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "jsonl", "--json"]) == 0
    assert {p["family"] for p in json.loads(capsys.readouterr().out)["plugins"]} == {"trackers", "sources", "formats"}


def test_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "lorra"]) == 2
    assert 'Did you mean "lora"?' in capsys.readouterr().err


def test_a_room_that_is_not_there_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.FAMILIES, "dances", "tunesmith.dances:DANCES")
    assert "dances" not in families()


def test_a_broken_plugin_does_not_hide_the_others() -> None:
    table = Registry("method", {"broken": "no_such_package.method:Mine"})
    assert summary_of(table, "broken").startswith("does not load: No module named")
