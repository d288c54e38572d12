"""A head for more classes: what belonged to the old ones is put back by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tunesmith.core.errors import ModelError
from tunesmith.models.heads.grow import class_names, keep_rows


class Small(nn.Module):
    """A head with a bias and a table of transitions, as a tagger may have."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.backbone = nn.Linear(4, 4)
        self.classifier = nn.Linear(4, len(names))
        self.transitions = nn.Parameter(torch.randn(len(names), len(names)))
        self.config = type("Config", (), {"id2label": dict(enumerate(names))})()


def saved(folder: Path, names: list[str]) -> Small:
    model = Small(names)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / "model.safetensors")
    listed = ", ".join(f'"{i}": "{name}"' for i, name in enumerate(names))
    (folder / "config.json").write_text(f'{{"id2label": {{{listed}}}}}', "utf-8")
    return model


@pytest.mark.parametrize("new", [["甲", "乙", "丙"], ["丙", "乙", "甲"], ["甲", "丙", "乙", "丁"]])
def test_rows_are_kept_by_name(tmp_path: Path, new: list[str]) -> None:
    old = saved(tmp_path, ["甲", "乙"])
    model = Small(new)
    fresh, backbone = model.classifier.weight.detach().clone(), model.backbone.weight.detach().clone()
    assert class_names(tmp_path) == ["甲", "乙"] and keep_rows(model, tmp_path) == len(new) - 2
    for i, name in enumerate(["甲", "乙"]):
        place = new.index(name)
        assert torch.equal(model.classifier.weight[place], old.classifier.weight[i])
        assert model.classifier.bias[place] == old.classifier.bias[i]
        for j, other in enumerate(["甲", "乙"]):
            assert model.transitions[place, new.index(other)] == old.transitions[i, j]
    untouched = new.index("丙")
    assert torch.equal(model.classifier.weight[untouched], fresh[untouched])
    assert torch.equal(model.backbone.weight, backbone), "what has the same shape was loaded before"


def test_no_class_may_go(tmp_path: Path) -> None:
    saved(tmp_path, ["a", "b"])
    made: Any = Small(["a", "c"])
    with pytest.raises(ModelError, match='The output "b"'):
        keep_rows(made, tmp_path)
