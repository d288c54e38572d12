"""A service from a catalog, and the process that runs it."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunesmith.bundle.rows import as_rows
from tunesmith.core.errors import DataError, TunesmithError
from tunesmith.core.extras import need
from tunesmith.service.answers import Answers
from tunesmith.service.app import make_app
from tunesmith.service.auth import KeyRing
from tunesmith.service.jobs.files import upload_limit
from tunesmith.service.metering.meter import Meter
from tunesmith.service.metering.tick import TickMeter
from tunesmith.service.middleware.asgi import App
from tunesmith.service.middleware.layers import layered
from tunesmith.service.middleware.slow_headers import timed_protocol
from tunesmith.service.monitoring import Counts
from tunesmith.service.opening import Opening
from tunesmith.service.problems import Refused
from tunesmith.service.products import Products
from tunesmith.service.quotas import Quotas
from tunesmith.service.request_log import RequestLog
from tunesmith.service.safety.filters import Classify
from tunesmith.service.safety.guard import Guard
from tunesmith.service.services import Services
from tunesmith.service.settings import Catalog
from tunesmith.service.store.connect import STATEMENT_MILLISECONDS, file_of
from tunesmith.service.store.migrate import open_store
from tunesmith.service.watching.logs import to_json_lines
from tunesmith.service.watching.start import watch_over

log = logging.getLogger(__name__)

UNANSWERED = "filter_unavailable"
BACKLOG = 2048
PATIENCE = 8.0
"""Seconds that the end waits for a store that is away, to count what is left; deployed services have them."""
SWITCH = 0.0005
"""Seconds after which a thread hands over Python's lock. With Python's own 5 ms a batch that is done waits that long
for the event loop to let it go on."""


def build(catalog: Catalog) -> Services:
    """The parts that a catalog asks for. No bundle is loaded yet.

    Raises:
        TunesmithError: the store cannot be reached, a filter cannot be made ready, or a package is missing.
    """
    server = catalog.server
    kept = server.folder / "products.json"
    products = Products(catalog.products, catalog.batching, kept, Opening(catalog.writing))
    services = Services(catalog, products, Counts(), alone=catalog.server.alone)
    for name in catalog.products:
        services.guards[name] = Guard(catalog.policy(name), classifier(services), catalog.folder)
    if catalog.request_log is not None:
        services.log = RequestLog(catalog.request_log)
    url = catalog.store_url()
    for there, here in strayed(catalog, url):
        log.warning(
            "%s is not there yet, and is begun. Is %s meant, which is in this folder? Move it there.", there, here
        )
    if url is not None:
        services.store = open_store(url, STATEMENT_MILLISECONDS)
        services.meter = TickMeter(
            Meter(services.store, server.folder / "usage", fsync=server.fsync, patience=PATIENCE)
        )
        services.answers = Answers(services.store)
        if not server.is_open():
            services.keys = KeyRing(services.store)
            services.allowance = quotas = Quotas(catalog.plans, catalog.limits)
            quotas.seed(services.store)  # after the meter, which has settled what was left
    watch_over(services)
    return services


def strayed(catalog: Catalog, store: str | None) -> list[tuple[Path, Path]]:
    """What is to be made beside the catalog although the folder we are in has its like: an older service's, perhaps."""
    files = [catalog.server.folder, *([file] if store and (file := file_of(store)) else [])]
    return [(file, Path(file.name)) for file in files if not file.exists() and Path(file.name).exists()]


def classifier(services: Services) -> Classify:
    """Asks a product of the same catalog about texts, for filters; to be called in a thread beside the event loop."""

    def classify(product: str, texts: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        if services.loop is None:
            raise Refused(503, "not_ready", "The service is starting.", retry_after=1)
        try:
            version = services.products.of(product).stable
            asked = version.engine.submit(as_rows(version.task, texts), "filters")
            return asyncio.run_coroutine_threadsafe(asked, services.loop).result().predictions
        except (Refused, DataError) as why:  # whoever asked did not ask this product, and can do nothing about it
            log.error("the product %s, which a filter asks, does not answer: %s", product, why)
            message = "The text could not be looked through."
            # What is overloaded is asked again later; a text that it cannot read would be asked for ever.
            busy = isinstance(why, Refused) and why.status == 503
            raise Refused(503 if busy else 500, UNANSWERED, message, retry_after=2 if busy else None) from why

    return classify


def application(catalog: Catalog) -> App:
    """The whole service as an ASGI application, for any server. It loads its bundles when that starts it."""
    return layers_of(build(catalog))


def layers_of(services: Services) -> App:
    """The endpoints inside their layers."""
    catalog = services.catalog
    limit = upload_limit(catalog.jobs)

    def full(product: str) -> Refused | None:
        why = services.products.full(product)
        if why is not None:  # it is refused before any route could count it
            services.counts.failed(product, services.products.of(product).stable.name, why.code, why.status)
        return why

    return layered(make_app(services), file=limit, origins=catalog.server.cors, log=services.log, full=full)


def serve(services: Services, listening: Callable[[str], None]) -> None:
    """Run until SIGTERM or Ctrl-C; then answer what was asked, and end.

    Args:
        listening: is called with the address once it answers.

    Raises:
        TunesmithError: a bundle cannot be loaded, or the port is taken.
    """
    uvicorn: Any = need("uvicorn", extra="serve", purpose="tunesmith serve")
    server = services.catalog.server
    json_logs = services.catalog.watch.logs == "json"
    if json_logs:
        to_json_lines()
    place = bound(server.host, server.port)
    services.products.load()  # before anything listens: what cannot be served is an error here, not a 503 for ever
    calm_process()
    tls = {"ssl_certfile": str(server.tls.certificate), "ssl_keyfile": str(server.tls.key)} if server.tls else {}
    config = uvicorn.Config(
        layers_of(services),
        http=timed_protocol(),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(server.shutdown),
        backlog=BACKLOG,
        **({"log_config": None} if json_logs else {}),
        **tls,
    )
    address = f"{'https' if tls else 'http'}://{server.host}:{place.getsockname()[1]}"
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_run(uvicorn.Server(config), place, lambda: listening(address)))


def calm_process() -> None:
    """Settings of the whole process, once all is loaded: threads take turns quickly, and what is loaded stays."""
    sys.setswitchinterval(SWITCH)
    gc.collect()
    gc.freeze()  # a collection that looks through all of torch held everybody up for 0.3 s


async def _run(server: Any, place: socket.socket, started: Callable[[], None]) -> None:
    running = asyncio.ensure_future(server.serve(sockets=[place]))
    while not (server.started or running.done()):
        await asyncio.sleep(0.01)
    if server.started:
        started()
    await running


def bound(host: str, port: int) -> socket.socket:
    """A socket that is ours before minutes are spent on loading models."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except (OSError, OverflowError) as error:  # the second: a port that there cannot be
        made.close()
        why = getattr(error, "strerror", None) or str(error)
        raise TunesmithError(
            f"The service cannot listen on {host}:{port}: {why}.",
            "Name another port, or 0 for a free one: --port 8001",
        ) from error
    return made
