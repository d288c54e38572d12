"""Files, jobs and what runs them, for one service."""

from __future__ import annotations

from dataclasses import dataclass

from tunesmith.service.jobs.batches import Batches
from tunesmith.service.jobs.files import Files
from tunesmith.service.jobs.run import runs
from tunesmith.service.jobs.runner import Runner
from tunesmith.service.jobs.settings import JobSettings
from tunesmith.service.services import Services

PART = "jobs"


@dataclass(frozen=True)
class Jobs:
    """What the endpoints reach."""

    settings: JobSettings
    files: Files
    batches: Batches
    runner: Runner


def jobs_of(services: Services) -> Jobs:
    """The service's jobs; always the same."""
    found = services.parts.get(PART)
    if found is None:
        settings = services.catalog.jobs
        files = Files(services.catalog.server.folder / "jobs", settings)
        batches = Batches(files)
        found = services.parts[PART] = Jobs(settings, files, batches, Runner(batches, runs(services, settings)))
    made: Jobs = found
    return made
