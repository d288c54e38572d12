"""What ``tunesmith feedback propose`` proposes, and with ``--run`` does: learn, gate, canary."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunesmith.feedback.admin import Admin


def made_at(bundle: str) -> float:
    """When a bundle was made, seconds since 1970: what was said later is new to it."""
    from tunesmith.bundle.read import read_bundle

    return datetime.fromisoformat(read_bundle(bundle, verify=False).manifest.created).timestamp()


def held_inputs(bundle: str, held: str) -> tuple[list[Any], list[str]]:
    """Rows that the gate will ask, and the names of what they ask, as an export names it."""
    from tunesmith.bundle.read import read_bundle
    from tunesmith.core.recipe import DataBlock
    from tunesmith.pipeline.answering import answering
    from tunesmith.pipeline.measure import labelled_rows

    asked = answering(read_bundle(bundle, verify=False), None)
    rows = labelled_rows(asked, DataBlock.model_validate({"path": held}), [])
    return rows, [column.role for column in asked.task.columns if not column.target]


def proposal(bundle: str, rows: Path, protect: str) -> dict[str, Any]:
    """The recipe that would learn from exported rows, written beside them, and the commands."""
    from tunesmith.bundle.read import read_bundle
    from tunesmith.pipeline.learn import sibling
    from tunesmith.pipeline.protected import as_recipe

    parent = read_bundle(bundle, verify=False)
    place = str(sibling(parent.path))
    file = rows.with_suffix(".recipe.yaml")
    file.write_text(as_recipe(parent, str(rows), [], place).to_yaml(), "utf-8")
    return {
        "recipe": str(file),
        "candidate": place,
        "command": f"tunesmith learn {bundle} {rows} --protect {protect} bundle={place}",
        "gate": f"tunesmith gate {place} --against {bundle} --held HELD --protect {protect}",
    }


def carried_out(
    proposed: dict[str, Any], bundle: str, rows: Path, protect: str, held: str, admin: Admin | None, share: float
) -> dict[str, Any]:
    """Learn as proposed, gate it, and give it a share of the requests where it passes and a service was named.

    Several replicas take versions from their catalog alone: what to write there is said. Where the service refuses it,
    "not_loaded" says why, beside what was learned.
    """
    from tunesmith.core.errors import TunesmithError
    from tunesmith.core.runtime import calm_threads
    from tunesmith.pipeline.candidate import candidate
    from tunesmith.pipeline.learn import LearnOptions, learn

    alone = admin is None or admin.alone()  # asked first: learning may take hours
    calm_threads()
    made = learn(bundle, str(rows), [f"bundle={proposed['candidate']}"], LearnOptions(protect))
    gated = candidate(bundle, made.path, held, protect)
    told = {"bundle": str(made.path), "accepted": gated["accepted"], "words": f"{proposed['words']} {gated['words']}"}
    if not gated["accepted"] or admin is None:
        return told
    product = proposed["product"]
    route, versions = (admin.product(product)[key] for key in ("route", "versions"))
    version = free_version(versions)
    if not alone:
        words = (
            f"{told['words']} Several replicas take versions from the catalog alone: name {made.path} there "
            f"as version {version} of {product}, with a share of {share:g} as canary, and start the service again."
        )
        return {**told, "words": words}
    try:
        admin.load(product, version, str(made.path.absolute()))
        admin.route(product, route["stable"], (version, share))
    except TunesmithError as error:
        why = error.problem
        return {**told, "not_loaded": why, "words": f"{told['words']} It is not served: {why}"}
    words = f"{told['words']} Version {version} gets {share:.0%} of the requests."
    return {**told, "canary": {"version": version, "share": share}, "words": words}


def free_version(taken: Any) -> str:
    """The first number that is above all that are taken.

    >>> free_version(["1", "blue", "7"])
    '8'
    """
    return str(max([int(name) for name in taken if name.isdecimal()], default=0) + 1)
