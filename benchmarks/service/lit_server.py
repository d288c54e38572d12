"""LitServe as its documentation writes it, with dynamic batching; its workers import this file anew."""

from __future__ import annotations

import argparse
from typing import Any

import litserve
import peers


class Classifier(litserve.LitAPI):  # type: ignore[misc]
    """Texts of one batch to labels and scores."""

    def __init__(self, given: argparse.Namespace) -> None:
        super().__init__(max_batch_size=given.batch, batch_timeout=given.wait)
        self.given = given

    def setup(self, device: str) -> None:
        """Load, once a worker."""
        make = peers.torch_answerer if self.given.runtime == "torch" else peers.onnx_answerer
        self.answers = make(self.given.bundle, self.given.threads)

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # its words are looked at, and must be none
        """The text."""
        return str(request["text"])

    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        """All texts of a batch."""
        return self.answers(texts)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """As it is."""
        return output


def run(given: argparse.Namespace) -> None:
    """Serve until ended."""
    server = litserve.LitServer(
        Classifier(given),
        accelerator="cpu",
        workers_per_device=given.workers,
        timeout=120,
        fast_queue=given.fast_queue,
    )
    server.run(host=peers.HOST, port=given.port, num_api_servers=1, generate_client_file=False, log_level="warning")
