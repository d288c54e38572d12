"""A job: what it is, and how far it has come. After a crash its ``about.json`` and its output agree."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from tunesmith.core.durable import fsync
from tunesmith.service.caller import Caller
from tunesmith.service.jobs import places

Status = Literal["validating", "in_progress", "completed", "failed", "cancelling", "cancelled"]
ENDED = ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class Batch:
    """A job as it is on the disk.

    Args:
        id: ``batch_...``.
        key: who asked; all of the caller is here, since the header that it came with is gone.
        product: what is asked.
        file: the id of the file.
        name: the file's, as the client calls it.
        suffix: the file's.
        columns: role -> column, where the client says so.
        at: when it was made.
        metadata: the client's own.
    """

    id: str
    key: str
    product: str
    file: str
    name: str
    suffix: str
    at: float
    caller: dict[str, Any]
    columns: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    status: Status = "validating"
    total: int = 0
    done: int = 0
    """Questions whose answers are in the output."""
    failed: int = 0
    """Of those, without an answer."""
    bytes: int = 0
    """Of the output that count; what is behind them was written by a process that died, and is written anew."""
    tokens: int = 0
    began: float | None = None
    ended: float | None = None
    error: tuple[str, str] | None = None
    """(code, message) of a job that failed, or why it waits."""

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The job of a folder; None where it was removed."""
        told = places.read(path)
        if told is None:
            return None
        if told.get("error"):
            told["error"] = tuple(told["error"])
        return cls(**told)

    def write(self, path: Path) -> None:
        """Into its folder."""
        places.write(path, asdict(self))

    def now(self, **changes: Any) -> Self:
        """The same with changes."""
        return replace(self, **changes)

    def asks(self) -> Caller:
        """Who asked."""
        products = self.caller["products"]
        return Caller(
            self.key, self.caller["name"], None if products is None else frozenset(products), self.caller["plan"]
        )


def remembered(caller: Caller) -> dict[str, Any]:
    """A caller in JSON."""
    products = None if caller.products is None else sorted(caller.products)
    return {"name": caller.name, "products": products, "plan": caller.plan}


def append(path: Path, batch: Batch, lines: bytes, **changes: Any) -> Batch:
    """Write answers, and then that they are there: both are on the disk when this returns.

    Where a process dies between the two, ``bytes`` says what of the output counts, and the rest is cut off.
    """
    output = path / places.OUTPUT
    with output.open("r+b" if output.exists() else "w+b") as file:
        file.truncate(batch.bytes)
        file.seek(batch.bytes)
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())
    if not batch.bytes:
        fsync(path)
    after = batch.now(bytes=batch.bytes + len(lines), **changes)
    after.write(path)
    return after


def about(batch: Batch, *, cancel: bool, keep_days: float) -> dict[str, Any]:
    """A job as OpenAI's client knows them, and what is ours."""
    status = "cancelling" if cancel and batch.status not in ENDED else batch.status
    ended = int(batch.ended) if batch.ended else None
    error = batch.error and {"code": batch.error[0], "message": batch.error[1], "line": None, "param": None}
    return {
        "id": batch.id,
        "object": "batch",
        "product": batch.product,
        "endpoint": f"/v1/predict/{batch.product}",
        "completion_window": "24h",
        "input_file_id": batch.file,
        "output_file_id": output_id(batch.id) if batch.status in ENDED and batch.bytes else None,
        "error_file_id": None,
        "status": status,
        "created_at": int(batch.at),
        "in_progress_at": int(batch.began) if batch.began else None,
        "completed_at": ended if batch.status == "completed" else None,
        "failed_at": ended if batch.status == "failed" else None,
        "cancelled_at": ended if batch.status == "cancelled" else None,
        "expires_at": int((batch.ended or batch.at) + keep_days * 86_400),
        "request_counts": {
            "total": batch.total,
            "completed": batch.done - batch.failed,
            "failed": batch.failed,
        },
        "usage": {"tokens": batch.tokens},
        "errors": {"object": "list", "data": [error]} if error else None,
        "metadata": batch.metadata or None,
    }


def output_id(id: str) -> str:
    """A job's answers as a file's id."""
    return id.replace("batch_", "file_", 1)
