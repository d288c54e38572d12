"""What ``tunesmith doctor`` looks at: one function a question, each giving findings."""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from tunesmith.core.errors import TunesmithError
from tunesmith.core.runtime import cores, resolve
from tunesmith.models import hub
from tunesmith.models.cache import cache_folder
from tunesmith.models.packaged import PACKAGED_MODELS

GIB = 2**30
LEAST_MEMORY, LEAST_DISK = 2 * GIB, 2 * GIB
HUB_SECONDS = 2.0
TORCH_FIRST = "pip install torch==2.13.0"


@dataclass(frozen=True)
class Finding:
    """An answer.

    Args:
        name: what was looked at.
        status: "ok"; "note": fine to tune, but worth knowing; "bad": not ready until mended.
        detail: what was found.
        hint: what to do.
    """

    name: str
    status: Literal["ok", "note", "bad"]
    detail: str
    hint: str = ""


def machine() -> Iterator[Finding]:
    """Python, cores, memory and disk."""
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Finding("python", "ok" if good else "bad", version, "" if good else "Tunesmith needs Python 3.11 or newer.")
    yield Finding("cores", "ok", str(cores()))
    memory = available_memory()
    if memory is not None:
        low = memory < LEAST_MEMORY
        hint = "Under 2 GiB: use method=head or a smaller training.batch_size." if low else ""
        yield Finding("memory", "note" if low else "ok", f"{memory / GIB:.1f} GiB available", hint)
    free = shutil.disk_usage(".").free
    low = free < LEAST_DISK
    yield Finding("disk", "note" if low else "ok", f"{free / GIB:.1f} GiB free here", "Free some space." if low else "")


def available_memory() -> int | None:
    """Bytes that a new program can have; None where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            found = re.search(r"MemAvailable:\s+(\d+) kB", file.read())
        return int(found[1]) * 1024 if found else None
    except OSError:
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):
            return None


def torch() -> Iterator[Finding]:
    """PyTorch, the device and the precision that a run would take."""
    if find_spec("torch") is None:
        yield Finding("torch", "bad", "not installed", f"Run first: {TORCH_FIRST}")
        return
    try:
        module = import_module("torch")
        where = resolve()
    except (ImportError, OSError, TunesmithError) as error:
        yield Finding("torch", "bad", f"does not import: {error}", f"Run: {TORCH_FIRST}")
        return
    yield Finding("torch", "ok", str(module.__version__))
    precision = {"bf16": "bf16 (this machine is good at it)", "fp32": "fp32 (no fast bf16 here)"}
    yield Finding("device", "ok", f"{where.device}, {precision[where.precision]}, {where.threads} threads")
    if where.device == "cuda" and (count := module.cuda.device_count()) > 1:
        yield Finding("gpus", "note", f"{count}; training uses one: training.device=cuda:0 to cuda:{count - 1}")


def torchvision() -> Iterator[Finding]:
    """A torchvision that does not fit torch takes transformers down with it."""
    if find_spec("torchvision") is None:
        return
    try:
        import_module("torchvision")
    except Exception as error:  # RuntimeError, "operator torchvision::nms does not exist", and others
        hint = "Run: pip uninstall torchvision"
        yield Finding("torchvision", "bad", f"breaks transformers: {error}".splitlines()[0], hint)
    else:
        yield Finding("torchvision", "note", "installed; tunesmith does not need it")


def extras() -> Iterator[Finding]:
    """Each extra's packages, against the versions that were tried together. Only "train" is needed to tune."""
    for extra, packages in packages_by_extra().items():
        missing = [package for package in packages if version_of(package) is None]
        other = [
            f"{package} {version_of(package)} (tried: {pin})"
            for package in packages
            if (pin := pins().get(package)) and version_of(package) not in (None, pin)
        ]
        name = f"extra {extra}" if extra else "core"
        if missing:
            needed = extra in ("", "train")
            hint = f'Run: pip install "tunesmith[{extra}]"' if extra else "Run: pip install --upgrade tunesmith"
            if "torch" in missing:
                hint = f"Run first: {TORCH_FIRST}; then: {hint.removeprefix('Run: ')}"
            yield Finding(name, "bad" if needed else "note", f"missing: {', '.join(missing)}", hint)
        elif other:
            yield Finding(name, "note", "; ".join(other), "Other versions than those tried; fine if nothing fails.")
        else:
            yield Finding(name, "ok", f"{len(packages)} packages")


def models() -> Iterator[Finding]:
    """The packaged models, and the hub. One way to get a model is enough."""
    installed = {name: PACKAGED_MODELS.load(name) for name in PACKAGED_MODELS}
    reached = hub_state()
    any_model = reached == "reachable" or any(model.installed for model in installed.values())
    for name, model in installed.items():
        if model.installed:
            yield Finding(f"model {name}", "ok", model.revision)
        else:
            status: Literal["note", "bad"] = "note" if any_model else "bad"
            yield Finding(f"model {name}", status, "not installed", model.to_have_it)
    yield Finding("hub", "ok" if reached == "reachable" else "note", reached)


def hub_state() -> str:
    """In words, whether the Hugging Face hub can be asked. Being offline is normal."""
    if hub.offline():
        return "not asked: HF_HUB_OFFLINE is set"
    try:
        address = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=HUB_SECONDS).close()
    except urllib.error.HTTPError:
        return "reachable"
    except (OSError, ValueError):
        return "offline: packaged models, local folders and the hub's local cache still work"
    return "reachable"


def cache_place() -> Iterator[Finding]:
    """Whether converted models and computed features can be kept."""
    try:
        yield Finding("cache", "ok", str(cache_folder()))
    except TunesmithError as error:
        yield Finding("cache", "bad", error.problem, error.hint)


@cache
def packages_by_extra() -> dict[str, list[str]]:
    """Extra -> its packages, from this installation's own metadata; "" holds the core's."""
    from packaging.requirements import Requirement

    found: dict[str, list[str]] = {}
    for text in metadata.requires("tunesmith") or []:
        requirement = Requirement(text)
        named = re.search(r"extra\s*==\s*['\"]([^'\"]+)", text)
        extra = named[1] if named else ""
        here = {"extra": extra, "sys_platform": sys.platform}
        if requirement.marker is not None and not requirement.marker.evaluate(here):
            continue  # pip would not install it on this system or Python: asking for it again helps nobody
        if requirement.name != "tunesmith" and extra not in ("all", "dev"):
            found.setdefault(extra, []).append(normal(requirement.name))
    return found


@cache
def pins() -> dict[str, str]:
    """Package -> the version that was tried together with the others; empty where the list is not shipped."""
    checkout, installed = Path(__file__).parents[3], Path(sysconfig.get_path("data"), "share", "tunesmith")
    for place in (checkout / "constraints.txt", installed / "constraints.txt"):
        if place.is_file():
            lines = (line.partition("#")[0].strip() for line in place.read_text("utf-8").splitlines())
            pairs = (line.partition("==") for line in lines if "==" in line)
            return {normal(name): version for name, _, version in pairs}
    return {}


def version_of(package: str) -> str | None:
    """The installed version without its build tag (``2.13.0+cpu`` -> ``2.13.0``), or None."""
    try:
        return metadata.version(package).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def normal(name: str) -> str:
    """A package's name as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
