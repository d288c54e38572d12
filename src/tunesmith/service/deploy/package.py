"""What an image installs as tunesmith: a version of the index, or a wheel that lies beside the Dockerfile."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import zipfile
from importlib import metadata
from importlib.metadata import Distribution
from pathlib import Path

from tunesmith import __version__
from tunesmith.core.errors import TunesmithError

NAMED = re.compile(r"(?P<name>tunesmith)\s*(?:\[(?P<extras>[^\]]*)\])?\s*(?P<rest>(?:[@=<>!~;].*)?)", re.IGNORECASE)
"""A requirement of tunesmith: its name, its extras, its versions or address."""
TAG = "py3-none-any"
HOW = 'Give --package a wheel (tunesmith-*.whl), or a requirement such as "tunesmith==0.1.0".'


def requirement(package: str, extras: str) -> str:
    """What pip is given.

    Args:
        package: a requirement, or the file name of a wheel, which is in ``/tmp`` then.
        extras: with commas.

    Raises:
        TunesmithError: it is neither.

    >>> requirement("tunesmith==0.1.0", "serve,train")
    'tunesmith[serve,train]==0.1.0'
    >>> requirement("tunesmith-0.1.0-py3-none-any.whl", "serve")
    'tunesmith[serve] @ file:///tmp/tunesmith-0.1.0-py3-none-any.whl'
    """
    if is_wheel(package):
        return f"tunesmith[{extras}] @ file:///tmp/{package}"
    found = NAMED.fullmatch(package.strip())
    if found is None or '"' in package or "\n" in package:
        raise TunesmithError(f"--package {package!r} is no requirement of tunesmith.", HOW)
    own = [one.strip() for one in (found["extras"] or "").split(",") if one.strip()]
    every = ",".join(dict.fromkeys([*extras.split(","), *own]))
    rest = f" {found['rest']}" if found["rest"].startswith("@") else found["rest"]
    return f"{found['name']}[{every}]{rest}"


def is_wheel(package: str) -> bool:
    """Whether it names a wheel, not a requirement.

    >>> is_wheel("dist/tunesmith-0.1.0-py3-none-any.whl"), is_wheel("tunesmith @ https://a.example/tunesmith-1.whl")
    (True, False)
    """
    return package.endswith(".whl") and "://" not in package


def placed(package: str | None, folder: Path) -> str:
    """What to install, and the file for it in the folder, where it is one.

    Args:
        package: a wheel's path, or a requirement; None: what runs here. A release of the index is taken from there;
            anything else, a checkout say, cannot be had elsewhere, so a wheel is made of it.
        folder: beside the Dockerfile.

    Returns:
        A requirement, or the file name of the wheel.

    Raises:
        TunesmithError: there is no such wheel, or it is no requirement.
    """
    if package is None:
        if from_index():
            return f"tunesmith=={__version__}"
        return wheel_of_this(folder).name
    if not is_wheel(package):
        requirement(package, "serve")
        return package
    path = Path(package)
    if not path.is_file() or not path.name.startswith("tunesmith-"):
        raise TunesmithError(f"--package {package}: there is no such wheel of tunesmith.", HOW)
    shutil.copyfile(path, folder / path.name)
    return path.name


def from_index() -> bool:
    """Whether what runs here was installed by its name: pip writes down (PEP 610) where all else came from."""
    try:
        found = metadata.distribution("tunesmith")
    except metadata.PackageNotFoundError:
        return False
    given = found.read_text("direct_url.json")
    here = Path(str(found.locate_file("tunesmith"))).resolve() == _folder()
    return here and not (given and json.loads(given))


def wheel_of_this(folder: Path) -> Path:
    """The package that runs here as a wheel, from its files and what pip knows of it; no network and no build tool.

    Raises:
        TunesmithError: it is not installed, so that nobody knows what it requires.
    """
    try:
        about = metadata.distribution("tunesmith")
    except metadata.PackageNotFoundError as error:
        raise TunesmithError(
            "tunesmith runs here without being installed, so no wheel can be made of it.", HOW
        ) from error
    stem = f"tunesmith-{about.version}"
    files = {f"tunesmith/{name}": text for name, text in _own().items()}
    files |= {f"{stem}.dist-info/{name}": text for name, text in _described(about).items()}
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{name},sha256={_digest(text)},{len(text)}\n" for name, text in files.items()]
    path = folder / f"{stem}-{TAG}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, text in {**files, record: "".join([*lines, f"{record},,\n"]).encode()}.items():
            wheel.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return path


def _folder() -> Path:
    return Path(__file__).resolve().parents[2]


def _own() -> dict[str, bytes]:
    found = sorted(one for one in _folder().rglob("*") if one.is_file() and "__pycache__" not in one.parts)
    return {one.relative_to(_folder()).as_posix(): one.read_bytes() for one in found}


def _described(about: Distribution) -> dict[str, bytes]:
    told = {name: about.read_text(name) for name in ("METADATA", "entry_points.txt")}
    kind = f"Wheel-Version: 1.0\nGenerator: tunesmith {__version__}\nRoot-Is-Purelib: true\nTag: {TAG}\n"
    return {name: text.encode() for name, text in {**told, "WHEEL": kind}.items() if text}


def _digest(text: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode()
