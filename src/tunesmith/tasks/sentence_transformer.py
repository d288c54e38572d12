"""What ``SentenceTransformer(folder)`` reads beside a transformers model: pooling, normalising, prompts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunesmith.models.folder import read_json

_E5 = re.compile(r"(^|[/\-_])e5-(small|base|large)", re.I)


def prompts_of(name: str, folder: Path, prefix: str = "") -> dict[str, str]:
    """What the model was trained to see before a query and before a passage.

    From the folder's own settings; the E5 family (Wang et al. 2022) on the hub has none, and is known by its name.

    Args:
        name: hub id or name of the model.
        folder: where it is.
        prefix: what is known to stand before a text, where the folder does not say.
    """
    settings = read_json(folder / "config_sentence_transformers.json")
    said = settings.get("prompts") or {}
    default = str(said.get(settings.get("default_prompt_name")) or prefix)
    passage = next((said[key] for key in ("passage", "document", "corpus") if said.get(key)), "")
    if not said and (_E5.search(name) and "instruct" not in name.lower()):
        default, passage = "query: ", "passage: "
    return {"query": str(said.get("query") or default), "passage": str(passage)}


def write(folder: Path, *, pooling: str, prompts: Mapping[str, str], width: int, max_length: int) -> None:
    """The files, in the layout that every version of sentence-transformers since 2 reads.

    Args:
        pooling: "mean" or "cls".
        prompts: "query" and "passage"; a text without a word on it is a query.
        width: of a vector.
        max_length: tokens, special ones included; longer texts are cut there, and not read in windows.
    """
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    named = {**prompts, "document": prompts["passage"]}
    files: dict[str, Any] = {
        "modules.json": modules,
        "sentence_bert_config.json": {"max_seq_length": max_length, "do_lower_case": False},
        "1_Pooling/config.json": {
            "word_embedding_dimension": width,
            "pooling_mode_cls_token": pooling == "cls",
            "pooling_mode_mean_tokens": pooling == "mean",
            "pooling_mode_max_tokens": False,
        },
        "2_Normalize/config.json": {},
        "config_sentence_transformers.json": {
            "prompts": named,
            "default_prompt_name": "query" if prompts["query"] else None,
            "similarity_fn_name": "cosine",
        },
    }
    for name, value in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", "utf-8")
