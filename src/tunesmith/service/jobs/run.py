"""A job of a running service: its key, its product, and how it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunesmith.service.asking import Answered, ask, product_of
from tunesmith.service.caller import Caller
from tunesmith.service.jobs.batch import Batch
from tunesmith.service.jobs.settings import JobSettings
from tunesmith.service.jobs.work import Cancelled, questions, why, work
from tunesmith.service.problems import Refused
from tunesmith.service.services import Services

DEADLINE = 600.0
"""Seconds that a chunk may wait behind live requests before it is asked anew."""


def runs(services: Services, settings: JobSettings) -> Any:
    """What ``Runner`` runs."""

    async def run(path: Path, batch: Batch) -> Batch:
        try:
            batch = await _worked(services, settings, path, batch)
            end: dict[str, Any] = {"status": "completed"}
        except Cancelled:
            end = {"status": "cancelled"}
        except Exception as error:
            end = {"status": "failed", "error": why(error, path, batch)}
        # What was written by the chunks is on the disk; the job here is as old as the last one that was handed back.
        latest = Batch.read(path) or batch
        ended = latest.now(ended=time.time(), **end)
        await asyncio.to_thread(ended.write, path)
        return ended

    return run


async def _worked(services: Services, settings: JobSettings, path: Path, batch: Batch) -> Batch:
    product = product_of(services, batch.asks(), batch.product)
    task, manifest = product.stable.task, product.stable.bundle.manifest
    trained = (getattr(manifest, "recipe", None) or {}).get("data", {}).get("columns") or {}
    remaining, total = await asyncio.to_thread(questions, path, batch, task, trained, settings.rows)
    batch = batch.now(status="in_progress", total=max(total, batch.total), began=batch.began or time.time())
    await asyncio.to_thread(batch.write, path)

    async def asked(rows: Sequence[Any], request_id: str) -> Answered:
        return await ask(
            services, _caller(services, batch), batch.product, rows, request_id, low=True, deadline=DEADLINE
        )

    return await work(path, batch, task, remaining, asked)


def _caller(services: Services, batch: Batch) -> Caller:
    """Who the job's key is now: it may have been revoked, or given another plan.

    Raises:
        Refused: 401, the key has ended.
    """
    if services.keys is None:
        return batch.asks()
    caller = services.keys.of(batch.key)
    if not caller.may(batch.product):
        raise Refused(404, "model_not_found", f'The key may not ask "{batch.product}" any more.')
    return caller
