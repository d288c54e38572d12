"""Versions are told, secrets are not."""

from __future__ import annotations

import platform

import pytest

from tunesmith.bundle.environment import environment


def test_versions_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_verysecret")
    text = environment()
    assert f"# python {platform.python_version()}" in text
    assert any(line.startswith("torch==") for line in text.splitlines())
    assert "verysecret" not in text
    assert "@" not in text
