"""What a Hugging Face folder says about its model, read without loading it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any

import yaml

from tunesmith.core.errors import ModelError

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack")
"""Weights that we do not read: pickles can run code, and the last two belong to other frameworks."""

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "tekken.json")

# Position ids of these start after the padding id, so that many rows of the table are never used.
_OFFSET_POSITIONS = {
    "camembert", "data2vec-text", "esm", "ibert", "layoutlmv3", "lilt", "longformer", "luke", "mpnet", "roberta",
    "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
}  # fmt: skip

_DEFAULT_LENGTH = 512

# Old BERT folders save their position ids beside the weights.
_NOT_LEARNED = {"I64", "I32", "BOOL"}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; an absent file is an empty one.

    Raises:
        ModelError: the file is not JSON.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}", "Get the model's folder again.") from error
    return value if isinstance(value, dict) else {}


def weight_files(names: Iterable[str]) -> list[str]:
    """Of a folder's files, its safetensors weights: ``model.safetensors`` or the shards; [] where there are none."""
    tops = [name for name in names if "/" not in name and name.endswith(".safetensors")]
    if "model.safetensors" in tops:
        return ["model.safetensors"]
    return sorted(name for name in tops if re.fullmatch(r"model-\d+-of-\d+\.safetensors", name))


def model_files(names: Iterable[str], *, code: bool = False) -> list[str]:
    """Of a repository's files, those that a model needs: weights in safetensors, configuration, tokenizer.

    With ``code``, its Python files, too.
    """
    names = list(names)
    wanted = set(weight_files(names))
    for name in names:
        suffix = Path(name).suffix
        top = (
            name[0] != "." and "/" not in name and suffix in {".json", ".txt", ".model", ".jinja", ".tiktoken", ".spm"}
        )
        pooling = name.count("/") == 1 and name.endswith("/config.json") and name[0].isdigit()
        if top or pooling or name == "README.md" or (code and suffix == ".py"):
            wanted.add(name)
    return sorted(wanted)


def pickled(names: Iterable[str]) -> list[str]:
    """Of a folder's files, weights that we refuse to read."""
    return sorted(n for n in names if "/" not in n and n.endswith(PICKLES) and "training_args" not in n)


def refuse_unsafe(what: str, names: Iterable[str]) -> None:
    """Raise ``ModelError`` unless the files hold weights in safetensors.

    Args:
        what: the model in words, for the message.
        names: its files.
    """
    names = list(names)
    if weight_files(names):
        return
    if "adapter_config.json" in names:
        raise ModelError(f"{what} is an adapter, not a whole model.", "Name the model that it was made for.")
    if bad := pickled(names):
        raise ModelError(
            f"{what} has no safetensors weights, only {', '.join(bad[:3])}. Such files can run code when read; "
            "they are refused.",
            "Take a revision with model.safetensors, or convert it where you trust it: "
            "AutoModel.from_pretrained(...).save_pretrained(FOLDER).",
        )
    raise ModelError(f"{what} holds no weights (model.safetensors).", "Is it the right folder or hub id?")


def files_of(folder: Path) -> list[str]:
    """The names of all files in a folder, hidden ones apart, relative to it."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))


def complete(folder: Path) -> bool:
    """Whether configuration, every weight shard and a tokenizer are there (a broken download has not all).

    What reads pictures or sounds has a preprocessor's settings in a tokenizer's place.
    """
    names = files_of(folder)
    shards = set(read_json(folder / "model.safetensors.index.json").get("weight_map", {}).values())
    known = (*TOKENIZER_FILES, "preprocessor_config.json")
    tokenizer = any(name in known or name.endswith((".model", ".spm", ".tiktoken")) for name in names)
    return "config.json" in names and bool(weight_files(names)) and shards <= set(names) and tokenizer


def pooling_of(folder: Path) -> str | None:
    """How a sentence-transformers folder makes one vector of its tokens ("mean", "cls" ...); None in other folders."""
    modules_file = folder / "modules.json"
    modules = json.loads(modules_file.read_text("utf-8")) if modules_file.is_file() else []
    places = [m["path"] for m in modules if str(m.get("type", "")).endswith(".Pooling")]
    config = read_json(folder / (places[0] if places else "1_Pooling") / "config.json")
    if isinstance(mode := config.get("pooling_mode"), str):
        return mode
    short = {"cls_token": "cls", "mean_tokens": "mean", "max_tokens": "max"}
    modes = [key.removeprefix("pooling_mode_") for key, on in config.items() if key.startswith("pooling_mode_") and on]
    return short.get(modes[0], modes[0]) if len(modes) == 1 else "+".join(short.get(m, m) for m in modes) or None


def prefix_of(folder: Path) -> str:
    """What a sentence-transformers folder puts before a text unless told otherwise."""
    config = read_json(folder / "config_sentence_transformers.json")
    return str((config.get("prompts") or {}).get(config.get("default_prompt_name")) or "")


def max_length_of(folder: Path) -> int:
    """Tokens that the model can take, special ones included.

    The table of positions is the true limit. ``sentence_bert_config.json`` (often 128 or 256) is only how it was used.
    """
    config = read_json(folder / "config.json")
    config = {**config, **(config.get("text_config") or {})}
    for key in ("max_position_embeddings", "n_positions", "max_seq_len"):
        limit = config.get(key)
        if isinstance(limit, int) and limit > 0:
            padding = config.get("pad_token_id")
            offset = (1 if padding is None else padding) + 1 if config.get("model_type") in _OFFSET_POSITIONS else 0
            return limit - offset
    limit = read_json(folder / "tokenizer_config.json").get("model_max_length")
    return int(limit) if isinstance(limit, int | float) and 0 < limit < 1_000_000 else _DEFAULT_LENGTH


def card_of(folder: Path) -> dict[str, Any]:
    """The YAML head of ``README.md``: ``license``, ``language`` ...; empty where there is none."""
    try:
        text = (folder / "README.md").read_text("utf-8")
        head = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
        card = yaml.safe_load(head[1]) if head else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return card if isinstance(card, dict) else {}


def parameters_of(folder: Path) -> int:
    """How many numbers the weights hold, from the heads of the safetensors files."""
    return sum(_numbers(folder / name) for name in weight_files(files_of(folder)))


def _numbers(path: Path) -> int:
    # A safetensors file starts with its header's length (little-endian u64), and the header in JSON.
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        return sum(prod(t["shape"]) for t in tensors if t["dtype"] not in _NOT_LEARNED)
    except (OSError, ValueError, KeyError, TypeError, MemoryError, OverflowError) as error:
        raise ModelError(f"{path} is damaged, or no safetensors file.", "Get the model's folder again.") from error
