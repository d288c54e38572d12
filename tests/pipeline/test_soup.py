"""Several bundles averaged into one: the average, what greedy takes, what does not belong together, and the proof."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tunesmith.bundle.read import read_bundle
from tunesmith.cli import main
from tunesmith.core.errors import BundleError, RecipeError
from tunesmith.pipeline.soup import averaged, greedily, soup

Soup = Callable[..., tuple[int, Any, str]]


def test_the_mean_of_weights() -> None:
    one = {"w": torch.tensor([1.0, 3.0]), "half": torch.tensor([1.0]).bfloat16(), "ids": torch.tensor([1, 2])}
    other = {"w": torch.tensor([3.0, 4.0]), "half": torch.tensor([2.0]).bfloat16(), "ids": torch.tensor([1, 2])}
    found = averaged([one, other])
    assert found["w"].tolist() == [2.0, 3.5] and found["half"].dtype == torch.bfloat16 and found["half"].item() == 1.5
    assert torch.equal(found["ids"], one["ids"]) and found["ids"] is not one["ids"]


def test_greedy_takes_what_does_no_harm() -> None:
    worth = {(0,): 0.8, (0, 1): 0.7, (0, 2): 0.8, (0, 2, 3): 0.9, (0, 2, 3, 4): 0.89}
    asked: list[tuple[int, ...]] = []

    def score(some: Any) -> float:
        asked.append(tuple(some))
        return worth[tuple(some)]

    assert greedily(5, score) == [0, 2, 3]
    assert asked == [(0,), (0, 1), (0, 2), (0, 2, 3), (0, 2, 3, 4)]


@pytest.fixture
def stirred(near_reload: None, tmp_path: Path, capsys: Any) -> Soup:
    def go(*arguments: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = main(["soup", *arguments, f"bundle={tmp_path / 'soup'}", "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return go


def test_a_uniform_soup_is_the_mean_of_all(stirred: Soup, members: dict[str, Path], tmp_path: Path) -> None:
    names = ("one", "short", "lora")
    code, found, err = stirred(*(str(members[name]) for name in names), "--how", "uniform")
    assert code == 0, err
    weights = [load_file(members[name] / "model.safetensors") for name in names]
    mine = load_file(tmp_path / "soup" / "model.safetensors")
    assert set(mine) == set(weights[0])
    for name, value in mine.items():
        torch.testing.assert_close(value, torch.stack([w[name].float() for w in weights]).mean(0), msg=name)
    assert all(member["taken"] for member in found["soup"]["members"]) and "3 of 3 bundles" in found["soup"]["words"]
    assert read_bundle(tmp_path / "soup").predict(["房间很干净"])[0]["label"] in ("消极", "积极")


def test_a_greedy_soup_is_not_worse_on_the_validation_rows(
    stirred: Soup, members: dict[str, Path], tmp_path: Path
) -> None:
    code, found, err = stirred(str(members["short"]), str(members["one"]), "evaluation.baselines=true")
    assert code == 0, err
    best, worst = found["soup"]["members"]
    assert best["path"] == str(members["one"]) and best["taken"] and best["validation"] >= worst["validation"]
    bundle = read_bundle(tmp_path / "soup")
    report = bundle.report
    assert report["names"]["before"] == "the best member" and "tfidf" in report["baselines"]
    assert report["before"]["metrics"]["macro_f1"]["value"] == pytest.approx(
        read_bundle(members["one"]).manifest.metrics["macro_f1"].value
    )
    assert bundle.manifest.lineage.parent is not None and report["context"]["parameters"]["trained"] == 0
    if not worst["taken"]:
        one, mine = (load_file(path / "model.safetensors") for path in (members["one"], tmp_path / "soup"))
        assert all(torch.equal(one[name], value) for name, value in mine.items())


def test_what_does_not_belong_together(members: dict[str, Path], tmp_path: Path) -> None:
    place = f"bundle={tmp_path / 'soup'}"
    with pytest.raises(BundleError, match="differ in their task"):
        soup([members["one"], members["other"]], [place])
    with pytest.raises(RecipeError, match="two bundles or more"):
        soup([members["one"]], [place])
    with pytest.raises(BundleError, match="was not tuned on the train rows"):
        soup([members["one"], members["lora"]], [place, "data.split.seed=99"])
    assert main(["soup", str(members["one"]), str(members["lora"]), "--how", "random"]) == 2
    assert not (tmp_path / "soup").exists()
