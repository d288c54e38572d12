"""A bundle is whole or absent: also when the writer is killed, the disk is full, or the place is taken."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tunesmith.bundle import atomic, write
from tunesmith.bundle.integrity import records_of
from tunesmith.bundle.layout import MANIFEST, Manifest
from tunesmith.bundle.read import read_bundle
from tunesmith.bundle.write import check_target, write_bundle
from tunesmith.core.artefacts import Parity
from tunesmith.core.errors import BundleError

Fill = Callable[[Path], None]

WRITER = """
import sys, time
from pathlib import Path
from tunesmith.bundle import write, atomic
from tunesmith.bundle.layout import Manifest, MethodRecord, TaskRecord

stage, target = sys.argv[1], Path(sys.argv[2])

def stop(name):
    if name == stage:
        print("there", flush=True)
        time.sleep(60)

def fill(folder):
    stop("before")
    (folder / "model.safetensors").write_bytes(b"new" * 100_000)
    stop("filled")
    (folder / "config.json").write_text("{}")

def watch(module, name):
    plain = getattr(module, name)
    def slowly(*given):
        stop(name)
        done = plain(*given)
        stop(name + " done")
        return done
    setattr(module, name, slowly)

watch(write, "seal")
watch(atomic, "fsync_tree")
watch(atomic, "exchange")
watch(atomic.os, "rename")
manifest = Manifest(task=TaskRecord("text-classification"), method=MethodRecord("full"))
write.write_bundle(target, fill=fill, manifest=manifest, replace=True)
stop("written")
"""


def small(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"old")
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter_config.json").write_text("{}")


def leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name.startswith("."))


def test_written_whole_with_every_hash(tmp_path: Path, manifest: Manifest) -> None:
    written = write_bundle(tmp_path / "deep" / "out", fill=small, manifest=manifest)
    assert set(written.files) == {"model.safetensors", "adapter/adapter_config.json"}
    assert read_bundle(tmp_path / "deep" / "out").manifest == written
    assert leftovers(tmp_path / "deep") == []
    on_disk = json.loads((tmp_path / "deep" / "out" / MANIFEST).read_text("utf-8"))
    assert list(on_disk)[0] == "format_version"
    assert on_disk["task"]["state"]["labels"][2] == "不好"


def test_proof_before_anyone_can_see_it(tmp_path: Path, manifest: Manifest) -> None:
    place = tmp_path / "out"
    seen: list[Parity] = []

    def prove(folder: Path) -> list[Parity]:
        assert not place.exists()
        assert read_bundle(folder).manifest.parity == ()
        return [Parity("save and reload", 2, 0.0, 1.0, 1e-4, True)]

    def finish(folder: Path, sealed: Manifest) -> None:
        seen.extend(sealed.parity)
        (folder / "README.md").write_text("proven", "utf-8")

    write_bundle(place, fill=small, manifest=manifest, prove=prove, finish=finish)
    bundle = read_bundle(place)
    assert list(bundle.manifest.parity) == seen
    assert seen[0].handoff == "save and reload"
    assert "README.md" in bundle.manifest.files


@pytest.mark.parametrize("error", [BundleError("does not hold", "mend it"), ValueError("a bug"), KeyboardInterrupt()])
def test_nothing_ships_and_nothing_stays_when_a_step_fails(
    tmp_path: Path, manifest: Manifest, error: BaseException
) -> None:
    def prove(folder: Path) -> list[Parity]:
        raise error

    with pytest.raises(type(error)) as caught:
        write_bundle(tmp_path / "out", fill=small, manifest=manifest, prove=prove)
    assert caught.value is error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("has_exchange", [True, False])
def test_replaces_a_bundle_only_when_asked(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch, has_exchange: bool
) -> None:
    if not has_exchange:
        monkeypatch.setattr(atomic, "exchange", lambda one, other: False)
    place = tmp_path / "out"
    write_bundle(place, fill=small, manifest=manifest)
    with pytest.raises(BundleError, match="is a bundle already"):
        write_bundle(place, fill=small, manifest=manifest)
    new = replace(manifest, max_length=99)
    write_bundle(place, fill=lambda folder: (folder / "new.txt").write_text("新") and None, manifest=new, replace=True)
    assert read_bundle(place).manifest.max_length == 99
    assert not (place / "model.safetensors").exists()
    assert leftovers(tmp_path) == []


def test_place_taken_by_something_else(tmp_path: Path, manifest: Manifest) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(BundleError, match="holds other files"):
        check_target(tmp_path / "notes", replace=True)
    with pytest.raises(BundleError, match="is a file"):
        check_target(tmp_path / "notes" / "mine.txt", replace=True)
    (tmp_path / "empty").mkdir()
    write_bundle(tmp_path / "empty", fill=small, manifest=manifest)
    assert read_bundle(tmp_path / "empty")


def test_unwritable_parent_is_told_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot be written") as caught:
        check_target(tmp_path / "file" / "deep" / "out")
    assert "bundle=" in caught.value.hint
    with pytest.raises(BundleError, match="MB left"):
        check_target(tmp_path / "out", need_bytes=10**18)
    assert check_target(tmp_path / "out") == (tmp_path / "out").resolve()
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("where", ["fill", "fsync", "rust"])
def test_full_disk(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch, number: int, where: str
) -> None:
    def full(*_: Any) -> None:
        if where == "rust":
            raise RuntimeError(f"Error while serializing: I/O error: {os.strerror(number)} (os error {number})")
        raise OSError(number, os.strerror(number))

    if where == "fsync":
        monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(BundleError, match="The disk is full") as caught:
        write_bundle(tmp_path / "out", fill=small if where == "fsync" else full, manifest=manifest)
    assert "another disk" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_full_disk_under_a_real_limit(tmp_path: Path, folder: Path) -> None:
    """The system itself refuses to write on: by safetensors' own writer, and leaving the old bundle as it was."""
    code = f"""
import resource, signal, torch
from pathlib import Path
from safetensors.torch import save_file
from tunesmith.bundle.read import read_bundle
from tunesmith.bundle.write import write_bundle
from tunesmith.core.errors import BundleError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
place = Path({str(folder)!r})
fill = lambda f: save_file({{"w": torch.zeros(1_000_000)}}, f / "model.safetensors")
try:
    write_bundle(place, fill=fill, manifest=read_bundle(place).manifest, replace=True)
except BundleError as error:
    print(error.problem)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "The disk is full" in done.stdout, done.stderr
    assert read_bundle(folder)
    assert leftovers(folder.parent) == []


STAGES = ["before", "filled", "seal", "seal done", "fsync_tree", "fsync_tree done", "written"]


@pytest.mark.parametrize("stage", [*STAGES, "exchange", "exchange done"])
def test_killed_writer_leaves_the_old_bundle_or_the_new_one(tmp_path: Path, manifest: Manifest, stage: str) -> None:
    place = tmp_path / "out"
    write_bundle(place, fill=small, manifest=manifest)
    _kill_at(stage, place)
    new = read_bundle(place).manifest.files["model.safetensors"].bytes == 300_000
    assert new == (stage in ("written", "exchange done"))
    assert leftovers(tmp_path) == [] if stage == "written" else len(leftovers(tmp_path)) == 1
    write_bundle(place, fill=small, manifest=manifest, replace=True)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("stage", [*STAGES, "rename", "rename done"])
def test_killed_writer_leaves_no_half_bundle(tmp_path: Path, manifest: Manifest, stage: str) -> None:
    place = tmp_path / "out"
    _kill_at(stage, place)
    if stage in ("rename done", "written"):
        assert read_bundle(place)
    else:
        assert not place.exists()
        with pytest.raises(BundleError, match="no such folder"):
            read_bundle(place)
    write_bundle(place, fill=small, manifest=manifest, replace=True)
    assert leftovers(tmp_path) == []


def test_folders_of_living_writers_are_left_alone(tmp_path: Path, manifest: Manifest) -> None:
    place = tmp_path / "out"
    child = _started("filled", place)
    try:
        write_bundle(place, fill=small, manifest=manifest)
        assert leftovers(tmp_path) == [f".out.{child.pid}.part"]
    finally:
        child.kill()
        child.communicate()
    assert [p.name for p in atomic.clean_stale(place)] == [f".out.{child.pid}.part"]


def test_bundle_set_aside_by_a_killed_writer_comes_back(tmp_path: Path, manifest: Manifest) -> None:
    place = tmp_path / "out"
    write_bundle(place, fill=small, manifest=manifest)
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    place.rename(tmp_path / f".out.{child.stdout.strip()}.old")
    assert atomic.clean_stale(place) == []
    assert read_bundle(place)


def test_pickles_do_not_get_in(tmp_path: Path, manifest: Manifest) -> None:
    with pytest.raises(BundleError, match="pickle"):
        write_bundle(tmp_path / "out", fill=lambda f: (f / "a.bin").write_bytes(b"") and None, manifest=manifest)
    assert list(tmp_path.iterdir()) == []


def test_hidden_files_are_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").write_text("")
    (tmp_path / "a.txt").write_text("é")
    assert {name: record.bytes for name, record in records_of(tmp_path).items()} == {"a.txt": 2}


def test_error_numbers_are_found_in_causes_only() -> None:
    assert write._error_number(ValueError("no number")) == 0
    try:
        try:
            raise OSError(errno.ENOSPC, "full")
        except OSError as error:
            raise RuntimeError("cannot save") from error
    except RuntimeError as error:
        assert write._error_number(error) == errno.ENOSPC


def _started(stage: str, place: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", WRITER, stage, str(place)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "there\n"
    return child


def _kill_at(stage: str, place: Path) -> None:
    child = _started(stage, place)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()


def test_an_empty_folder_gives_way_where_nothing_is_renamed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows."""
    from tunesmith.bundle import atomic

    rename = atomic.os.rename

    def strict(one: Path, other: Path) -> None:
        if Path(other).exists():
            raise FileExistsError(other)
        rename(one, other)

    monkeypatch.setattr(atomic.os, "rename", strict)
    part, target = tmp_path / "part", tmp_path / "out"
    part.mkdir()
    (part / "file").write_text("whole", "utf-8")
    target.mkdir()
    atomic.put_in_place(part, target)
    assert (target / "file").read_text("utf-8") == "whole"
