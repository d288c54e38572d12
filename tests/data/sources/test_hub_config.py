from __future__ import annotations

from typing import Any

import pytest

from tunesmith.data.locate import locate
from tunesmith.data.read import _source


@pytest.mark.parametrize(
    ("path", "config", "split"),
    [
        ("org/corpus", None, None),
        ("org/corpus#test", None, "test"),
        ("org/corpus#20231101.zh:train", "20231101.zh", "train"),
        ("org/corpus#20231101.zh:", "20231101.zh", None),
    ],
)
def test_a_configuration_of_the_hub_is_named_before_its_split(path: str, config: str | None, split: str | None) -> None:
    source: Any = _source(locate(path), None, None)
    assert (source.config, source.split) == (config, split)
