"""``tunesmith doctor``: is this machine ready, and what to install."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.cli import probes
from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json

PROBES = (probes.machine, probes.extras, probes.torch, probes.torchvision, probes.models, probes.cache_place)
MARKS = {"ok": "ok  ", "note": "note", "bad": "BAD "}


def doctor(json: Json = False) -> int:
    """Look at Python, memory, disk, torch, the extras, the packaged models, the cache and the hub.

    Exits with 0 if this machine is ready to tune, with 2 if something must be installed or mended first.
    """
    findings = [finding for probe in PROBES for finding in probe()]
    ready = all(finding.status != "bad" for finding in findings)
    emit({"ready": ready, "findings": findings}, json, page)
    return 0 if ready else 2


def page(report: Mapping[str, Any]) -> str:
    """Aligned lines; what to do stands under what it mends."""
    width = max(len(finding.name) for finding in report["findings"])
    lines = []
    for finding in report["findings"]:
        lines.append(f"{MARKS[finding.status]}  {finding.name:<{width}}  {finding.detail}")
        if finding.hint:
            lines.append(f"      {'':<{width}}  -> {finding.hint}")
    verdict = "Ready to tune." if report["ready"] else "Not ready: mend what is marked BAD."
    return "\n".join([*lines, "", verdict])
