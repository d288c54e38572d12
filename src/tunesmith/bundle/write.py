"""Write a bundle: filled in a hidden folder, sealed, proven, and only then put in its place."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as with_fields
from pathlib import Path
from typing import Any

from tunesmith.bundle.atomic import part_folder, put_in_place
from tunesmith.bundle.integrity import files_in, records_of
from tunesmith.bundle.layout import BASE, MANIFEST, MEMBER_WEIGHTS, MEMBERS, ROUTER, ROUTES, Manifest
from tunesmith.core.artefacts import Parity
from tunesmith.core.errors import BundleError, TunesmithError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
REFUSED = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EIO, errno.EBUSY}
)


def write_bundle(
    target: str | Path,
    *,
    fill: Callable[[Path], None],
    manifest: Manifest,
    prove: Callable[[Path], Sequence[Parity]] | None = None,
    finish: Callable[[Path, Manifest], None] | None = None,
    replace: bool = False,
) -> Manifest:
    """Write a bundle, whole or not at all.

    Args:
        target: the bundle's folder. An empty folder is taken.
        fill: writes the model, tokenizer, recipe and report into the folder given.
        manifest: what is known; the files are added to it. It is written last.
        prove: reads the sealed folder, before anyone can see it, and returns what it found, which becomes part of
            the manifest; or raises, and nothing ships.
        finish: writes what tells of the proof, such as the card; it is given the folder and the manifest.
        replace: whether a bundle that is there gives way.

    Returns:
        The manifest as written, with all files.

    Raises:
        BundleError: the place cannot be written, is taken, or its disk is full. Nothing is left behind.
    """
    place = check_target(target, replace=replace)
    try:
        with part_folder(place) as part:
            fill(part)
            sealed = seal(part, manifest)
            if prove is not None:
                sealed = seal(part, with_fields(sealed, parity=(*sealed.parity, *prove(part))))
            if finish is not None:
                finish(part, sealed)
                sealed = seal(part, sealed)
            put_in_place(part, place)
            return sealed
    except TunesmithError:
        raise
    except Exception as error:
        told = _in_words(error, place)
        if told is None:
            raise
        raise told from error


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Hash every file of the folder and write ``tunesmith.json``.

    Raises:
        BundleError: a file in it may be a pickle.
    """
    sealed = with_fields(manifest, files=records_of(folder))
    text = json.dumps(sealed.to_json(), ensure_ascii=False, indent=2, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", "utf-8")
    _same_rights(folder)
    return sealed


def _same_rights(folder: Path) -> None:
    """Give every file the rights of the manifest: safetensors makes files that only their owner can read."""
    rights = (folder / MANIFEST).stat().st_mode & 0o777
    for name in files_in(folder):
        (folder / name).chmod(rights)


def unnumbered(place: Path, start: int = 1, *, replace: bool = False) -> Path:
    """A place, or where that is taken the first of ``PLACE-2``, ``PLACE-3`` ... that is free.

    Args:
        start: 2 where the place itself does not count.
        replace: what is there may give way, so the first will do.
    """
    choices = (place if i == 1 else place.with_name(f"{place.name}-{i}") for i in range(start, 10_000))
    return next(one for one in choices if replace or not one.exists())


def check_target(target: str | Path, *, replace: bool = False, need_bytes: int = 0) -> Path:
    """Whether a bundle can be written there: asked before training starts, so that no run is lost at its end.

    Makes the parent folders.

    Args:
        target: the bundle's folder to be.
        replace: whether a bundle that is there will give way.
        need_bytes: what the bundle will take, if known.

    Returns:
        The resolved path.

    Raises:
        BundleError: the place is taken, its parent cannot be written, or its disk has too little room.
    """
    place = Path(os.path.realpath(target))
    _check_free(place, replace)
    parent = place.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        # Asking the system for rights says yes to root and to read-only disks: try it.
        with tempfile.TemporaryDirectory(prefix=f".{place.name}.", suffix=".probe", dir=parent):
            free = shutil.disk_usage(parent).free
    except OSError as error:
        raise BundleError(
            f"The bundle {place} cannot be written: {error.strerror} ({error.filename}).",
            "Set bundle= to a folder that you may write to.",
        ) from error
    if free < need_bytes:
        raise BundleError(
            f"The disk of {parent} has {free / 1e6:.0f} MB left; the bundle needs about {need_bytes / 1e6:.0f} MB.",
            "Make room, or set bundle= to a folder on another disk.",
        )
    return place


def write_model(folder: Path, model: Any, processor: Any, base: Mapping[str, Any] | None = None) -> None:
    """The plain Hugging Face part: ``config.json`` (with id2label), ``model.safetensors``, the tokenizer's files.

    An adapter is the method's to write, into ``folder / ADAPTER``.

    Args:
        folder: what ``fill`` of ``write_bundle`` is given.
        model: a transformers model, its method's parts merged. A shortened mean layer is made whole again.
        processor: its tokenizer.
        base: only these weights, into ``folder / BASE``: the model has parts that no plain one has. Nothing but the
            tokenizer is then where transformers looks for a model, so that none is loaded without those parts.
    """
    from tunesmith.models.heads import mean
    from tunesmith.models.load import quiet

    mean.restore(model)
    with quiet():
        if base is None:
            model.save_pretrained(folder)
        else:
            model.save_pretrained(folder / BASE, state_dict=dict(base))
        processor.save_pretrained(folder)


def write_members(folder: Path, model: Any, processor: Any) -> None:
    """An ensemble: its members as plain Hugging Face folders, their weights, and the tokenizer's files.

    Args:
        folder: what ``fill`` of ``write_bundle`` is given.
        model: a ``models.together.Together``.
    """
    from tunesmith.models.heads import mean
    from tunesmith.models.load import quiet

    with quiet():
        for i, member in enumerate(model.members):
            mean.restore(member)
            member.save_pretrained(folder / MEMBERS / str(i))
        processor.save_pretrained(folder)
    (folder / MEMBERS / MEMBER_WEIGHTS).write_text(json.dumps(model.shares), "utf-8")


def write_routes(folder: Path, model: Any, processor: Any) -> None:
    """A model with an adapter a task: the base once, as a plain Hugging Face folder, each adapter, and the router.

    Args:
        folder: what ``fill`` of ``write_bundle`` is given.
        model: a ``models.routed.Routed``, its adapters read by ``methods.beside``.
    """
    from safetensors.torch import save_file

    from tunesmith.methods.beside import write
    from tunesmith.models.heads import mean
    from tunesmith.models.load import quiet

    mean.restore(model)
    with quiet():
        model.looking.base.save_pretrained(folder / BASE)
        processor.save_pretrained(folder)
    for number, adapter in enumerate(model.adapters, 1):
        write(adapter, folder / ROUTES / str(number), adapter.record, adapter.classes)
    save_file(model.router.known.tensors(), folder / ROUTES / ROUTER)


def _check_free(place: Path, replace: bool) -> None:
    if place.is_file():
        raise BundleError(f"The bundle's place {place} is a file.", "Name a folder: bundle=out/name")
    if not place.is_dir() or not any(place.iterdir()):
        return
    if not (place / MANIFEST).is_file():
        raise BundleError(
            f"{place} holds other files and is no bundle; it is not written over.",
            "Name another folder: bundle=out/name",
        )
    if not replace:
        raise BundleError(
            f"{place} is a bundle already.",
            "Name another folder (bundle=out/name), or replace it: --replace, in Python replace=True.",
        )


def _in_words(error: Exception, place: Path) -> BundleError | None:
    """What to tell if the disk or the place is at fault; None for any other error."""
    number = _error_number(error)
    if number in FULL:
        return BundleError(
            f"The disk is full ({os.strerror(number)}): the bundle {place} was not written, and nothing is left of it.",
            "Make room, or set bundle= to a folder on another disk.",
        )
    if number in REFUSED:
        return BundleError(
            f"The bundle {place} cannot be written: {os.strerror(number)}.",
            "Set bundle= to a folder that you may write to.",
        )
    return None


def _error_number(error: BaseException | None) -> int:
    """The system's error number; libraries written in Rust have it only in their message."""
    while error is not None:
        if isinstance(error, OSError) and error.errno:
            return error.errno
        found = re.search(r"os error (\d+)|code: (\d+)", str(error))
        if found:
            return int(found[1] or found[2])
        error = error.__cause__
    return 0
