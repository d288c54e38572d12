"""A verb's result as strict JSON: no NaN, no numpy, readable Chinese."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any


def to_json(payload: Any) -> str:
    """One JSON value, indented.

    >>> print(to_json({"f1": float("nan"), "label": "好"}))
    {
      "f1": null,
      "label": "好"
    }
    """
    return json.dumps(plain(payload), ensure_ascii=False, indent=2, allow_nan=False)


def plain(value: Any) -> Any:
    """JSON values only: NaN and infinity become None; numpy, paths, dataclasses and pydantic models are unfolded."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    if isinstance(value, Path):
        return str(value)
    for unfold in ("to_json", "model_dump", "tolist"):
        if hasattr(value, unfold):
            return plain(getattr(value, unfold)())
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    raise TypeError(f"{type(value).__name__} is not JSON: {value!r:.80}")
