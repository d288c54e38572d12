"""From a bundle's folder to a version that answers."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tunesmith.core.errors import BundleError, ModelError
from tunesmith.service.engine import Engine
from tunesmith.service.settings import Batching, ProductSpec
from tunesmith.service.shared_engines import SharedEngines
from tunesmith.service.version import Version
from tunesmith.service.writing.kinds import step_by_step, writes
from tunesmith.service.writing.opened import decoder_of
from tunesmith.service.writing.settings import WritingSettings
from tunesmith.service.writing.writer import Writer

if TYPE_CHECKING:
    from tunesmith.bundle.predictor import Predictor
    from tunesmith.bundle.read import Bundle

log = logging.getLogger(__name__)


class Opener(Protocol):
    """What makes versions."""

    def expect(self, paths: Iterable[Path]) -> None:
        """These bundles are about to be opened."""
        ...

    def __call__(self, name: str, path: Path, spec: ProductSpec, limits: Batching) -> Version:
        """A version of a bundle.

        Raises:
            TunesmithError: it cannot be loaded.
        """
        ...


class Opening:
    """Opens bundles. Those that were tuned on one backbone share it, where two or more are expected.

    Args:
        writing: of those whose model writes.
    """

    def __init__(self, writing: WritingSettings = WritingSettings()) -> None:  # noqa: B008
        self._writing = writing
        self._shared = SharedEngines()

    def expect(self, paths: Iterable[Path]) -> None:
        """Look which of them could share. A folder that is no bundle is told of when it is opened."""
        from tunesmith.bundle.read import Bundle, read_manifest

        told: Counter[str] = Counter()
        for path in paths:
            try:
                told[_fingerprint(Bundle(path, read_manifest(path))) or ""] += 1
            except BundleError:
                continue
        self._shared.wanted = {one: count for one, count in told.items() if one}

    def __call__(self, name: str, path: Path, spec: ProductSpec, limits: Batching) -> Version:
        """Load a bundle.

        Raises:
            BundleError: it is no whole bundle, or was not proven.
        """
        from tunesmith.bundle.read import read_bundle

        bundle = read_bundle(path)
        if not spec.unproven:
            refuse_unproven(bundle)
        request, response = bundle.task.request_model(), bundle.task.response_model()
        alone = writes(bundle.task) or spec.runtime not in ("auto", "torch")
        told = None if alone else _fingerprint(bundle)
        view = self._shared.open(told, bundle, limits) if told else None
        if view is not None:
            return Version(name, bundle, view, "torch, shared", request, response)
        # vLLM loads a model in the precision that it computes in; the others' decoders change it later.
        precision = self._writing.precision if spec.runtime == "vllm" else "auto"
        predictor = bundle.predictor(spec.runtime, precision=precision)
        engine = self._engine(name, bundle, predictor, limits)
        return Version(name, bundle, engine, predictor.runtime.name, request, response)

    def _engine(self, name: str, bundle: Bundle, predictor: Predictor, limits: Batching) -> Engine | Writer:
        if step_by_step(bundle.task, predictor.runtime):
            try:
                return Writer(predictor, decoder_of(predictor, self._writing), limits, name)
            except ModelError as why:
                log.warning("%s writes whole answers only, without streaming: %s", bundle.path, why)
        return Engine(predictor, limits, name)


def _fingerprint(bundle: Bundle) -> str | None:
    if bundle.manifest.runtime.name != "torch":  # which alone can share; the others must not load torch
        return None
    from tunesmith.bundle.shared import fingerprint

    return fingerprint(bundle)


def refuse_unproven(bundle: Bundle) -> None:
    """Raise BundleError where the bundle's record of parity is missing or failed."""
    records = bundle.report.get("parity") or []
    failed = [one["handoff"] for one in records if not one["passed"]]
    if records and not failed:
        return
    why = f"its parity failed: {', '.join(failed)}" if failed else "it has no record of parity"
    raise BundleError(
        f"{bundle.path} is not served: {why}.",
        "Tune or shrink it again; or say that you want it so: --unproven, or unproven: true in the catalog.",
    )
