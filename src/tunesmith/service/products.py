"""What is served: products, their versions, and which of them answers. Changed while requests go on."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunesmith.core.errors import TunesmithError
from tunesmith.service import kept
from tunesmith.service.opening import Opener, Opening
from tunesmith.service.problems import Refused
from tunesmith.service.settings import Batching, ProductSpec, Route
from tunesmith.service.version import Version

log = logging.getLogger(__name__)


class Product:
    """A name that clients ask, and the versions behind it."""

    def __init__(self, name: str, spec: ProductSpec) -> None:
        self.name = name
        self.spec = spec
        self.route = spec.route()
        self.before: Route | None = None
        """The route before the last change, for a rollback."""
        self.changed = False
        """Whether an admin has changed it, or made it."""
        self.versions: dict[str, Version] = {}

    @property
    def stable(self) -> Version:
        """What answers most."""
        return self.versions[self.route.stable]

    @property
    def shadow(self) -> Version | None:
        """What is only compared."""
        return self.versions.get(self.route.shadow) if self.route.shadow else None

    def pick(self, request_id: str) -> Version:
        """The version for a request; the same for the same id."""
        canary = self.route.canary
        if canary is not None and zlib.crc32(request_id.encode()) / 2**32 < canary.share:
            return self.versions[canary.version]
        return self.stable


class Products:
    """All products.

    Args:
        specs: the catalog's.
        limits: of batches and queues.
        keep: a file that keeps what an admin changed, so that a restart does not undo it; None: it is not kept.
        opener: makes a version; tests give their own.
    """

    def __init__(
        self,
        specs: Mapping[str, ProductSpec],
        limits: Batching,
        keep: Path | None = None,
        opener: Opener | None = None,
    ) -> None:
        self._all = {name: Product(name, spec) for name, spec in specs.items()}
        self._limits = limits
        self._kept = keep
        self._blocks = {name: kept.block_of(spec) for name, spec in specs.items()}
        self._open = opener or Opening()
        self._changing = asyncio.Lock()
        self._loaded = False

    def __iter__(self) -> Any:
        """The products, in the catalog's order."""
        return iter(self._all.values())

    def of(self, name: str) -> Product:
        """A product by name.

        Raises:
            Refused: 404.
        """
        found = self._all.get(name)
        if found is None or not found.versions:
            raise unknown(name)
        return found

    def full(self, name: str) -> Refused | None:
        """Why a product takes no more requests now; None: it does, or there is no such product."""
        product = self._all.get(name)
        if product is None or not product.versions:
            return None
        try:
            product.stable.engine.refuse_if_full()
        except Refused as why:
            return why if why.code == "overloaded" else None
        return None

    def load(self) -> None:
        """Load what the routes need, once: before anything is asked."""
        if self._loaded:
            return
        self._loaded = True
        self._restore()
        wanted = [(one, name) for one in self._all.values() for name in dict.fromkeys(one.route.names())]
        self._open.expect(product.spec.versions[name] for product, name in wanted)
        for product in self._all.values():
            for name in product.route.names():
                if name not in product.versions:
                    product.versions[name] = self._opened(product, name)

    def close(self) -> None:
        """Compute what waits, then end."""
        for product in self._all.values():
            for version in product.versions.values():
                version.engine.close()

    async def add(self, name: str, version: str, path: Path) -> Version:
        """Load a version beside those that answer; nobody is sent to it yet. A new name is a new product."""
        async with self._changing:
            product = self._all.get(name)
            spec = product.spec if product else ProductSpec(versions={version: path})
            if product is not None and version in product.versions:
                raise Refused(409, "version_exists", f'{name} already has a version "{version}"; take another name.')
            made = await asyncio.to_thread(self._made, version, path, spec)
            if product is None:
                product = self._all[name] = Product(name, spec)
            product.spec = product.spec.model_copy(update={"versions": {**product.spec.versions, version: path}})
            product.versions[version], product.changed = made, True
            self._keep()
            return made

    async def change(self, name: str, route: Route) -> None:
        """Send requests elsewhere, at once. Versions that it names and that are not loaded are loaded first."""
        async with self._changing:
            product = self.of(name)
            for version in route.names():
                if version not in product.spec.versions:
                    raise Refused(404, "no_such_version", f'{name} has no version "{version}".', param="version")
                if version not in product.versions:
                    path = product.spec.versions[version]
                    product.versions[version] = await asyncio.to_thread(self._made, version, path, product.spec)
            product.before, product.route, product.changed = product.route, route, True
            self._keep()

    async def rollback(self, name: str) -> Route:
        """The route before the last change."""
        before = self.of(name).before
        if before is None:
            raise Refused(409, "nothing_before", f"Nothing was changed for {name} yet.")
        await self.change(name, before)
        return before

    async def unload(self, name: str, version: str) -> None:
        """Take a version out of memory, after it has answered what it was asked."""
        async with self._changing:
            product = self.of(name)
            if version in product.route.names():
                raise Refused(409, "in_use", f'Version "{version}" of {name} is in use; change the route first.')
            gone = product.versions.pop(version, None)
            if gone is None:
                raise Refused(404, "no_such_version", f'{name} has no version "{version}" in memory.')
        await asyncio.to_thread(gone.engine.close)

    def _made(self, version: str, path: Path, spec: ProductSpec) -> Version:
        try:
            return self._open(version, path, spec, self._limits_of(spec))
        except TunesmithError as error:
            raise Refused(422, "not_loadable", str(error).replace("\n", " ")) from error
        except (OSError, ValueError) as error:  # a name that no file can have
            raise Refused(422, "not_loadable", f"This folder cannot be read: {error}"[:300], param="bundle") from error

    def _opened(self, product: Product, version: str) -> Version:
        return self._open(version, product.spec.versions[version], product.spec, self._limits_of(product.spec))

    def _limits_of(self, spec: ProductSpec) -> Batching:
        return self._limits.model_copy(update={"deadline": spec.deadline}) if spec.deadline else self._limits

    def _keep(self) -> None:
        if self._kept is None:
            return
        changes = {
            one.name: kept.Change(self._blocks.get(one.name), one.spec.versions, one.route, one.before)
            for one in self._all.values()
            if one.changed
        }
        kept.write(self._kept, changes)

    def _restore(self) -> None:
        """What an admin changed before the restart, where the catalog says what it said then."""
        if self._kept is None:
            return
        held, undone = kept.holding(kept.read(self._kept), self._blocks)
        for name, change in held.items():
            product = self._all.setdefault(name, Product(name, ProductSpec(versions=dict(change.versions))))
            versions = {**change.versions, **product.spec.versions}
            product.spec = product.spec.model_copy(update={"versions": versions})
            product.route, product.before, product.changed = change.route, change.before, True
        for name in undone:
            log.warning("%s: the catalog has changed; what was set by the admin API is forgotten", name)
        if undone:  # else it would be back where the catalog says again what it once said
            try:
                self._keep()
            except OSError as error:
                log.error("%s cannot be written: %s", self._kept, error)


def unknown(name: str) -> Refused:
    """The same for what is not there and for what is not the caller's."""
    return Refused(404, "model_not_found", f'There is no product "{name}", or your key may not ask it.', param="model")
