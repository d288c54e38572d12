"""``catalog.yaml``: what is served, to whom, under which rules. Everything has a default."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from tunesmith.core.errors import RecipeError, did_you_mean
from tunesmith.service.jobs.settings import JobSettings
from tunesmith.service.replicas.settings import Replicas
from tunesmith.service.request_log import LogSettings
from tunesmith.service.safety.policy import Policy
from tunesmith.service.watching.settings import Watch
from tunesmith.service.writing.settings import WritingSettings

STORE = "sqlite:///tunesmith.db"
_SQLITE = re.compile(r"^(sqlite(?:\+\w+)?:///)(?!:memory:|file:)([^/?][^?]*)")

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Of a product, a version, a plan: it stands in URLs and in file names."""


class Part(BaseModel):
    """A block: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Canary(Part):
    """A version that gets a share of the requests."""

    version: Name
    share: float = Field(gt=0, lt=1)


class Route(Part):
    """Which version answers."""

    stable: Name
    canary: Canary | None = None
    shadow: Name | None = None
    """It is asked too, after the answer, and only compared."""

    def names(self) -> list[str]:
        """All versions that it needs."""
        return [self.stable, *([self.canary.version] if self.canary else []), *([self.shadow] if self.shadow else [])]


def _short(value: Any) -> Any:
    """``intents: out/intents`` is one version."""
    return {"versions": {"1": value}} if isinstance(value, str | Path) else value


class ProductSpec(Part):
    """A product: versions of a bundle under one name."""

    versions: dict[Name, Path] = Field(min_length=1)
    """Version -> the bundle's folder."""
    stable: Name | None = None
    """The version that answers; the last one, where it is not said."""
    canary: Canary | None = None
    shadow: Name | None = None
    policy: str = ""
    runtime: str = "auto"
    unproven: bool = False
    """Serve a bundle whose parity record is missing or failed."""
    deadline: float | None = Field(default=None, gt=0, le=600)
    summary: str = ""
    """For people, on the page."""

    def route(self) -> Route:
        """Which version answers, before anybody changes it."""
        return Route(stable=self.stable or list(self.versions)[-1], canary=self.canary, shadow=self.shadow)

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in self.route().names():
            if name not in self.versions:
                raise ValueError(f'version "{name}" is not there. {did_you_mean(name, self.versions)}')
        return self


class PerWindow(Part):
    """How much in a minute, a day, a calendar month (UTC). Absent: any."""

    minute: int | None = Field(default=None, gt=0)
    day: int | None = Field(default=None, gt=0)
    month: int | None = Field(default=None, gt=0)


class Price(Part):
    """What a plan costs."""

    request: Decimal = Decimal(0)
    thousand_tokens: Decimal = Decimal(0)
    month: Decimal = Decimal(0)
    currency: str = "EUR"


class Plan(Part):
    """What a key may use, and what it pays."""

    requests: PerWindow = PerWindow()
    tokens: PerWindow = PerWindow()
    price: Price = Price()


class Batching(Part):
    """How much is computed together, and how much may wait."""

    rows: int = Field(default=32, gt=0)
    """Requests' rows, or windows of them, that are taken from the queue at once."""
    tokens: int = Field(default=4096, gt=0)
    """The same in tokens. A runtime computes them in batches of its own size."""
    waiting: int = Field(default=400_000, gt=0)
    """Tokens that may wait: what bounds memory."""
    deadline: float = Field(default=10.0, gt=0, le=600)
    """Seconds from a request's arrival to its answer, where a product names none."""


class Tls(Part):
    """Files of a certificate and its key."""

    certificate: Path
    key: Path


class Server(Part):
    """Where it listens, and who may ask."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    open: bool | None = None
    """True: no keys are asked for. None: only on this machine itself (a loopback address)."""
    cors: list[str] = []
    """Origins of web pages that may call the service."""
    tls: Tls | None = None
    folder: Path = Path("tunesmith-service")
    """Where the service keeps its files: usage on its way into the store, uploads, what an admin changed."""
    fsync: bool = False
    """Whether each answer waits until its usage is on the disk, for what a loss of power must not cost."""
    alone: bool = True
    """Whether no other process serves this catalog. False, as behind a load balancer: what would change one of them
    alone (files, jobs, routes) is refused, and the store and the counts must be those of all."""
    shutdown: float = Field(default=30.0, ge=0)
    """Seconds that running requests have after SIGTERM."""

    def is_open(self) -> bool:
        """Whether no keys are asked for."""
        loopback = self.host == "localhost" or self.host.startswith("127.") or self.host == "::1"
        return loopback if self.open is None else self.open


def _list_of_products(value: Any) -> Any:
    return {key: _short(one) for key, one in value.items()} if isinstance(value, dict) else value


class Catalog(Part):
    """The file."""

    products: Annotated[dict[Name, ProductSpec], BeforeValidator(_list_of_products)] = Field(min_length=1)
    plans: dict[Name, Plan] = {}
    policies: dict[Name, Policy] = {}
    store: str | None = None
    """Keys, usage, feedback: an SQLAlchemy URL, SQLite or PostgreSQL. None: none where no keys are asked for, else
    ``sqlite:///tunesmith.db``, beside the catalog."""
    limits: str = "memory://"
    """Where requests are counted against plans: memory:// or redis://host:port."""
    server: Server = Server()
    batching: Batching = Batching()
    writing: WritingSettings = WritingSettings()
    jobs: JobSettings = JobSettings()
    request_log: LogSettings | None = None
    watch: Watch = Watch()
    replicas: Replicas = Replicas()
    folder: Annotated[Path, Field(exclude=True)] = Path()
    """The catalog's own, to which files are relative."""

    def store_url(self) -> str | None:
        """Where keys and usage are; None: nowhere."""
        return self.store or (None if self.server.is_open() else self.usual_store())

    def usual_store(self) -> str:
        """Where keys and usage are if nobody says: a file beside the catalog."""
        return beside(STORE, self.folder)

    def policy(self, product: str) -> Policy:
        """A product's."""
        spec = self.products.get(product)
        return self.policies[spec.policy] if spec and spec.policy else Policy()

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name, product in self.products.items():
            if product.policy and product.policy not in self.policies:
                said = did_you_mean(product.policy, self.policies)
                raise ValueError(f'products.{name}.policy "{product.policy}" is not there. {said}')
        for name, policy in self.policies.items():
            for one in (*policy.prompts, *policy.outputs):
                if one.classifier is not None and one.classifier not in self.products:
                    said = did_you_mean(one.classifier, self.products)
                    why = f'the filter "{one.name}" asks the product "{one.classifier}", which is not there.'
                    raise ValueError(f"policies.{name}: {why} {said}")
        return self


def read_catalog(path: str | Path) -> Catalog:
    """A catalog file; relative paths in it are relative to its folder.

    Raises:
        RecipeError: it cannot be read, or something in it is wrong; all of it is said at once.
    """
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(
            f"{path} cannot be read: {' '.join(str(error).split())}", "A catalog is YAML in UTF-8."
        ) from error
    catalog = checked(values, str(path))
    products = {
        name: one.model_copy(update={"versions": {v: path.parent / p for v, p in one.versions.items()}})
        for name, one in catalog.products.items()
    }
    return catalog.model_copy(update={"products": products, "folder": path.parent, **_files(catalog, path.parent)})


def _files(catalog: Catalog, folder: Path) -> dict[str, Any]:
    """What else of a catalog names files: a verb finds them from wherever it is called."""
    server: dict[str, Any] = {"folder": folder / catalog.server.folder}
    if tls := catalog.server.tls:
        server["tls"] = tls.model_copy(update={"certificate": folder / tls.certificate, "key": folder / tls.key})
    found: dict[str, Any] = {"server": catalog.server.model_copy(update=server)}
    if catalog.store:
        found["store"] = beside(catalog.store, folder)
    if log := catalog.request_log:
        found["request_log"] = log.model_copy(update={"path": folder / log.path})
    return found


def beside(store: str, folder: Path) -> str:
    """A store's URL, the file of an SQLite in a folder where its name is relative.

    >>> beside("sqlite:///keys.db", Path("/srv")), beside("sqlite:////var/keys.db", Path("/srv"))
    ('sqlite:////srv/keys.db', 'sqlite:////var/keys.db')
    >>> beside("sqlite://", Path("/srv")), beside("postgresql://host/name", Path("/srv"))
    ('sqlite://', 'postgresql://host/name')
    """
    return _SQLITE.sub(lambda found: f"{found[1]}{folder / found[2]}", store)


def of_bundle(folder: str | Path, name: str | None = None) -> Catalog:
    """A catalog of one bundle, under its folder's name or another."""
    return checked({"products": {name or product_name(folder): str(folder)}}, str(folder))


def product_name(folder: str | Path) -> str:
    """A bundle's folder as a name that can stand in an URL.

    >>> product_name("out/my reviews")
    'my-reviews'
    """
    name = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in Path(folder).resolve().name)
    return name.strip("-._")[:64] or "model"


def checked(values: Any, where: str) -> Catalog:
    """A catalog of plain values; raises RecipeError with every mistake."""
    try:
        return Catalog.model_validate(values)
    except ValidationError as error:
        mistakes = [f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors()]
        raise RecipeError(
            f"{where} has {len(mistakes)} mistake{'s' * (len(mistakes) > 1)}: {'; '.join(mistakes)}",
            "See docs/service.md for what a catalog holds.",
            mistakes,
        ) from error
