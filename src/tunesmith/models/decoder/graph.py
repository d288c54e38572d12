"""An ONNX graph with a cache, as a decoder asks it; keys and values are written in place, where the next step reads.

A graph that gives its cache back as new arrays copies all of it for every token. Here past and present are the same
memory, bound once for as many rows as are asked, and a prompt is read straight into its row.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from tunesmith.core.errors import BundleError

PAST, PRESENT = "past_key_values", "present"
PLACES = "places"
"""The input that says of which tokens logits are wanted."""
KINDS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class Graph:
    """A session's graph of a causal model.

    Args:
        session: an ``onnxruntime.InferenceSession`` whose graph ``has_cache``.

    Raises:
        BundleError: the cache's sizes do not stand in the graph.
    """

    def __init__(self, session: Any) -> None:
        self.session = session
        inputs = {one.name: one for one in session.get_inputs()}
        self.caches = {name: one for name, one in inputs.items() if name.startswith(PAST)}
        outputs = {one.name: one for one in session.get_outputs()}
        self.vocabulary = outputs["logits"].shape[2]
        self.kind = KINDS[outputs["logits"].type]
        first = next(iter(self.caches.values()))
        self.heads, self.size = first.shape[1], first.shape[3]
        unknown = set(inputs) - set(self.caches) - {"input_ids", "attention_mask", PLACES}
        sizes = (self.heads, self.size, self.vocabulary)
        if unknown or PLACES not in inputs or not all(isinstance(size, int) for size in sizes):
            raise BundleError("The graph was not made by tunesmith shrink.", "Shrink the bundle it came from again.")

    def whole(self, ids: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Logits of a text that is read at once: float32 [places, vocabulary].

        Args:
            ids: int64 [length].
            places: of which tokens, int64 [places].
        """
        shape = (1, self.heads, 0, self.size)
        empty = {name: np.zeros(shape, KINDS[one.type]) for name, one in self.caches.items()}
        given = {"input_ids": ids[None], "attention_mask": np.ones((1, len(ids)), np.int64), PLACES: places}
        found: np.ndarray = self.session.run(["logits"], {**given, **empty})[0][0]
        return found.astype(np.float32, copy=False)


class CachedGraph:
    """A graph with its memory: a ``Network``.

    Args:
        graph: may be shared by several.
        rows: texts at once.
        length: tokens that a text may have.
    """

    def __init__(self, graph: Graph, rows: int, length: int) -> None:
        self.graph, self.rows, self.length = graph, rows, length
        shape = (rows, graph.heads, length, graph.size)
        # Zeros are given by the system as they are needed: memory that was never written costs nothing.
        self._caches = {name: np.zeros(shape, KINDS[one.type]) for name, one in graph.caches.items()}
        self._binding = graph.session.io_binding()
        self._bound = (-1, -1)
        self._logits = np.zeros((rows, 1, graph.vocabulary), graph.kind)

    def logits(self, ids: np.ndarray, first: int, starts: np.ndarray) -> np.ndarray:
        """See ``Network``."""
        rows, tokens = ids.shape
        self._bind(first, rows)
        lengths = starts + tokens
        mask = (np.arange(int(lengths.max())) < lengths[:, None]).astype(np.int64)
        given = {"input_ids": np.ascontiguousarray(ids), "attention_mask": mask, PLACES: np.array([tokens - 1])}
        for name, value in given.items():
            self._binding.bind_cpu_input(name, value)
        self.graph.session.run_with_iobinding(self._binding)
        return self._logits[:rows, 0].astype(np.float32, copy=False)

    def copy(self, source: int, target: int, length: int) -> None:
        """See ``Network``."""
        for kept in self._caches.values():
            kept[target, :, :length] = kept[source, :, :length]

    def swap(self, one: int, other: int, length: int) -> None:
        """See ``Network``."""
        for kept in self._caches.values():
            kept[[one, other], :, :length] = kept[[other, one], :, :length]

    def _bind(self, first: int, rows: int) -> None:
        """Let some rows' memory be what is read and written."""
        if self._bound == (first, rows):
            return
        self._bound = (first, rows)
        for name, kept in self._caches.items():
            place = (kept.dtype.type, kept[first : first + rows].shape, kept[first:].ctypes.data)
            self._binding.bind_input(name, "cpu", 0, *place)
            self._binding.bind_output(name.replace(PAST, PRESENT, 1), "cpu", 0, *place)
        logits = self._logits[:rows]
        self._binding.bind_output("logits", "cpu", 0, logits.dtype.type, logits.shape, logits.ctypes.data)


def has_cache(session: Any) -> bool:
    """Whether a session's graph keeps what it has read."""
    return any(re.fullmatch(rf"{PAST}\.\d+\.key", one.name) for one in session.get_inputs())
