"""Compute a causal model with ONNX Runtime: a graph with a cache of keys and values, without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tunesmith.bundle.layout import CONFIG, GENERATION
from tunesmith.bundle.runtimes.graph import CPU_TOKENS, graph_of, threads
from tunesmith.core.contracts import Batch, Decoding
from tunesmith.core.errors import BundleError, RecipeError
from tunesmith.models.decoder.continuous import Continuous, written
from tunesmith.models.decoder.graph import CachedGraph, Graph, has_cache
from tunesmith.models.decoder.limits import longest
from tunesmith.models.decoder.proof import Proof

if TYPE_CHECKING:
    from tunesmith.bundle.read import Bundle

ROWS = 8
"""Texts that are written at once."""
IGNORED = -100
"""The label of a place that is none."""


class OnnxWriter:
    """A causal model's graph as a runtime: it scores, and it writes.

    Args:
        graph: of the session.
        length: tokens that a text may have.
        ends: tokens that end any text.
        precision: of the graph's weights.
    """

    name: ClassVar[str] = "onnx"
    together = CPU_TOKENS
    device: ClassVar[str] = "cpu"
    texts_at_once: ClassVar[int] = ROWS

    def __init__(self, graph: Graph, length: int, ends: frozenset[int] = frozenset(), precision: str = "fp32") -> None:
        self.graph, self.length, self.ends, self.precision = graph, length, ends, precision
        self._proven = False

    @classmethod
    def open(cls, bundle: Bundle, *, device: str = "auto", precision: str = "fp32") -> OnnxWriter:
        """The graph of a bundle.

        Raises:
            ExtraMissing: onnxruntime is not installed.
            BundleError: it cannot read the graph.
        """
        return cls.of(graph_of(bundle, cls.name), bundle.path, precision, device)

    @classmethod
    def of(cls, file: Path, model: Path, precision: str = "fp32", device: str = "auto") -> OnnxWriter:
        """A graph, and the folder with its model's configuration."""
        from tunesmith.bundle.runtimes.onnx import session_of

        if device.startswith(("cuda", "mps")):
            raise RecipeError(
                f"A graph that writes was made for the CPU, not for {device}.", 'Take the CPU: predictor(device="cpu").'
            )
        session = session_of(file, "cpu", shared=True)
        if not has_cache(session):
            raise BundleError(f"{file} is no graph of a model that writes.", "Shrink the bundle it came from again.")
        return cls(Graph(session), *limits_of(model), precision)

    @property
    def threads(self) -> int:
        """That compute."""
        return threads()

    def forward(self, batch: Batch) -> dict[str, np.ndarray]:
        """``logits`` of every token, float32 [rows, tokens, vocabulary]; 0 where there is padding."""
        logits = np.zeros((*batch["input_ids"].shape, self.graph.vocabulary), np.float32)
        for row, (ids, mask) in enumerate(zip(batch["input_ids"], batch["attention_mask"], strict=True)):
            there = np.flatnonzero(mask)
            logits[row, there] = self.graph.whole(np.asarray(ids, np.int64)[there], np.arange(len(there)))
        return {"logits": logits}

    def score(self, batch: Batch) -> list[np.ndarray]:
        """The natural log-probability of each row's ``labels`` that are not -100: float32, [labels]."""
        found = []
        for ids, mask, labels in zip(batch["input_ids"], batch["attention_mask"], batch["labels"], strict=True):
            there = np.flatnonzero(mask)
            wanted = np.asarray(labels, np.int64)[there]
            places = np.flatnonzero(wanted[1:] != IGNORED)
            if not len(places):
                found.append(np.zeros(0, np.float32))
                continue
            logits = self.graph.whole(np.asarray(ids, np.int64)[there], places)
            found.append(log_probabilities(logits, wanted[places + 1]))
        return found

    def generate(self, batch: Batch, decoding: Decoding) -> list[np.ndarray]:
        """The ids written after each row's.

        Raises:
            RecipeError: beams are asked for.
            ModelError: a prompt is longer than the model.
        """
        if decoding.beams > 1:
            raise RecipeError(
                f"The runtime onnx writes without beams; {decoding.beams} are asked for.",
                "Say task.beams=1, or --runtime torch where the bundle has its weights.",
            )
        rows = zip(batch["input_ids"], batch["attention_mask"], strict=True)
        prompts = [np.asarray(ids)[np.flatnonzero(mask)].tolist() for ids, mask in rows]
        needed = max(map(len, prompts)) + decoding.max_new_tokens
        # A new memory each time: what a text becomes must not depend on what was asked before.
        decoder = self.decoder(rows=min(ROWS, len(prompts)), length=needed)
        return [np.array(text.ids, np.int64) for text in written(decoder, prompts, decoding)]

    def decoder(self, *, rows: int = ROWS, length: int | None = None) -> Continuous:
        """What writes many texts at once; several may share the graph.

        Args:
            rows: texts at once.
            length: tokens that a text may have, its prompt included; None: as many as the model takes.

        Raises:
            ModelError: the graph gives other answers step by step than at once.
        """
        if not self._proven:
            proof = Proof(self._next, self.graph.vocabulary, 2, min(16, self.length))
            proof.hold(CachedGraph(self.graph, 2, min(16, self.length)), self.precision)
            self._proven = True
        return Continuous(CachedGraph(self.graph, rows, min(self.length, length or self.length)), self.ends)

    def _next(self, text: Any) -> np.ndarray:
        found: np.ndarray = self.graph.whole(np.array(text, np.int64), np.array([len(text) - 1]))[0]
        return found


def log_probabilities(logits: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """``log_softmax`` [n, vocabulary] at ``tokens`` [n], float32 [n]; a row at a time, so that nothing is held twice.

    >>> round(float(log_probabilities(np.zeros((1, 4), np.float32), np.array([2]))[0]), 4)
    -1.3863
    """
    found = np.zeros(len(tokens), np.float32)
    for place, (row, token) in enumerate(zip(logits, tokens, strict=True)):
        most = row.max()
        found[place] = row[token] - most - np.log(np.exp(row - most).sum(dtype=np.float64))
    return found


def limits_of(model: Path) -> tuple[int, frozenset[int]]:
    """How long a text may be, and which tokens end one, by a folder's configuration."""
    config = _read(model / CONFIG)
    ends = _read(model / GENERATION).get("eos_token_id", config.get("eos_token_id"))
    known = ends if isinstance(ends, list) else [] if ends is None else [ends]
    return longest(SimpleNamespace(**config)), frozenset(map(int, known))


def _read(path: Path) -> Mapping[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found
