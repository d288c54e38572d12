"""Files, jobs and what runs them, for one service."""

from __future__ import annotations

from dataclasses import dataclass

from tunesmith.service.jobs.batches import Batches
from tunesmith.service.jobs.files import Files
from tunesmith.service.jobs.run import runs
from tunesmith.service.jobs.runner import Runner
from tunesmith.service.jobs.settings import JobSettings
from tunesmith.service.services import Services


@dataclass(frozen=True)
class Jobs:
    """What the endpoints reach."""

    settings: JobSettings
    files: Files
    batches: Batches
    runner: Runner


def jobs_of(services: Services) -> Jobs:
    """The service's jobs; always the same."""
    if services.jobs is None:
        settings = services.catalog.jobs
        batches = Batches(files := Files(services.catalog.server.folder / "jobs", settings))
        services.jobs = Jobs(settings, files, batches, Runner(batches, runs(services, settings)))
    return services.jobs
