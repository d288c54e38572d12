"""A request's schema with a row that can be sent: for the contract, the page and whoever copies from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict


def showing(model: type[BaseModel], row: Mapping[str, Any]) -> type[BaseModel]:
    """The same request, under the same name, with an example.

    >>> class Asked(BaseModel):
    ...     text: str
    >>> showing(Asked, {"text": "great!"}).model_json_schema()["examples"]
    [{'text': 'great!'}]
    """
    config = ConfigDict(json_schema_extra={"examples": [dict(row)]})
    return type(model.__name__, (model,), {"__doc__": model.__doc__, "__module__": __name__, "model_config": config})
