"""Read a bundle: checked before anything of it is used, and loaded only as far as asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from tunesmith.bundle import integrity
from tunesmith.bundle.cleaned import Clean, cleaning_of
from tunesmith.bundle.layout import CONFIG, MANIFEST, REPORT, Manifest
from tunesmith.bundle.predictor import MANY, Predictor
from tunesmith.bundle.rows import as_rows
from tunesmith.core.contracts import Prediction, Task
from tunesmith.core.errors import BundleError
from tunesmith.core.recipe import Recipe
from tunesmith.core.registry import family, tasks_with
from tunesmith.models.load import quiet, take_whole_texts
from tunesmith.models.no_texts import NoTexts
from tunesmith.models.tokenizer_files import light_tokenizer

TORCH = "torch"
"""The runtime that loads transformers."""


class Bundle:
    """A bundle on disk. Its parts load when they are first asked for."""

    def __init__(self, path: Path, manifest: Manifest, options: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self.manifest = manifest
        self._options = dict(options or {})
        self._predictor: Predictor | None = None

    def __repr__(self) -> str:
        """Where it is and what it does."""
        return f"Bundle({str(self.path)!r}, task={self.manifest.task.name!r}, method={self.manifest.method.name!r})"

    @cached_property
    def task(self) -> Task:
        """The task, with what its training rows taught it."""
        record = self.manifest.task
        tasks = tasks_with(record.name)
        consents = tasks.load(record.name).consents
        kept = {name: value for name, value in record.options.items() if name not in consents}
        task: Task = tasks.make(record.name, {**kept, **self._options})
        task.restore(record.state)
        return task

    def asked(self, options: Mapping[str, Any]) -> Bundle:
        """The same bundle, some of its task's options said anew: how it writes, what is measured.

        Raises:
            RecipeError: the task has no such option, or its value is wrong; when the task is first asked for.
        """
        return Bundle(self.path, self.manifest, {**self._options, **options})

    @cached_property
    def tokenizer(self) -> Any:
        """What cuts texts to answer them: without transformers where the tokenizer's files tell all."""
        found = light_tokenizer(self.path) if self.task.tokenizes else NoTexts()
        return self.processor if found is None else found

    @cached_property
    def processor(self) -> Any:
        """The tokenizer as transformers has it, which can train, change and save."""
        if not self.task.tokenizes:
            return NoTexts()
        from transformers import AutoTokenizer

        with quiet():
            processor = AutoTokenizer.from_pretrained(self.path, local_files_only=True, trust_remote_code=False)
        if processor.is_fast:
            take_whole_texts(processor)
        return processor

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe that made it, all values filled in."""
        return Recipe.model_validate(self.manifest.recipe)

    @cached_property
    def clean(self) -> Clean | None:
        """What makes the texts of a row as those were made that were learned; None: they stay as they are."""
        return cleaning_of(self.task, self.manifest.recipe.get("data") or {})

    @cached_property
    def report(self) -> dict[str, Any]:
        """``report.json``; empty if the bundle has none."""
        path = self.path / REPORT
        report: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        return report

    def predictor(
        self, runtime: str = "auto", device: str = "auto", *, precision: str = "auto", batch_size: int = MANY
    ) -> Predictor:
        """What answers, computed by a named runtime.

        Args:
            runtime: "auto" is the one that the bundle was proven with.
            precision: "auto" is the one that the bundle was proven with: fp32 unless it was shrunk.

        Raises:
            RecipeError: there is no such runtime or device.
            BundleError: the model cannot be loaded.
        """
        record = self.manifest.runtime
        runtime = record.name if runtime == "auto" else runtime
        if precision == "auto":
            precision = record.precision if runtime == record.name else "fp32"
        computes = family("runtimes").load(runtime).open(self, device=device, precision=precision)
        length = self.manifest.max_length
        # Where transformers computes it is loaded in any case, and its tokenizer knows more: how to generate, to chat.
        tokenizer = self.processor if runtime == TORCH else self.tokenizer
        return Predictor(self.task, tokenizer, computes, max_length=length, batch_size=batch_size, clean=self.clean)

    def predict(self, given: Any) -> list[Prediction]:
        """Predictions, one a row.

        Args:
            given: a text, a tuple of texts (a pair), a row (``{"text": ...}``), or an iterable of these.
        """
        if self._predictor is None:
            self._predictor = self.predictor()
        return self._predictor.predict(as_rows(self.task, given))


def read_bundle(path: str | Path, *, verify: bool = True) -> Bundle:
    """A bundle, its files checked against its manifest.

    Args:
        path: the bundle's folder.
        verify: whether to hash every file; without it only names and sizes are compared.

    Raises:
        BundleError: the folder is absent, no bundle, half a bundle, of a newer format, or damaged.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    integrity.verify(folder, manifest.files, hashes=verify)
    return Bundle(folder, manifest)


def read_manifest(folder: Path) -> Manifest:
    """``tunesmith.json`` of a folder; no other file is looked at."""
    path = folder / MANIFEST
    if not path.is_file():
        raise _no_bundle(folder)
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is not JSON: {error}.", integrity.AGAIN) from error
    if not isinstance(values, Mapping):
        raise BundleError(f"{path} is not a JSON object.", integrity.AGAIN)
    return Manifest.from_json(values, str(path))


def _no_bundle(folder: Path) -> BundleError:
    make = "Make one: tunesmith tune YOUR_FILE"
    if not folder.exists():
        return BundleError(f"There is no bundle {folder}: no such folder.", f"Check the path. {make}")
    if not folder.is_dir():
        return BundleError(f"{folder} is a file; a bundle is a folder.", "Name the folder that holds tunesmith.json.")
    if folder.name.startswith(".") and folder.suffix == ".part":
        return BundleError(
            f"{folder} is half a bundle, left by a run that died.", f"Resume the run, or tune anew. {make}"
        )
    if (folder / CONFIG).is_file():
        return BundleError(
            f"{folder} is a model folder but no bundle: it has {CONFIG} and no {MANIFEST}.",
            f"Tune from it: tunesmith tune YOUR_FILE model={folder}",
        )
    inner = _bundle_inside(folder.iterdir())
    hint = f"There is one inside: {inner}" if inner else make
    return BundleError(f"{folder} is not a bundle: it has no {MANIFEST}.", hint)


def _bundle_inside(paths: Iterable[Path]) -> Path | None:
    return next((p for p in sorted(paths) if (p / MANIFEST).is_file() and not p.name.startswith(".")), None)
