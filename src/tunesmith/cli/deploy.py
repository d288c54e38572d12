"""``tunesmith deploy``: a bundle as an image, with what runs and watches it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json


class Kind(StrEnum):
    """Where it is to run."""

    docker = "docker"
    compose = "compose"
    kubernetes = "kubernetes"


def deploy(
    kind: Annotated[Kind, typer.Argument(help="docker, compose or kubernetes.")],
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="The folder that tune wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder.")] = Path("deploy"),
    name: Annotated[str | None, typer.Option("--name", help="The product's name; default: the folder's.")] = None,
    image: Annotated[str, typer.Option("--image", help="kubernetes: the image, with its tag.")] = "",
    package: Annotated[
        str | None,
        typer.Option(
            "--package",
            help="What the image installs: a wheel of tunesmith, or a requirement.",
            show_default="what runs here",
        ),
    ] = None,
    gpus: Annotated[int, typer.Option("--gpus", min=0, help="Of each replica; 0: it computes on CPUs.")] = 0,
    json: Json = False,
) -> None:
    """Write what builds and runs a service of the bundle; nothing is built and nobody is asked.

    docker: a Dockerfile for CPUs and one for CUDA, both without root. compose: with PostgreSQL, Redis, Prometheus,
    Alertmanager, Grafana. kubernetes: manifests and a Helm chart. The last two have alert rules and a dashboard.

    The image installs the release that runs here; where a checkout runs, a wheel of it, put beside the Dockerfile.
    """
    from tunesmith.bundle.read import read_bundle
    from tunesmith.service.deploy.write import needs_of, write
    from tunesmith.service.opening import refuse_unproven
    from tunesmith.service.settings import of_bundle

    found = read_bundle(bundle)
    refuse_unproven(found)
    (product,) = of_bundle(bundle, name).products  # a name that no catalog takes is refused here
    needs = needs_of(found, gpus)
    made = write(kind.value, found.path, output, product, image or f"{product.lower()}:latest", needs, package)
    told = {"kind": kind.value, "product": product, "folder": str(output), "files": made, "gpus": gpus}
    emit(told, json, _page)


NEXT = {
    "docker": "docker build -f {folder}/{file} -t IMAGE {folder}",
    "compose": "put POSTGRES_PASSWORD and GRAFANA_PASSWORD into {folder}/.env, then: docker compose -f "
    "{folder}/compose.yaml up --build",
    "kubernetes": "docker build -f {folder}/{file} -t IMAGE {folder}, push it, "
    "kubectl create secret generic tunesmith --from-literal=store=URL, then: helm install {product} "
    "{folder}/chart",
}


def _page(told: dict[str, Any]) -> str:
    file = "Dockerfile.cuda" if told["gpus"] else "Dockerfile"
    return "\n".join([*told["files"], "", f"Next: {NEXT[told['kind']].format(**told, file=file)}"])
