"""Items that a recommender gets to know after it was tuned: no weight is learned, and they count at once."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.bundle.layout import MANIFEST, Manifest
from tunesmith.bundle.parity import prove_reload, tokens_of
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.runtimes.torch import TorchRuntime, load_model
from tunesmith.bundle.write import check_target, write_bundle
from tunesmith.core.artefacts import Parity
from tunesmith.core.contracts import Row
from tunesmith.core.errors import BundleError, DataError, RecipeError
from tunesmith.data.interactions import interactions, rows_of
from tunesmith.data.read import read
from tunesmith.data.settle import as_read
from tunesmith.data.side_tables import item_table
from tunesmith.tasks.recommendation import ENCODER, Recommendation

CONFIG_AND_WEIGHTS = ("config.json", "model.safetensors")
PROVEN = 16
"""Items that are looked for in a fresh process."""


@dataclass(frozen=True)
class Added:
    """What came in.

    Args:
        items: that were not known.
        known: items of the table that were known already, and stay as they are.
        events: rows of the log.
        notes: what was odd, in words.
    """

    bundle: Bundle
    items: int
    known: int
    events: int
    notes: list[str]


def add_items(
    path: str | Path,
    items: str | None,
    log: str | None = None,
    target: str | Path | None = None,
    *,
    overwrite: bool = False,
) -> Added:
    """Write the bundle with further items, or further rows of the log, or both.

    Args:
        path: the bundle.
        items: a table of items.
        log: a file of interactions, its columns called as in the log that the bundle was tuned on.
        target: where to; None: in the bundle's place, which holds the old one until the new one is whole.
        overwrite: whether another bundle at ``target`` gives way.

    Raises:
        RecipeError: there is nothing to add, or the bundle is no recommender.
        DataError: a file cannot be read, or holds nothing new.
        BundleError: the bundle was shrunk, or cannot be written.
    """
    bundle = read_bundle(path)
    task = bundle.task
    if not isinstance(task, Recommendation):
        raise RecipeError(f"{path} is a bundle of {task.name}, which has no items.", "Name a bundle of recommendation.")
    if items is None and log is None:
        raise RecipeError("There is nothing to add.", "Name a table of items, or --log FILE, or both.")
    if form := bundle.manifest.runtime.form:  # with weights, too: its graph would not know what they learn
        raise BundleError(
            f"{bundle.path} was shrunk to {form}: nothing can be added to a graph.", "Add to the parent, then shrink."
        )
    if not all((bundle.path / name).is_file() for name in CONFIG_AND_WEIGHTS):
        raise BundleError(f"{path} has no weights to add to.", "Add to the bundle that it was made from.")
    place = Path(target) if target else bundle.path
    overwrite = overwrite or place.resolve() == bundle.path.resolve()
    check_target(place, replace=overwrite)
    notes: list[str] = []
    first = len(task.memory.catalogue)
    catalogue, known = _catalogue(task, items, notes)
    given = _rows(bundle, log, notes) if log else []
    rows = task.memory.new(given)
    if again := len(given) - len(rows):
        notes.append(f"{again} rows of {log} are known already, with their user, item and time; they were left out.")
    strange = [row for row in rows if row["item"] not in catalogue.code]
    if strange:
        notes.append(f"{len(strange)} rows of {log} are of items that are not known; they were left out.")
    if len(catalogue) == first and len(rows) == len(strange):
        raise DataError("There is nothing new in the files.", "Check their ids and columns.")
    task.grow(task.memory.grown(catalogue, rows))
    model = load_model(bundle)
    if len(catalogue) > first:
        model = _grown(model, _vectors(bundle, task, first))
    written = _written(bundle, task, model, place, first, overwrite)
    return Added(written, len(catalogue) - first, known, len(rows) - len(strange), notes)


def _catalogue(task: Recommendation, items: str | None, notes: list[str]) -> tuple[Any, int]:
    """With the items of a table that it lacks, and how many it had."""
    own = task.memory.catalogue
    if items is None:
        return own, 0
    table = item_table(items)
    notes += [*table.why, *table.notes]
    new = [i for i, one in enumerate(table.ids) if one not in own.code]
    columns = {name: [cells[i] for i in new] for name, cells in table.columns.items()}
    grown = own.grown([table.ids[i] for i in new], [table.texts[i] for i in new], columns)
    silent = sum(not table.texts[i].strip() for i in new)
    if silent:
        notes.append(f"{silent} of the new items have no text: nothing is known to recommend them by.")
    return grown, len(table.ids) - len(new)


def _rows(bundle: Bundle, log: str, notes: list[str]) -> Sequence[Row]:
    rows = read(log)
    columns = bundle.recipe.data.columns
    missing = [c for c in columns.values() if isinstance(c, str) and c not in rows.columns]
    if missing:
        raise DataError(
            f'{log} has no column "{missing[0]}", as the log of the bundle had. Columns: {", ".join(rows.columns)}.',
            "Call its columns as those.",
        )
    shaped, _ = as_read(rows, bundle.task.name, columns, notes)
    found, _ = interactions(shaped, notes)
    return rows_of(found, np.arange(len(found.items)))


def _vectors(bundle: Bundle, task: Recommendation, first: int) -> np.ndarray:
    """Of the new items' texts, by the bundle's own encoder."""
    from transformers import AutoModel, AutoTokenizer

    from tunesmith.models.folder import read_json
    from tunesmith.models.load import quiet

    place = bundle.path / ENCODER
    if not place.is_dir():
        raise BundleError(f"{bundle.path} has no text encoder in {ENCODER}/.", "Tune it anew.")
    with quiet():
        encoder = AutoModel.from_pretrained(place, local_files_only=True).eval()
        processor = AutoTokenizer.from_pretrained(place, local_files_only=True)
    told = read_json(place / "1_Pooling" / "config.json")
    pooling = "cls" if told.get("pooling_mode_cls_token") else "mean"
    return task.text_vectors(encoder, processor, pooling, first=first)


def _grown(model: Any, vectors: np.ndarray) -> Any:
    """The same towers over more items: the new ones have a text's vector, and no residual."""
    import torch
    from torch import nn

    more = len(vectors)
    with torch.no_grad():
        weight = model.residual_embedding.weight
        for name, new in (
            ("text", torch.from_numpy(vectors)),
            ("warm", torch.zeros(more)),
            ("item_bias", torch.zeros(more)),
        ):
            old = getattr(model, name)
            setattr(model, name, nn.Parameter(torch.cat([old, new.to(old)]), requires_grad=old.requires_grad))
        table = nn.Embedding(len(weight) + more, weight.shape[1])
        table.weight.copy_(torch.cat([weight, weight.new_zeros(more, weight.shape[1])]))
        model.residual_embedding = table
    model.config.items += more
    return model.eval()


def _written(bundle: Bundle, task: Recommendation, model: Any, target: Path, first: int, overwrite: bool) -> Bundle:
    """Written beside, proven in a fresh process, and only then put in its place."""
    own = bundle.manifest
    predictor = Predictor(task, bundle.processor, TorchRuntime(model), max_length=own.max_length)
    rows = proof_rows(task, first)
    features, arrays = predictor.outputs(rows)
    predictions = task.decode(arrays, features)
    manifest: Manifest = replace(
        own, task=replace(own.task, state=task.state), files={}, parity=(),
        lineage=replace(own.lineage, parent=str(own.to_json()["seal"])),
    )  # fmt: skip

    def fill(part: Path) -> None:
        def left_out(folder: str, names: list[str]) -> list[str]:
            own_files = (MANIFEST, *CONFIG_AND_WEIGHTS)
            return [name for name in names if Path(folder) == bundle.path and name in own_files]

        shutil.copytree(bundle.path, part, dirs_exist_ok=True, ignore=left_out)
        model.save_pretrained(part)

    def prove(part: Path) -> Sequence[Parity]:
        return [prove_reload(part, rows, arrays, predictions, tokens_of(features))]

    write_bundle(target, fill=fill, manifest=manifest, prove=prove, replace=overwrite)
    return read_bundle(target, verify=False)


def proof_rows(task: Recommendation, first: int) -> list[dict[str, Any]]:
    """Questions that the new items, and the best known users, are the answer to."""
    memory = task.memory
    ids = memory.catalogue.ids
    popular = np.argsort(-memory.popularity.total, kind="stable")[:PROVEN]
    rows: list[dict[str, Any]] = [{"history": [{"item": ids[code]}]} for code in popular.tolist()]
    rows += [{"user": user} for user in memory.taken.users[:PROVEN]]
    new = ids[first:][:PROVEN]
    return [*rows, {"history": [{"item": ids[int(popular[0])]}], "candidates": new}] if new else rows
