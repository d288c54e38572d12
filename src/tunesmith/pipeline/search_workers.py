"""Several processes at the trials of one search. They share the database, and get the rows as JSON.

``python -m tunesmith.pipeline.search_workers FOLDER`` is one of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from tunesmith.core.errors import RecipeError, TrainingError
from tunesmith.data.prepare import Prepared
from tunesmith.data.side_tables import SideTable
from tunesmith.pipeline.search_trials import Job, do_trials

JOB, ROWS = "job.json", "rows.json"
_APART = ("test", "source", "parts", "tables")
"""What is not handed over as it is; the test rows and the rows as read are not at all."""


def do_in_parallel(job: Job, data: Prepared, jobs: int, threads: int) -> None:
    """Start so many processes and wait for them.

    Args:
        threads: of the machine; each process gets its share.

    Raises:
        RecipeError: the rows cannot be handed over.
        TrainingError: processes died before all trials were done.
    """
    share = max(1, threads // jobs)
    training = {"threads": share, **{k: v for k, v in (job.recipe.get("training") or {}).items() if v is not None}}
    handed = {**asdict(job), "recipe": {**job.recipe, "training": training}}
    Path(job.folder, JOB).write_text(json.dumps(handed, ensure_ascii=False), "utf-8")
    Path(job.folder, ROWS).write_text(_written(data), "utf-8")
    command = [sys.executable, "-m", "tunesmith.pipeline.search_workers", job.folder]
    environment = {**os.environ, "OMP_NUM_THREADS": str(training["threads"])}
    workers = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(jobs)]
    try:
        codes = [worker.wait() for worker in workers]
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.terminate()
    if any(codes) and len(job.study().records()) < job.trials:
        raise TrainingError(
            f"{sum(map(bool, codes))} of {jobs} processes of the search died.",
            "Run the same command again: it goes on from there. With --jobs 1 the reason is told.",
        )


def _written(data: Prepared) -> str:
    try:
        return json.dumps(_plain(data), ensure_ascii=False)
    except TypeError as error:
        raise RecipeError(
            f"Rows of {data.task} cannot be handed to other processes: {str(error).rstrip('.')}.", "Use --jobs 1."
        ) from error


def _plain(data: Prepared) -> dict[str, Any]:
    """Everything but the test rows, which no trial may see."""
    parts = {name: _plain(part) for name, part in data.parts.items()}
    tables = {name: asdict(table) for name, table in data.tables.items()}
    plain = {f.name: getattr(data, f.name) for f in fields(Prepared) if f.name not in _APART}
    return {**plain, "parts": parts, "tables": tables}


def _read(values: dict[str, Any]) -> Prepared:
    parts = {name: _read(part) for name, part in values["parts"].items()}
    nothing: Any = None  # the rows as they were read are asked for by whole runs only
    tables = {name: SideTable(**table) for name, table in values["tables"].items()}
    return Prepared(**{**values, "test": [], "source": nothing, "parts": parts, "tables": tables})


def _end_with_parent(parent: int) -> None:
    """A search that is killed takes its processes along: else they would be at trials that are tried again."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(folder: str) -> None:
    """Do trials until there are enough."""
    _end_with_parent(os.getppid())
    job = Job(**json.loads(Path(folder, JOB).read_text("utf-8")))
    do_trials(job, _read(json.loads(Path(folder, ROWS).read_text("utf-8"))))


if __name__ == "__main__":
    main(sys.argv[1])
