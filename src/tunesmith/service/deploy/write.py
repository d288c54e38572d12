"""Everything of a deployment, as files in a folder."""

from __future__ import annotations

import json
import shutil
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import yaml

from tunesmith import __version__
from tunesmith.core.errors import BundleError, TunesmithError
from tunesmith.service.deploy import compose as composed
from tunesmith.service.deploy import docker, helm, rules
from tunesmith.service.deploy.dashboard import dashboard
from tunesmith.service.deploy.docker import Image
from tunesmith.service.deploy.kubernetes import Deployed, manifests

EXTRAS = {"torch": "serve,train", "onnx": "serve,onnx", "openvino": "serve,openvino"}
"""A bundle's runtime -> what must be installed to compute it."""
IGNORED = ".dockerignore"


def files(kind: str, product: str, image: str, runtime: str) -> dict[str, str]:
    """Relative name -> text.

    Args:
        kind: "docker", "compose" or "kubernetes"; each has what the one before has.
        product: the name that clients ask.
        image: with its tag.
        runtime: of the bundle, by its registered name.
    """
    made = Image(product, extras=EXTRAS.get(runtime, f"serve,train,{runtime}"), package=f"tunesmith=={__version__}")
    found = {
        "Dockerfile": docker.cpu(made),
        "Dockerfile.cuda": docker.cuda(made),
        IGNORED: docker.ignored(),
        "catalog.yaml": docker.catalog(made, alone=kind != "kubernetes"),
    }
    watching = {"tunesmith.rules.yml": _yaml(rules.rules()), "grafana/tunesmith.json": _json(dashboard())}
    if kind == "compose":
        found |= watching
        found |= {
            "compose.yaml": _yaml(composed.compose()),
            "prometheus.yml": _yaml(rules.scraping()),
            "grafana/datasource.yaml": _yaml(composed.datasource()),
            "grafana/provider.yaml": _yaml(composed.provider()),
        }
    if kind == "kubernetes":
        found |= watching
        name = product.replace(".", "-").replace("_", "-").lower()
        one = Deployed(name if name[0].isalpha() else f"tunesmith-{name}", image)  # a Service begins with a letter
        every = manifests(one)
        found |= {f"manifests/{i}-{m['kind'].lower()}.yaml": _yaml(m) for i, m in enumerate(every)}
        found |= {f"chart/{name}": text for name, text in helm.chart(one.name, image, __version__).items()}
    return found


def write(kind: str, bundle: Path, folder: Path, product: str, image: str, runtime: str) -> list[str]:
    """Write the files, and the bundle beside them; names in order.

    Raises:
        TunesmithError: the folder is taken, or cannot be written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise TunesmithError(f"{folder} is not empty.", "Name another --output, or empty it.")
    made = files(kind, product, image, runtime)
    try:
        for name, text in made.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        (folder / "constraints.txt").write_text(constraints(), "utf-8")
        shutil.copytree(bundle, folder / "bundle")
    except OSError as error:
        why = f"{folder} cannot be written: {error.strerror or error}."
        raise BundleError(why, "Name another --output.") from error
    return sorted([*made, "constraints.txt", "bundle/"])


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
