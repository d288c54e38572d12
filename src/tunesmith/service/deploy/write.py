"""Everything of a deployment, as files in a folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tunesmith import __version__
from tunesmith.core.errors import BundleError, TunesmithError
from tunesmith.service.deploy import compose as composed
from tunesmith.service.deploy import docker, helm, rules
from tunesmith.service.deploy.alertmanager import receivers
from tunesmith.service.deploy.dashboard import dashboard
from tunesmith.service.deploy.docker import Image
from tunesmith.service.deploy.kubernetes import Deployed, manifests, memory_for, tries_for
from tunesmith.service.deploy.package import is_wheel, placed

if TYPE_CHECKING:
    from tunesmith.bundle.read import Bundle

EXTRAS = {"torch": "serve,train", "onnx": "serve,onnx", "openvino": "serve,openvino"}
"""A bundle's runtime -> what must be installed to compute it."""
MEDIA = frozenset({"image", "audio"})
"""Kinds of columns that are files."""
ON_GPUS = frozenset({"torch"})
"""Runtimes whose package, as it is installed here, computes on GPUs."""
IGNORED = ".dockerignore"


@dataclass(frozen=True)
class Needs:
    """What a bundle needs where it answers.

    Args:
        runtime: by its registered name.
        media: whether its rows have pictures or sounds.
        gpus: of a replica; 0: it computes on CPUs.
        weights: bytes of the bundle's files.
    """

    runtime: str
    media: bool = False
    gpus: int = 0
    weights: int = 0

    def __post_init__(self) -> None:
        if self.gpus and self.runtime not in ON_GPUS:
            raise TunesmithError(
                f"--gpus {self.gpus}: a bundle of {self.runtime} would compute on CPUs there.",
                "Leave it out, or deploy the bundle that it was shrunk from.",
            )

    @property
    def extras(self) -> str:
        """Of tunesmith."""
        return EXTRAS.get(self.runtime, "serve,train") + (",media" if self.media else "")


def needs_of(bundle: Bundle, gpus: int = 0) -> Needs:
    """As its manifest and its task say.

    Raises:
        TunesmithError: GPUs, and a runtime that would not use them.
    """
    weights = sum(file.stat().st_size for file in Path(bundle.path).rglob("*") if file.is_file())
    media = any(one.kind in MEDIA for one in bundle.task.columns)
    return Needs(bundle.manifest.runtime.name, media, gpus, weights)


def files(kind: str, product: str, image: str, needs: Needs, package: str) -> dict[str, str]:
    """Relative name -> text.

    Args:
        kind: "docker", "compose" or "kubernetes"; each has what the one before has.
        product: the name that clients ask.
        image: with its tag.
        needs: the bundle's.
        package: what is installed: a requirement, or the name of a wheel beside the Dockerfile.
    """
    made = Image(product, extras=needs.extras, package=package)
    found = {
        "Dockerfile": docker.cpu(made),
        "Dockerfile.cuda": docker.cuda(made),
        IGNORED: docker.ignored(made),
        "catalog.yaml": docker.catalog(made, alone=kind != "kubernetes"),
    }
    watching = {"tunesmith.rules.yml": _yaml(rules.rules(product)), "grafana/tunesmith.json": _json(dashboard())}
    if kind == "compose":
        found |= watching
        found |= {
            "compose.yaml": _yaml(composed.compose(needs.gpus)),
            "prometheus.yml": _yaml(rules.scraping()),
            "alertmanager.yml": receivers(),
            "grafana/datasource.yaml": _yaml(composed.datasource()),
            "grafana/provider.yaml": _yaml(composed.provider()),
        }
    if kind == "kubernetes":
        found |= watching
        name = product.replace(".", "-").replace("_", "-").lower()
        own = name if name[0].isalpha() else f"tunesmith-{name}"  # a Service begins with a letter
        one = Deployed(own, image, gpus=needs.gpus, memory=memory_for(needs.weights), tries=tries_for(needs.weights))
        found["catalog.yaml"] += f"limits: redis://{own}-redis:6379\n"  # unless the Secret says otherwise
        every = manifests(one)
        found |= {f"manifests/{i}-{m['kind'].lower()}.yaml": _yaml(m) for i, m in enumerate(every)}
        found |= {f"chart/{name}": text for name, text in helm.chart(one, __version__).items()}
    return found


def write(
    kind: str, bundle: Path, folder: Path, product: str, image: str, needs: Needs, package: str | None = None
) -> list[str]:
    """Write the files, and the bundle beside them; names in order.

    Args:
        package: what is installed: a wheel's path, or a requirement; None: what runs here.

    Raises:
        TunesmithError: the folder is taken, or cannot be written; there is no such wheel.
    """
    if folder.exists() and any(folder.iterdir()):
        raise TunesmithError(f"{folder} is not empty.", "Name another --output, or empty it.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        wanted = placed(package, folder)
        made = files(kind, product, image, needs, wanted)
        for name, text in made.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        (folder / "constraints.txt").write_text(constraints(), "utf-8")
        shutil.copytree(bundle, folder / "bundle")
    except OSError as error:
        why = f"{folder} cannot be written: {error.strerror or error}."
        raise BundleError(why, "Name another --output.") from error
    return sorted([*made, "constraints.txt", "bundle/", *([wanted] if is_wheel(wanted) else ())])


def constraints() -> str:
    """The versions that this release was tested with."""
    for path in _constraint_files():
        if path.is_file():
            return path.read_text("utf-8")
    return ""


def _constraint_files() -> list[Path]:
    found = [Path(str(resources.files("tunesmith"))).parents[1] / "constraints.txt"]
    try:
        listed = metadata.files("tunesmith") or []
    except metadata.PackageNotFoundError:
        listed = []
    return [*found, *(Path(str(one.locate())) for one in listed if one.name == "constraints.txt")]


def _yaml(values: Any) -> str:
    text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
    return text


def _json(values: Any) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"
