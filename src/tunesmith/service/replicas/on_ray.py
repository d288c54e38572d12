"""The same application on Ray Serve: replicas that come and go with the load, behind Ray's own proxy."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

from tunesmith.core.errors import TunesmithError
from tunesmith.core.extras import need
from tunesmith.service.middleware.asgi import App
from tunesmith.service.replicas.fit import anywhere, of_place, refuse_unshared
from tunesmith.service.replicas.metrics_port import metrics_at
from tunesmith.service.replicas.place import Place
from tunesmith.service.run import bound, build, calm_process, layers_of
from tunesmith.service.settings import Catalog
from tunesmith.service.store.migrate import open_store
from tunesmith.service.watching.logs import to_json_lines

log = logging.getLogger(__name__)

NAME = "tunesmith"
"""Of the application on Ray Serve."""
PURPOSE = "tunesmith serve --on ray"
MANY = 10_000
"""Requests that a replica may have at a time: it is the service that says when it is full, not Ray's proxy."""


def serve_on_ray(catalog: Catalog, listening: Callable[[str], None]) -> None:
    """Run until SIGTERM or Ctrl-C, on the cluster that ``RAY_ADDRESS`` names, or on one of this machine alone.

    Args:
        catalog: what is served.
        listening: is called with the address once it answers.

    Raises:
        TunesmithError: Ray is not installed, the catalog cannot be shared, the store cannot be reached, or a replica
            cannot begin.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told that somebody uses it
    ray: Any = need("ray", extra="ray", purpose=PURPOSE)
    serve: Any = need("ray.serve", extra="ray", purpose=PURPOSE)
    refuse_unshared(catalog)
    catalog = anywhere(catalog)
    store = catalog.store_url()
    if store is not None:
        open_store(store).dispose()  # its tables are made once, here, and not by all replicas at a time
    server, port = catalog.server, free_port(catalog.server.host, catalog.server.port)
    files = {"ssl_certfile": server.tls.certificate, "ssl_keyfile": server.tls.key} if server.tls else {}
    tls = {name: str(path.absolute()) for name, path in files.items()}
    try:
        try:
            ray.init(include_dashboard=False, logging_level=logging.WARNING, log_to_driver=catalog.watch.logs == "json")
            serve.start(http_options={"host": server.host, "port": port, **tls})
            serve.run(_deployment(serve, catalog), name=NAME, route_prefix="/")
        except Exception as error:  # Ray's errors have no class in common; what a replica failed at is among them
            why = str(error).strip().splitlines() or [type(error).__name__]
            raise TunesmithError(
                f"Ray Serve did not start: {why[-1]}", "Its logs: /tmp/ray/session_latest/logs"
            ) from error
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):  # after Ray, which sets its own
            signal.signal(number, lambda *_: ended.set())
        listening(f"{'https' if tls else 'http'}://{server.host}:{port}")
        ended.wait()
    finally:
        if ray.is_initialized():
            serve.shutdown()
        ray.shutdown()


def free_port(host: str, port: int) -> int:
    """The port, where it can be had; a free one for 0, which Ray does not know.

    Raises:
        TunesmithError: it is taken.
    """
    with closing(bound(host, port)) as place:
        return int(place.getsockname()[1])


def _deployment(serve: Any, catalog: Catalog) -> Any:
    def application() -> App:
        return replica(catalog)

    asked = catalog.replicas
    made = serve.deployment(
        serve.ingress(application)(),
        name=NAME,
        ray_actor_options={"num_cpus": asked.cpus, "num_gpus": asked.gpus},
        max_ongoing_requests=MANY,
        graceful_shutdown_timeout_s=catalog.server.shutdown,
        graceful_shutdown_wait_loop_s=0.5,
        health_check_period_s=2.0,
        autoscaling_config={
            "min_replicas": asked.least,
            "max_replicas": asked.most,
            "target_ongoing_requests": asked.ongoing,
            "upscale_delay_s": asked.up,
            "downscale_delay_s": asked.down,
            "look_back_period_s": asked.window,
            "metrics_interval_s": min(asked.window / 2, 2.0),
        },
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )
    return made.bind()


def replica(catalog: Catalog) -> App:
    """The application in a process of its own, one of several."""
    from tunesmith.core.runtime import calm_threads

    calm_threads()
    if catalog.watch.logs == "json":
        to_json_lines()
    place = Place(catalog.server.folder)
    services = build(of_place(catalog, place.number))
    services.alone = catalog.replicas.most == 1
    services.behind_proxy = not services.alone
    services.products.load()  # what cannot be served is an error here, and not a service that is not ready for ever
    if catalog.replicas.metrics_port is not None:
        try:
            services.metrics = metrics_at(services, catalog.server.host, catalog.replicas.metrics_port + place.number)
        except OSError as error:  # to answer is worth more than to be counted
            log.error("replica %d tells Prometheus nothing: %s", place.number, error)
    calm_process()
    return layers_of(services)
