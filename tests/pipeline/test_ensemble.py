"""Several bundles that answer together: the mean, what is selected, what does not belong together, and the proof."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith.bundle.read import read_bundle
from tunesmith.cli import main
from tunesmith.core.errors import BundleError, RecipeError
from tunesmith.models.together import Together
from tunesmith.pipeline.ensemble import ensemble, selected

Joined = Callable[..., tuple[int, Any, str]]


class Says(torch.nn.Module):
    config = None

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = torch.tensor([logits])

    def forward(self, **inputs: Any) -> dict[str, Any]:
        return {"logits": self.logits, "hidden_states": None}


def test_the_weighted_mean_of_outputs() -> None:
    found = Together([Says(1.0, 3.0), Says(4.0, 0.0)], [2, 1])(input_ids=None)
    assert found["logits"].tolist() == [[2.0, 2.0]] and set(found) == {"logits"}


def test_members_are_taken_as_often_as_they_help() -> None:
    """Numbers whose mean should be 5: 1 and 7 are best as 1, 7, 7."""
    numbers = [1.0, 7.0, 100.0]
    assert selected(3, lambda some: -abs(sum(numbers[i] for i in some) / len(some) - 5)) == [1, 2, 0]
    assert selected(2, lambda some: float(set(some) == {0})) == [1, 0], "what does not help gets nothing"
    assert selected(2, lambda some: 0.0, rounds=3) == [1, 0], "of equal ones the fewest"


@pytest.fixture
def joined(near_reload: None, tmp_path: Path, capsys: Any) -> Joined:
    def go(*arguments: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = main(["ensemble", *arguments, f"bundle={tmp_path / 'all'}", "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return go


TEXTS = ["房间很干净", "服务太差了，再也不来", "一般"]


def logits(path: Path) -> torch.Tensor:
    predictor = read_bundle(path).predictor()
    return torch.tensor([array.tolist() for array in predictor.outputs([{"text": text} for text in TEXTS])[1]])


def test_an_ensemble_answers_by_the_mean_of_its_members(
    joined: Joined, members: dict[str, Path], tmp_path: Path
) -> None:
    code, found, err = joined(
        str(members["one"]), str(members["lora"]), "--weights", "1,3", "evaluation.baselines=true"
    )
    assert code == 0, err
    assert [member["weight"] for member in found["ensemble"]["members"]] == [0.25, 0.75]
    wanted = 0.25 * logits(members["one"]) + 0.75 * logits(members["lora"])
    torch.testing.assert_close(logits(tmp_path / "all"), wanted, atol=1e-4, rtol=1e-4)
    bundle = read_bundle(tmp_path / "all")
    assert not (bundle.path / "config.json").exists(), "transformers alone must not load one member for all"
    assert (bundle.path / "members" / "1" / "model.safetensors").is_file()
    assert bundle.report["names"]["before"] == "the best member" and "2 of 2 bundles" in found["ensemble"]["words"]
    with pytest.raises(Exception, match="is not a model|config.json|no model"):
        from transformers import AutoModel

        AutoModel.from_pretrained(bundle.path, local_files_only=True)


def test_weights_are_chosen_on_the_validation_rows(joined: Joined, members: dict[str, Path]) -> None:
    code, found, err = joined(str(members["short"]), str(members["one"]))
    assert code == 0, err
    short, one = found["ensemble"]["members"]
    assert one["validation"] > short["validation"] and one["weight"] > short["weight"]
    assert found["ensemble"]["chosen"]


def test_what_makes_no_ensemble(members: dict[str, Path], tmp_path: Path, capsys: Any) -> None:
    place = f"bundle={tmp_path / 'all'}"
    with pytest.raises(BundleError, match="differ in their task"):
        ensemble([members["one"], members["other"]], [place])
    with pytest.raises(RecipeError, match="two bundles or more"):
        ensemble([members["one"]], [place])
    with pytest.raises(RecipeError, match="2 bundles have 3 weights"):
        ensemble([members["one"], members["lora"]], [place], weights=[1, 2, 3])
    assert main(["ensemble", str(members["one"]), str(members["lora"]), "--weights", "a,b"]) == 2
    assert "Give numbers" in capsys.readouterr().err and not (tmp_path / "all").exists()
