"""Images: one for CPUs, one for CUDA, neither run by root."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tunesmith.service.deploy.package import is_wheel, requirement

USER = 10001
"""Of the process inside, and of its files."""
PORT = 8000


@dataclass(frozen=True)
class Image:
    """What is put into an image.

    Args:
        product: the name that clients ask.
        bundle: the folder beside the Dockerfile that holds the bundle.
        extras: of tunesmith, that the bundle's runtime and task need.
        package: what pip installs: a requirement, or the name of a wheel beside the Dockerfile.
    """

    product: str
    bundle: str = "bundle"
    extras: str = "serve,train"
    package: str = "tunesmith"


def catalog(image: Image, alone: bool) -> str:
    """``catalog.yaml`` inside the image. The store comes from the environment, so that no secret is in an image.

    Args:
        alone: whether one container serves, not several.
    """
    server = f"host: 0.0.0.0, port: {PORT}, open: false, folder: /data"
    return f"""\
products:
  {json.dumps(image.product)}: {{versions: {{"1": /app/{image.bundle}}}, policy: served}}
policies:
  served: {{redact: true}}  # and keep: true, to label what is asked: docs/feedback.md
server: {{{server if alone else f"{server}, alone: false"}}}
watch: {{logs: json}}
"""


def cpu(image: Image) -> str:
    """The Dockerfile for CPUs."""
    return _dockerfile(image, "python:3.12-slim", "--extra-index-url https://download.pytorch.org/whl/cpu", "")


def cuda(image: Image) -> str:
    """The Dockerfile for NVIDIA's GPUs: the driver is the host's."""
    python = """\
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv \\
    && rm -rf /var/lib/apt/lists/*
"""
    return _dockerfile(image, "nvidia/cuda:12.8.1-runtime-ubuntu24.04", "", python)


def _dockerfile(image: Image, base: str, index: str, system: str) -> str:
    find = f" {index}" if index else ""
    wheel = f"COPY {image.package} /tmp/{image.package}\n" if is_wheel(image.package) else ""
    return f"""\
FROM {base} AS build
{system}COPY constraints.txt /tmp/constraints.txt
{wheel}RUN python3 -m venv /venv \\
    && /venv/bin/pip install --no-cache-dir{find} -c /tmp/constraints.txt "{requirement(image.package, image.extras)}"

FROM {base}
{system}RUN groupadd --gid {USER} app && useradd --uid {USER} --gid {USER} --no-create-home --home-dir /data app \\
    && mkdir /data && chown {USER}:{USER} /data
COPY --from=build /venv /venv
COPY catalog.yaml /app/catalog.yaml
COPY {image.bundle} /app/{image.bundle}
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1
ENV TUNESMITH_STORE=sqlite:////data/tunesmith.db
USER {USER}:{USER}
WORKDIR /data
VOLUME /data
EXPOSE {PORT}
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD \\
    ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:{PORT}/readyz', timeout=2)"]
ENTRYPOINT ["tunesmith", "serve", "/app/catalog.yaml", "--host", "0.0.0.0", "--keys"]
"""


def ignored(image: Image) -> str:
    """``.dockerignore``: nothing but what is copied goes to the builder."""
    copied = (image.bundle, "catalog.yaml", "constraints.txt", *([image.package] if is_wheel(image.package) else ()))
    return "".join(f"{line}\n" for line in ("*", *(f"!{name}" for name in copied)))
