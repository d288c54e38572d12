"""A run, written down. Read it, override it, check it whole; all mistakes are reported at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from tunesmith.core.errors import RecipeError, did_you_mean
from tunesmith.core.registry import family, options_of

ROLES = (
    "text", "text_pair", "label", "labels", "tokens", "tags", "words", "spans", "predicate", "roles", "head", "tail",
    "relations", "question", "context", "answers", "answer", "choices", "score", "negatives",
    "source", "target", "references", "tests", "entry_point", "test_setup", "control", "beginning", "length",
    "messages", "prompt", "completion", "image", "audio", "numeric", "categorical",
    "user", "item", "time", "rating", "candidates", "group",
    "system", "instruction", "input", "output", "history", "chosen", "rejected", "desirable",
)  # fmt: skip
"""Roles that may stand directly in a recipe's data block, as in ``data: {path: a.csv, text: review}``."""


class Block(BaseModel):
    """A part of a recipe: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", validate_assignment=False)


Written = TypeVar("Written", bound=Block)
"""A kind of recipe."""


class SplitBlock(Block):
    """How rows are divided when the test or validation rows are not files of their own."""

    by: Literal["label", "random", "group", "time", "user"] = Field(
        "label",
        description="stratified by label, at random, whole groups together, or the newest rows as test; of a log of "
        "users: each one's newest (user), or all that is newer than one moment (time)",
    )
    test: float = Field(0.15, ge=0, lt=1, description="share of rows")
    validation: float = Field(0.1, ge=0, lt=1, description="share of rows that are left for training")
    group: str | None = Field(None, description="column whose equal values stay together")
    time: str | None = Field(None, description="column to order by")
    seed: int = 13
    near_duplicates: bool = Field(True, description="keep near-duplicates on one side")


class CleanBlock(Block):
    """What is done to rows before they are divided."""

    normalise: bool = Field(True, description="Unicode NFC, broken encodings mended, control characters out")
    duplicates: bool = Field(True, description="drop exact duplicates of text and label")
    conflicts: Literal["keep", "drop"] = Field("keep", description="rows whose text stands under several labels")
    redact: bool = Field(False, description="replace personal data by placeholders")


class PluginBlock(BaseModel):
    """A plug-in's name and its options: ``lora`` or ``{name: lora, rank: 8}``."""

    model_config = ConfigDict(extra="allow")
    name: str

    @property
    def options(self) -> dict[str, Any]:
        """What stands beside ``name``."""
        return dict(self.model_extra or {})


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _named_or_auto(value: Any) -> Any:
    """Options without a name are those of what the data decides: ``task: {class_weights: none}``."""
    named = _named(value)
    return {"name": "auto", **named} if isinstance(named, Mapping) else named


Plugin = Annotated[PluginBlock, BeforeValidator(_named)]
Decided = Annotated[PluginBlock, BeforeValidator(_named_or_auto)]


class TranscribeBlock(Block):
    """Which sounds become texts, and by what: ``transcribe: clip``, or ``{column: clip, language: zh}``."""

    column: str = Field(description="column of paths of sounds")
    model: str = Field("whisper-base", description="a Whisper: packaged name, hub id or folder")
    language: str | None = Field(None, description="ISO 639 code; absent: heard from each sound")


def _column(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class DataBlock(Block):
    """Where rows come from and which column is what."""

    path: str = Field("", description="file, glob, folder or hub id")
    columns: dict[str, str | list[str]] = Field(default_factory=dict, description="role -> column; absent: guessed")
    test: str | None = Field(None, description="file of rows that nothing is chosen on")
    validation: str | None = None
    items: str | None = Field(None, description="recommendation: a table of the items: id, text, further columns")
    users: str | None = Field(None, description="recommendation: a table of the users: id, further columns")
    split: SplitBlock = Field(default_factory=SplitBlock)
    clean: CleanBlock = Field(default_factory=CleanBlock)
    media: str | None = Field(None, description="folder of pictures and sounds; absent: that of the data file")
    transcribe: Annotated[TranscribeBlock, BeforeValidator(_column)] | None = Field(
        None, description="column of sounds whose words are the text"
    )
    encoding: str | None = Field(None, description="absent: detected")
    delimiter: str | None = Field(None, description="absent: detected")
    limit: int | None = Field(None, ge=1, description="use at most this many rows, drawn by the seed")
    augment: list[Plugin] = Field(default_factory=list, description="training rows added, written otherwise")
    parts: dict[str, PartBlock] = Field(default_factory=dict, description="several tasks at once: name -> its own data")

    @model_validator(mode="before")
    @classmethod
    def _fold(cls, value: Any) -> Any:
        """``{path, text: review}`` -> ``{path, columns: {text: review}}``; a bare string is a path."""
        if isinstance(value, str):
            return {"path": value}
        if isinstance(value, Mapping):
            plain = {k: v for k, v in value.items() if k not in ROLES}
            roles = {k: v for k, v in value.items() if k in ROLES and v is not None}
            if roles:
                plain["columns"] = {**(plain.get("columns") or {}), **roles}
            return plain
        return value


class PartBlock(DataBlock):
    """One task's data in a mixture, and which task it is."""

    task: Decided = Field(default_factory=lambda: PluginBlock(name="auto"))


DataBlock.model_rebuild()


class ModelBlock(Block):
    """Which weights to start from."""

    name: str = Field("auto", description="hub id, local folder or packaged model; auto: by the text's language")
    revision: str | None = None
    max_length: int | None = Field(None, ge=8, description="tokens a window may have; absent: by data and model")
    pooling: Literal["auto", "cls", "mean"] = Field("auto", description="how tokens become one vector")
    trust_remote_code: bool = False


Model = Annotated[ModelBlock, BeforeValidator(_named)]


class TrainingBlock(Block):
    """How long and how hard. None: the method's tuned default."""

    epochs: float | None = Field(None, gt=0)
    max_steps: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1)
    accumulate: int | None = Field(None, ge=1, description="batches whose gradients are summed before a step")
    learning_rate: float | None = Field(None, gt=0)
    head_learning_rate: float | None = Field(None, gt=0)
    weight_decay: float | None = Field(None, ge=0)
    layer_decay: float | None = Field(None, gt=0, le=1)
    warmup: float | None = Field(None, ge=0, le=1, description="share of all steps")
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    clip: float = Field(1.0, ge=0, description="largest gradient norm; 0: no clipping")
    gradient_checkpointing: bool = Field(
        False, description="compute each layer again on the way back: far less memory, a third more time"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field("auto", description="auto: what the machine is good at")
    evaluations: float = Field(1.0, gt=0, description="evaluations an epoch")
    patience: int | None = Field(3, ge=1, description="evaluations without a better one before stopping")
    checkpoint_seconds: float = Field(60.0, ge=0, description="least time between checkpoints for resume")
    strategies: list[Plugin] = Field(default_factory=list)
    trackers: list[Plugin] = Field(default_factory=lambda: [PluginBlock(name="console"), PluginBlock(name="jsonl")])
    seed: int = 13
    device: str = "auto"
    threads: int | None = Field(None, ge=1, description="absent: the machine's cores")


class CalibrateBlock(Block):
    """What is asked of a classifier's answers; learned on the validation rows, kept in the bundle."""

    error: float = Field(0.02, gt=0, lt=1, description="wrong answers among those that do not abstain, at most")
    coverage: float = Field(0.9, gt=0, lt=1, description="sets of candidates that hold the right label")
    outside: float = Field(0.01, gt=0, lt=1, description="rows of its own that may be called out of scope")
    certainty: float = Field(0.9, gt=0.5, lt=1, description="with which the error is kept")


def _switched(value: Any) -> Any:
    """``calibrate: true`` is all defaults; false is nothing."""
    return ({} if value else None) if isinstance(value, bool) else value


Calibrate = Annotated[CalibrateBlock | None, BeforeValidator(_switched)]


class EvaluationBlock(Block):
    """What is proven, and what must hold."""

    baselines: bool = Field(True, description="majority, TF-IDF + logistic regression, and the model before tuning")
    checks: list[Plugin] = Field(default_factory=list)
    gate: dict[str, str] = Field(default_factory=dict, description='metric -> ">= baseline + 0.02"')
    resamples: int = Field(1000, ge=100, description="of the bootstrap")
    confidence: float = Field(0.95, gt=0.5, lt=1)
    calibrate: Calibrate = Field(None, description="true: confidence, candidates and when to abstain, learned")


class SearchBlock(Block):
    """What `tunesmith search` tries. Other verbs do not read it."""

    space: dict[str, Any] = Field(
        default_factory=dict, description="setting -> [low, high], [low, high, log], or a list of values"
    )


class Recipe(Block):
    """A run, written down."""

    data: DataBlock = Field(default_factory=DataBlock)
    model: Model = Field(default_factory=ModelBlock)
    task: Decided = Field(default_factory=lambda: PluginBlock(name="auto"))
    method: Decided = Field(default_factory=lambda: PluginBlock(name="auto"))
    training: TrainingBlock = Field(default_factory=TrainingBlock)
    evaluation: EvaluationBlock = Field(default_factory=EvaluationBlock)
    search: SearchBlock | None = None
    bundle: str | None = Field(None, description="folder to write; absent: out/NAME, named after the data")

    @classmethod
    def parse(cls, values: Mapping[str, Any], overrides: Iterable[str] = ()) -> Recipe:
        """A checked recipe.

        Args:
            values: nested mappings, as read from YAML.
            overrides: ``"training.epochs=3"`` strings; values are read as YAML.

        Raises:
            RecipeError: with every mistake, its key and what is allowed there.
        """
        return checked(cls, values, overrides)

    @classmethod
    def read(cls, path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
        """A checked recipe from a YAML file."""
        return cls.parse(read_yaml(path), overrides)

    def to_yaml(self) -> str:
        """The recipe as YAML; see the function."""
        return to_yaml(self)


def checked(kind: type[Written], values: Mapping[str, Any], overrides: Iterable[str] = ()) -> Written:
    """A recipe of a kind, with overrides; see ``Recipe.parse``.

    Raises:
        RecipeError: with every mistake, its key and what is allowed there.
    """
    mistakes: list[str] = []
    merged = _merge(values, overrides, mistakes)
    recipe: Written | None = None
    try:
        recipe = kind.model_validate(merged)
    except ValidationError as error:
        mistakes += [_in_words(kind, dict(e)) for e in error.errors()]
    mistakes += _plugin_mistakes(merged)
    if mistakes or recipe is None:
        raise _mistaken(mistakes)
    return recipe


def to_yaml(recipe: Block) -> str:
    """A recipe as YAML, without keys that are None or empty by default: read again, it is the same recipe."""
    text: str = yaml.safe_dump(_bare(recipe), sort_keys=False, allow_unicode=True, width=100)
    return text


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A recipe's file as nested mappings, not yet checked.

    Raises:
        RecipeError: it cannot be read, or is not YAML.
    """
    try:
        values = yaml.safe_load(Path(path).read_text("utf-8")) or {}
    except OSError as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error.strerror}.", "Check the path.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = " ".join(str(error).split())
        raise RecipeError(f"The recipe {path} is not YAML: {where}", "Mend the file at that place.") from error
    if not isinstance(values, Mapping):
        raise RecipeError(f"The recipe {path} is not a mapping of keys.", "Start from: tunesmith check YOUR_FILE")
    return dict(values)


def _bare(value: Any) -> Any:
    """Plain values; a plug-in's options as they were given, as null may be one that its default is not."""
    if isinstance(value, PluginBlock):
        return {"name": value.name, **_bare(value.options)} if value.options else value.name
    if isinstance(value, BaseModel):
        fields = ((key, info, getattr(value, key)) for key, info in type(value).model_fields.items())
        return {key: bare for key, info, inner in fields if not _left_out(bare := _bare(inner), inner, info)}
    if isinstance(value, dict):
        return value["name"] if set(value) == {"name"} else {key: _bare(inner) for key, inner in value.items()}
    return [_bare(inner) for inner in value] if isinstance(value, list) else value


def _left_out(bare: Any, value: Any, info: FieldInfo) -> bool:
    return bare in (None, {}, []) and bool(value == info.get_default(call_default_factory=True))


def _merge(values: Mapping[str, Any], overrides: Iterable[str], mistakes: list[str]) -> dict[str, Any]:
    merged: dict[str, Any] = {k: dict(v) if isinstance(v, Mapping) else v for k, v in values.items()}
    for override in overrides:
        key, equals, raw = override.partition("=")
        if not equals or not key.strip():
            mistakes.append(f'"{override}" is not an override: write key=value, for example training.epochs=3.')
            continue
        *parents, last = path = key.strip().split(".")
        value = _value(raw, text=_is_text(path))
        block: dict[str, Any] = merged
        for parent in parents:
            inner = block.get(parent)
            if not isinstance(inner, Mapping):
                short = "path" if parent == "data" else "name"
                on = inner is True and block is not merged  # true, and then its options: on, with these
                inner = {} if inner is None or on else {short: inner}
            block[parent] = dict(inner)
            block = block[parent]
        if not (value is True and parents and isinstance(block.get(last), Mapping)):
            block[last] = value
    return merged


def _value(raw: str, *, text: bool) -> Any:
    """What stands behind ``=``, read as YAML; where text is wanted, ``yes`` and ``2024`` stay what they are."""
    try:
        value = yaml.safe_load(raw)
    except yaml.YAMLError:
        return raw
    if text:
        return value if value is None or isinstance(value, (str, list)) else raw.strip()
    return _number(value)


def _is_text(path: list[str]) -> bool:
    """Whether a key holds a name (of a column, a file, a folder) and so never a number."""
    if path[0] == "data" and path[-1] in ROLES or path[:2] == ["data", "columns"]:
        return True
    model: Any = Recipe
    for part in path:
        info = getattr(model, "model_fields", {}).get(part)
        model = info.annotation if info else None
    return model is str or (get_origin(model) is not dict and str in get_args(model))


def _number(value: Any) -> Any:
    """YAML 1.1 reads ``2e-5`` as text."""
    if isinstance(value, str):
        try:
            return float(value) if any(c.isdigit() for c in value) else value
        except ValueError:
            return value
    return value


def _plugin_mistakes(merged: Mapping[str, Any]) -> list[str]:
    """Unknown plug-in names and options, found without loading anything heavy."""
    mistakes: list[str] = []

    def look(where: str, family_name: str, block: Any) -> None:
        block = _named(block)
        if not isinstance(block, Mapping) or block.get("name") in (None, "auto"):
            return
        registry = family(family_name)
        name = str(block["name"])
        if name not in registry:
            mistakes.append(f'{where}: there is no {registry.kind} "{name}". {did_you_mean(name, registry)}')
            return
        model = options_of(registry.load(name))
        try:
            model.model_validate({k: v for k, v in block.items() if k != "name"})
        except ValidationError as error:
            mistakes.extend(f"{where}.{_in_words(model, dict(e))}" for e in error.errors())

    def listed(block: Any, key: str) -> list[Any]:
        found = block.get(key) if isinstance(block, Mapping) else None
        return found if isinstance(found, list) else []

    asked = _named(merged.get("task"))
    prompted = isinstance(asked, Mapping) and asked.get("name") in family("prompts")
    look("task", "prompts" if prompted else "tasks", asked)
    look("objective", "objectives", merged.get("objective"))
    data = merged.get("data")
    parts = data.get("parts") if isinstance(data, Mapping) else None
    for name, part in parts.items() if isinstance(parts, Mapping) else ():
        look(f"data.parts.{name}.task", "tasks", part.get("task") if isinstance(part, Mapping) else None)
        for i, block in enumerate(listed(part, "augment")):
            look(f"data.parts.{name}.augment[{i}]", "augmentations", block)
    for i, block in enumerate(listed(data, "augment")):
        look(f"data.augment[{i}]", "augmentations", block)
    look("method", "methods", merged.get("method"))
    for i, block in enumerate(listed(merged.get("training"), "strategies")):
        look(f"training.strategies[{i}]", "strategies", block)
    for i, block in enumerate(listed(merged.get("training"), "trackers")):
        look(f"training.trackers[{i}]", "trackers", block)
    for i, block in enumerate(listed(merged.get("evaluation"), "checks")):
        look(f"evaluation.checks[{i}]", "checks", block)
    return mistakes


def _in_words(model: type[BaseModel], error: Mapping[str, Any]) -> str:
    """A pydantic error as: key, what is wrong, what was given."""
    location = [p for p in error["loc"] if not (isinstance(p, str) and "(" in p)]
    key = ".".join(str(p) for p in location) or "recipe"
    if error["type"] == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        if location[:1] == ["data"] and len(location) == 2:
            known += list(ROLES)
        return f"{key}: unknown key. {did_you_mean(str(location[-1]), known)}"
    message = error["msg"][0].lower() + error["msg"][1:]
    given = "" if error["type"] == "missing" else f", got {error['input']!r:.80}"
    return f"{key}: {message}{given}."


def _keys_at(model: type[BaseModel], location: list[Any]) -> list[str]:
    for part in location:
        info = model.model_fields.get(str(part))
        inner = info.annotation if info else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)


def _mistaken(mistakes: list[str]) -> RecipeError:
    if len(mistakes) == 1:
        return RecipeError(f"The recipe has a mistake: {mistakes[0]}", "See: tunesmith schema", mistakes)
    numbered = "; ".join(f"({i}) {m.rstrip('.')}" for i, m in enumerate(mistakes, 1))
    return RecipeError(f"The recipe has {len(mistakes)} mistakes: {numbered}.", "See: tunesmith schema", mistakes)
