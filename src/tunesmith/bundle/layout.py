"""What lies in a bundle and under which name; the manifest that says so.

A bundle is a plain Hugging Face folder, and beside it what Tunesmith knows of it::

    config.json model.safetensors tokenizer.json ...   what transformers reads
    adapter/                                           what peft reads, when a method trained an adapter
    base/                                              instead of the first line, where the method's parts cannot be
                                                       merged: the plain model, to which adapter/ must be added
    members/0 members/1 ... members/weights.json       instead of the first line, of an ensemble: a plain model each
    onnx/model.onnx openvino/model.xml ...             instead of the weights above, of a shrunk bundle: the graph
                                                       that its runtime reads
    base/ routes/1 routes/2 ... routes/router.safetensors
                                                       instead of the first line, of a bundle that learned apart: the
                                                       first model, an adapter for each later task, and the router
    README.md                                          the model card
    tunesmith.json                                     the manifest, written last
    recipe.yaml report.json report.html log.jsonl environment.txt
    known_rows.npy                                     keys of the rows that it met (``known_rows``)
    baseline.json                                      what rows look like, for those who watch it answer (``drift/``)
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from tunesmith import __version__
from tunesmith.core.artefacts import Figure, Parity
from tunesmith.core.errors import BundleError

FORMAT_VERSION = 1

MANIFEST = "tunesmith.json"
CONFIG = "config.json"
GENERATION = "generation_config.json"
WEIGHTS = "model.safetensors"
ADAPTER = "adapter"
BASE = "base"
MEMBERS = "members"
MEMBER_WEIGHTS = "weights.json"
GRAPH = "onnx/model.onnx"
OPENVINO_GRAPH = "openvino/model.xml"
ROUTES = "routes"
ROUTER = "router.safetensors"
CARD = "README.md"
RECIPE = "recipe.yaml"
REPORT = "report.json"
REPORT_PAGE = "report.html"
LOG = "log.jsonl"
ENVIRONMENT = "environment.txt"

PICKLES = frozenset({".bin", ".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill"})
"""Suffixes of files that run code when they are loaded. None is ever in a bundle."""

UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""From a format version to the next: ``UPGRADES[1]`` takes a manifest of version 1 and gives one of version 2."""


@dataclass(frozen=True)
class FileRecord:
    """What a file must be."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class TaskRecord:
    """A task by its registered name; ``state`` is what ``Task.learn`` returned."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MethodRecord:
    """A method by its registered name."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RuntimeRecord:
    """What computes a bundle unless it is told otherwise, by its registered name."""

    name: str = "torch"
    file: str = ""
    """The graph that it reads, relative to the bundle; empty where it reads the model folder."""
    precision: str = "fp32"
    form: str = ""
    """What the model was shrunk to, by the form's registered name; empty where it was not."""
    vnni: bool | None = None
    """Of int8: whether the processor that proved it had VNNI; None: nothing is known of it."""


@dataclass(frozen=True)
class Lineage:
    """Where the weights come from."""

    base_model: str = ""
    """As the recipe names it."""
    hub_id: str | None = None
    revision: str | None = None
    content_hash: str | None = None
    license: str | None = None
    parent: str | None = None
    """The seal of the bundle that this one was made from, if it was."""


@dataclass(frozen=True)
class Manifest:
    """``tunesmith.json``: registered names and JSON values, never import paths.

    Args:
        task: what is predicted.
        method: what was trainable.
        recipe: the resolved recipe, as a mapping.
        data: fingerprints of what was read, for example ``{"train": {"sha256": ..., "rows": ...}}``.
        pooling: how tokens become one vector.
        max_length: tokens a window may have.
        processor: notes on the tokenizer, for example a prefix.
        runtime: what computes it.
        metrics: headline figures on the test rows.
        files: relative name -> what the file must be. Filled in by the writer.
    """

    task: TaskRecord
    method: MethodRecord
    recipe: dict[str, Any] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=Lineage)
    data: dict[str, Any] = field(default_factory=dict)
    pooling: str | None = None
    max_length: int = 512
    processor: dict[str, Any] = field(default_factory=dict)
    runtime: RuntimeRecord = field(default_factory=RuntimeRecord)
    parity: tuple[Parity, ...] = ()
    metrics: dict[str, Figure] = field(default_factory=dict)
    files: dict[str, FileRecord] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION
    tunesmith: str = __version__
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, the version first, sealed: a changed byte in the manifest is found, too."""
        values: dict[str, Any] = finite(asdict(self))
        if self.runtime.vnni is None:  # as before there was this key: the seal of an older bundle stays
            del values["runtime"]["vnni"]
        first = ("format_version", "tunesmith", "created")
        ordered = {key: values[key] for key in first} | values
        return {**ordered, "seal": seal_of(ordered)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], where: str = MANIFEST) -> Manifest:
        """A manifest of this format or an older one.

        Raises:
            BundleError: it was changed after it was written, is of a newer format, or lacks a key.
        """
        _check_seal(values, where)
        plain = upgraded({key: value for key, value in values.items() if key != "seal"}, where)
        try:
            return _from_plain(cls, plain)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(
                f"{where} is not a manifest of format {FORMAT_VERSION}: {error}.",
                "Take the bundle from its source again.",
            ) from error


def _from_plain(cls: type[Manifest], plain: Mapping[str, Any]) -> Manifest:
    known = {f.name for f in fields(cls)}
    made: dict[str, Any] = {key: value for key, value in plain.items() if key in known}
    made["task"] = TaskRecord(**plain["task"])
    made["method"] = MethodRecord(**plain["method"])
    made["runtime"] = RuntimeRecord(**plain.get("runtime", {}))
    made["lineage"] = Lineage(**plain.get("lineage", {}))
    made["parity"] = tuple(Parity(**p) for p in plain.get("parity", ()))
    made["metrics"] = {name: Figure(**_numbers(figure)) for name, figure in plain.get("metrics", {}).items()}
    made["files"] = {name: FileRecord(**record) for name, record in plain["files"].items()}
    return cls(**made)


def upgraded(values: dict[str, Any], where: str = MANIFEST) -> dict[str, Any]:
    """The manifest in today's format, through ``UPGRADES`` one version after the other."""
    version = values.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise BundleError(
            f"{where} has no valid format_version: {version!r}.", "Take the bundle from its source again."
        )
    if version > FORMAT_VERSION:
        raise BundleError(
            f"{where} has format {version}, written by tunesmith {values.get('tunesmith', '?')}; "
            f"tunesmith {__version__} reads formats up to {FORMAT_VERSION}.",
            "Run: pip install --upgrade tunesmith",
        )
    for step in range(version, FORMAT_VERSION):
        values = {**UPGRADES[step](values), "format_version": step + 1}
    return values


def seal_of(values: Mapping[str, Any]) -> str:
    """sha256 of the manifest's values in a canonical form, the seal itself left out."""
    plain = {key: value for key, value in values.items() if key != "seal"}
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _check_seal(values: Mapping[str, Any], where: str) -> None:
    # A newer format may be sealed in another way: its version is the better thing to complain of.
    version = values.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        return
    if values.get("seal") != (actual := seal_of(values)):
        raise BundleError(
            f"{where} was changed after it was written: its seal is {values.get('seal')}, its content gives {actual}.",
            "Take the bundle from its source again.",
        )


def finite(value: Any) -> Any:
    """JSON values with None in place of NaN and infinities, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return value


def _numbers(figure: Mapping[str, Any]) -> dict[str, float]:
    return {key: math.nan if value is None else float(value) for key, value in figure.items()}
