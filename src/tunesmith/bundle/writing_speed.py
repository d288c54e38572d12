"""How fast a bundle writes: tokens a second of texts that are written anyway, and the time to the first token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar

from tunesmith.core.contracts import Batch, Decoding, Row, Runtime
from tunesmith.tasks.askable import askable

if TYPE_CHECKING:
    import numpy as np

    from tunesmith.bundle.predictor import Predictor

PROMPTS = 5
"""Prompts whose first token is waited for."""


class Clocked:
    """A runtime that counts the tokens that it writes, and the seconds that they take.

    Args:
        runtime: computes.
    """

    name: ClassVar[str] = "clocked"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.texts = self.tokens = self.at_once = 0
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.runtime, name)

    def forward(self, batch: Batch) -> dict[str, np.ndarray]:
        """As the runtime does; not counted."""
        return self.runtime.forward(batch)

    def generate(self, batch: Batch, decoding: Decoding) -> list[np.ndarray]:
        """As the runtime writes them."""
        begun = perf_counter()
        found = self.runtime.generate(batch, decoding)
        self.seconds += perf_counter() - begun
        self.texts += len(found)
        self.tokens += sum(map(len, found))
        self.at_once = max(self.at_once, min(len(found), getattr(self.runtime, "texts_at_once", len(found))))
        return found

    def score(self, batch: Batch) -> list[np.ndarray]:
        """As the runtime does; not counted."""
        return self.runtime.score(batch)


def clocked(predictor: Predictor) -> Clocked:
    """Put a clock between a predictor and its runtime; to be read when it has answered."""
    clock = Clocked(predictor.runtime)
    predictor.runtime = clock
    return clock


def writing_speed(clock: Clocked, predictor: Predictor | None = None, rows: Sequence[Row] = ()) -> dict[str, Any]:
    """What a clock has seen, as JSON values; empty where nothing was written.

    Tokens are those of the texts, their ends included, and not what fills the rows of texts that have ended; their
    prompts were read in the same seconds.

    Args:
        clock: of a runtime that has answered.
        predictor: what answers; with ``rows``, the first token is waited for, too.
        rows: some are asked, one at a time.
    """
    if not clock.tokens:
        return {}
    found = {
        "tokens_per_second": round(clock.tokens / max(clock.seconds, 1e-9), 2),
        "tokens": clock.tokens,
        "texts": clock.texts,
        "texts_at_once": clock.at_once,
        "seconds": round(clock.seconds, 4),
        **(first_token(predictor, rows) if predictor is not None else {}),
        **_where(clock.runtime),
    }
    return {**found, "words": _words(found)}


def first_token(predictor: Predictor, rows: Sequence[Row]) -> dict[str, Any]:
    """How long one waits for a text to begin, asked alone: from the row, its tokens to be made, to the first token.

    Returns:
        ``first_token_seconds`` (the median of a few rows, taken evenly), ``first_token_prompts``,
        ``first_token_prompt_tokens`` (their median); empty where no row can be asked.
    """
    some = rows[:: max(1, len(rows) // PROMPTS)][:PROMPTS]
    able, features = askable(predictor.encode, some)
    if not able:
        return {}
    brief = _Brief(predictor.runtime.runtime if isinstance(predictor.runtime, Clocked) else predictor.runtime)

    def wait(row: Row) -> float:
        begun = perf_counter()
        predictor.task.infer(brief, predictor.collate(predictor.encode([row])))
        return perf_counter() - begun

    wait(some[able[0]])  # warms up: the answers before came in other shapes
    return {
        "first_token_seconds": round(median(wait(some[i]) for i in able), 5),
        "first_token_prompts": len(able),
        "first_token_prompt_tokens": int(median(len(feature["input_ids"]) for feature in features)),
    }


class _Brief:
    """A runtime that writes one token."""

    name: ClassVar[str] = "brief"

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def forward(self, batch: Batch) -> dict[str, np.ndarray]:
        """As the runtime does."""
        return self._runtime.forward(batch)

    def generate(self, batch: Batch, decoding: Decoding) -> list[np.ndarray]:
        """One token of each text."""
        return self._runtime.generate(batch, replace(decoding, max_new_tokens=1, min_new_tokens=0))

    def score(self, batch: Batch) -> list[np.ndarray]:
        """As the runtime does."""
        return self._runtime.score(batch)


def _where(runtime: Any) -> dict[str, Any]:
    """What computes, as far as it says so."""
    told = {"runtime": runtime.name, **{key: getattr(runtime, key, None) for key in ("device", "precision", "threads")}}
    return {key: value for key, value in told.items() if value is not None}


def _words(found: Mapping[str, Any]) -> str:
    """In a sentence.

    >>> _words({"tokens_per_second": 512.4, "tokens": 9000, "texts": 300, "texts_at_once": 64, "runtime": "torch",
    ...     "precision": "fp32", "device": "cpu", "threads": 2, "first_token_seconds": 0.0312,
    ...     "first_token_prompts": 5, "first_token_prompt_tokens": 40})
    'Writes 512 tokens/s (9,000 tokens of 300 texts, up to 64 at once); asked alone, the first token comes after \
31.2 ms (median of 5 prompts, of 40 tokens). Runtime torch, fp32, cpu, 2 threads.'
    """
    rate = found["tokens_per_second"]
    texts = "1 text" if found["texts"] == 1 else f"{found['texts']:,} texts, up to {found['texts_at_once']} at once"
    said = f"Writes {rate:,.{0 if rate >= 100 else 1}f} tokens/s ({found['tokens']:,} tokens of {texts})"
    if "first_token_seconds" in found:
        count = found["first_token_prompts"]
        said += (
            f"; asked alone, the first token comes after {found['first_token_seconds'] * 1e3:,.1f} ms "
            f"(median of {count} prompt{'s' * (count > 1)}, of {found['first_token_prompt_tokens']:,} tokens)"
        )
    threads = f"{found['threads']} thread{'s' * (found['threads'] > 1)}" if "threads" in found else None
    where = [found.get(key) for key in ("runtime", "precision", "device")] + [threads]
    return f"{said}. Runtime {', '.join(str(one) for one in where if one is not None)}."
