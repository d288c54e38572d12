"""A replica's own metrics on a port of its own: a request to the service would reach any of them."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tunesmith.service.services import Services


def metrics_at(services: Services, host: str, port: int) -> ThreadingHTTPServer:
    """Answer ``GET /metrics`` in a thread, until it is shut down.

    Raises:
        OSError: the port is taken.
    """

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text, kind = services.counts.page(services.products)
            found = self.path.partition("?")[0] == "/metrics"
            self.send_response(200 if found else 404)
            self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write(text if found else b"")

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer((host, port), Metrics)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
