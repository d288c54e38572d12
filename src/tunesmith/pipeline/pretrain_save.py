"""The report of pretraining, and its bundle: a folder that transformers loads and ``tune model=FOLDER`` takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.bundle.card import model_card
from tunesmith.bundle.environment import environment
from tunesmith.bundle.layout import CARD, ENVIRONMENT, RECIPE, WEIGHTS, Lineage, Manifest, MethodRecord, TaskRecord
from tunesmith.bundle.parity import prove_reload, tokens_of
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.bundle.write import write_bundle, write_model
from tunesmith.core.artefacts import Parity
from tunesmith.core.contracts import Evidence
from tunesmith.core.recipe import to_yaml
from tunesmith.evaluation.metrics import METRICS
from tunesmith.evaluation.report import build_report
from tunesmith.pipeline.save import bring_along, figures_of, write_report
from tunesmith.tasks import sentence_transformer

if TYPE_CHECKING:
    from tunesmith.pipeline.pretrain import Pretraining
    from tunesmith.training.loop import Trained

PROVEN = 8
"""Held-out texts whose answers a fresh process must give again."""
CUT = 400
"""Characters of each."""


def pretrain_report(run: Pretraining, evidences: Mapping[str, Evidence], trained: Trained) -> dict[str, Any]:
    """``report.json``: the objective on the same held-out text before and after, and how the run went."""
    plan, rows = run.plan, len(evidences["after"]["target_tokens"])
    tokens = run.features.tokens / max(1, len(run.features))
    counts = sum(p.numel() for p in run.model.parameters())
    report = build_report(
        task_name=run.objective.name,
        class_names=[],
        metric_names=run.objective.metrics,
        rows=[{"text": ""}] * rows,
        evidences=evidences,
        history=trained.history,
        data_notes=run.notes,
        titles={"after": "the pretrained model", "before": "the model before pretraining"},
        context={
            "model": run.reference.hub_id or run.reference.name,
            "method": "full",
            "language": plan.language,
            "rows": {"train": len(run.shelf), "validation": len(run.chosen_by), "test": rows},
            "tokens": {
                "train": len(run.shelf.ids),
                "seen": round(tokens * trained.samples_per_second * trained.seconds),
            },
            "parameters": {"all": counts, "trained": counts},
            "machine": vars(plan.machine),
            "training": {
                "seconds": round(trained.seconds, 3),
                "samples_per_second": round(trained.samples_per_second, 2),
                "tokens_per_second": round(trained.samples_per_second * tokens, 1),
                "steps": trained.steps,
                "best_step": trained.best_step,
                "stopped_early": trained.stopped_early,
                "resumed_at": trained.resumed_at,
            },
            "recipe": plan.recipe.model_dump(mode="json"),
        },
        **plan.recipe.evaluation.model_dump(include={"resamples", "confidence"}),
    )
    return {**report, "parts": by_part(evidences, run.held.owner, run.objective.metrics)} if run.held.owner else report


def by_part(
    evidences: Mapping[str, Evidence], owner: Sequence[str], metrics: Sequence[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """A mixture's figures part by part: ``{part: {"before": {metric: value}, "after": ...}}``.

    Args:
        owner: the part that each feature is of.
    """
    told: dict[str, dict[str, dict[str, float]]] = {}
    for name in dict.fromkeys(owner):
        own = np.asarray([one == name for one in owner])
        told[name] = {
            side: {m: float(METRICS.make(m)({key: array[own] for key, array in evidence.items()})) for m in metrics}
            for side, evidence in evidences.items()
        }
    return told


def write_pretrained(run: Pretraining, part: Path) -> None:
    """The plain Hugging Face part, with what the original had beside its own: a pooler, how it makes vectors."""
    write_model(part, run.model, run.processor)
    keep_pooler(Path(run.reference.path), part)
    if run.reference.pooling in ("mean", "cls") and run.objective.writes == "encoder":
        name = run.reference.hub_id or run.reference.name
        prompts = sentence_transformer.prompts_of(name, Path(run.reference.path), run.reference.prefix)
        sentence_transformer.write(
            part,
            pooling=run.reference.pooling,
            prompts={side: prompts.get(side, "") for side in ("query", "passage")},
            width=run.model.config.hidden_size,
            max_length=run.reference.max_length,
        )
    run.objective.accompany(str(part), run.model.config, run.max_length)


def keep_pooler(source: Path, part: Path) -> None:
    """A pooler that the original had and a masked-language model has no place for, put back among the weights."""
    from safetensors.torch import load_file, save_file

    weights = source / WEIGHTS
    if not weights.is_file():
        return
    from safetensors import safe_open

    with safe_open(weights, "pt") as file:
        kept = {name: file.get_tensor(name) for name in file.keys() if "pooler.dense." in name}  # noqa: SIM118
    here = load_file(part / WEIGHTS)
    prefix = next((name.partition(".")[0] for name in here if ".embeddings." in name), "")
    lead = f"{prefix}.pooler." if prefix else "pooler."
    named = {lead + name.split("pooler.")[1]: value for name, value in kept.items()}
    missing = {name: value for name, value in named.items() if name not in here}
    if missing:
        save_file({**here, **missing}, part / WEIGHTS, metadata={"format": "pt"})


def save_pretrained(run: Pretraining, report: dict[str, Any], *, replace: bool) -> Bundle:
    """Write the bundle, reload it in a fresh process, and only then put it in its place.

    Raises:
        BundleError: the place cannot be written, or the reloaded model answers otherwise.
    """
    plan = run.plan
    rows = [{"text": text[:CUT]} for text in islice(plan.held.held(), PROVEN)]
    run.model.to("cpu")
    predictor = Predictor(run.objective, run.processor, TorchRuntime(run.model), max_length=run.max_length)
    features, arrays = predictor.outputs(rows)
    predictions = run.objective.decode(arrays, features)

    def fill(part: Path) -> None:
        write_pretrained(run, part)
        bring_along(part, run.folder)
        (part / RECIPE).write_text(to_yaml(plan.recipe), "utf-8")
        (part / ENVIRONMENT).write_text(environment(), "utf-8")
        write_report(part, report)

    def prove(part: Path) -> Sequence[Parity]:
        found = [prove_reload(part, rows, arrays, predictions, tokens_of(features))]
        report["parity"] = [parity.to_json() for parity in found]
        write_report(part, report)
        return found

    def finish(part: Path, manifest: Manifest) -> None:
        (part / CARD).write_text(model_card(plan.bundle.name, manifest.to_json(), report), "utf-8")

    reference = run.reference
    manifest = Manifest(
        task=TaskRecord(run.objective.name, plan.recipe.objective.options, run.objective.state),
        method=MethodRecord("full"),
        recipe=plan.recipe.model_dump(mode="json"),
        lineage=Lineage(
            reference.name, reference.hub_id, reference.revision, reference.content_hash, reference.licence
        ),
        data={"language": plan.language, **run.fingerprints()},
        pooling=reference.pooling,
        max_length=run.max_length,
        metrics=figures_of(report),
    )
    write_bundle(plan.bundle, fill=fill, manifest=manifest, prove=prove, finish=finish, replace=replace)
    return read_bundle(plan.bundle, verify=False)
