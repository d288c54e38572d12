"""``tunesmith feedback``: the way back from what was answered to a better bundle."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.cli import stores
from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json
from tunesmith.cli.proposal import carried_out, held_inputs, made_at, proposal
from tunesmith.core.errors import RecipeError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tunesmith.feedback.admin import Admin

KEY = "TUNESMITH_ADMIN_KEY"
"""Environment variable with the admin key of the service."""


class Action(StrEnum):
    """What to do."""

    export = "export"
    propose = "propose"
    canary = "canary"


def feedback(
    action: Annotated[Action, typer.Argument(help="export, propose or canary.")],
    product: Annotated[str, typer.Argument(help="The product's name.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Labelled rows go here.")] = Path("feedback.jsonl"),
    queue: Annotated[Path | None, typer.Option("--queue", help="Unsure answers, to be labelled, go here.")] = None,
    below: Annotated[float, typer.Option("--below", help="The score under which an answer is unsure.")] = 0.6,
    days: Annotated[float | None, typer.Option("--days", help="Only of the last so many days.")] = None,
    bundle: Annotated[str, typer.Option("--bundle", help="propose: what serves.")] = "",
    protect: Annotated[str, typer.Option("--protect", help="propose: rows that must not be forgotten.")] = "",
    volume: Annotated[int, typer.Option("--volume", help="propose: labelled rows from which on it is time.")] = 500,
    agreement: Annotated[float, typer.Option("--agreement", help="propose: share of right answers wanted.")] = 0.9,
    least: Annotated[int, typer.Option("--least", help="Labelled rows that are needed at least.")] = 50,
    margin: Annotated[float, typer.Option("--margin", help="canary: how much worse is hardly worse.")] = 0.02,
    run: Annotated[bool, typer.Option("--run", help="propose: learn, gate and put out a canary, too.")] = False,
    held: Annotated[
        str, typer.Option("--held", help="propose: labelled rows of today for the gate; not learned.")
    ] = "",
    share: Annotated[float, typer.Option("--share", help="propose --run: of the requests, for the canary.")] = 0.1,
    act: Annotated[bool, typer.Option("--act", help="canary: promote it or roll it back, as was decided.")] = False,
    service: Annotated[str, typer.Option("--service", help="URL of the running service.")] = "",
    store: stores.StoreUrl = None,
    catalog: stores.CatalogFile = None,
    json: Json = False,
) -> None:
    """Write what was said about answers as a file to learn from; say when it is time to learn; judge a canary.

    export writes redacted rows with their right answers (--output), and those that a person should label (--queue).
    propose looks at volume, agreement and drift (--service), and says which recipe would learn from the export; with
    --run it learns, gates the candidate on --held and --protect, and gives it a --share of the requests.
    canary compares what was said about both versions since the canary was first asked; --act does what was decided.
    """
    engine = stores.opened(store, stores.read(catalog))
    since = 0.0 if days is None else time.time() - days * 86_400
    if action is Action.export:
        emit(_exported(engine, product, output, queue, below, since), json, _said)
        return
    from tunesmith.feedback.admin import Admin

    admin = Admin(service, os.environ.get(KEY, "")) if service else None
    if action is Action.canary:
        if admin is None:
            raise RecipeError("canary asks the running service for its route.", "Give --service http://host:8000")
        emit(_judged(engine, admin, product, since, margin, least, act), json, _said)
        return
    if run and not held:
        raise RecipeError("--run gates what was learned on held-out rows.", "Give --held FILE")
    if not bundle or not protect:
        raise RecipeError(
            "propose needs the serving bundle and rows to protect.", "Give --bundle out/reviews --protect reviews.csv"
        )
    from tunesmith.feedback.trigger import Limits

    gated = held_inputs(bundle, held) if held else None
    told = _exported(engine, product, output, queue, below, since, gated)
    told |= _proposed(engine, admin, product, bundle, told["rows"], since, Limits(volume, agreement, least))
    if told["propose"]:
        told |= proposal(bundle, output, protect)
        if run:
            told |= carried_out(told, bundle, output, protect, held, admin, share)
    emit(told, json, _said)
    if "not_loaded" in told:
        raise typer.Exit(2)


def _exported(
    engine: Engine,
    product: str,
    output: Path,
    queue: Path | None,
    below: float,
    since: float,
    gated: tuple[list[Any], list[str]] | None = None,
) -> dict[str, Any]:
    from tunesmith.feedback.apart import apart
    from tunesmith.feedback.collect import collected, unsure, write_lines

    found = collected(engine, product, since=since)
    rows = found.rows if gated is None else apart(found.rows, *gated)
    told: dict[str, Any] = {"product": product, "rows": len(rows), "without_text": found.without_text,
                            "conflicts": found.conflicts, "unread": found.unread, "output": None}  # fmt: skip
    kept: list[Path | None] = []
    if rows:
        kept.append(write_lines(output, rows))
        told["output"] = str(output)
    if queue is not None:
        unsure_rows, without, unread = unsure(engine, product, below=below, since=since)
        kept.append(write_lines(queue, unsure_rows))
        told |= {"queue": str(queue), "to_label": len(unsure_rows), "to_label_without_text": without}
        told["to_label_unread"] = unread
    words = f"{len(rows):,} labelled rows" + (f" in {output}" if rows else "")
    if gated is not None:
        told["held"] = len(found.rows) - len(rows)
        words += f", {told['held']:,} left out that --held has, too" if told["held"] else ""
    if queue is not None:
        words += f", {told['to_label']:,} to be labelled in {queue}"
    if found.without_text:
        words += (
            f"; {found.without_text:,} have no text: it is not kept (keep: true), or redacting moved what was marked"
        )
    if most := max(found.unread, told.get("to_label_unread", 0)):
        words += f"; {most:,} older ones were not read (--days says from when on)"
    told["kept"] = [str(path) for path in kept if path is not None]
    if told["kept"]:
        words += f"; what stood there had other rows and is kept as {' and '.join(told['kept'])}"
    return {**told, "words": f"{words}."}


def _proposed(
    engine: Engine, admin: Admin | None, product: str, bundle: str, labelled: int, since: float, limits: Any
) -> dict[str, Any]:
    from tunesmith.feedback.collect import Agreement, agreement, said_since
    from tunesmith.feedback.trigger import reasons

    by_version = agreement(engine, product, since=since)
    agreed = sum(by_version.values(), Agreement())
    drifting: list[str] = []
    known = True
    running = None
    if admin is not None:
        route = admin.product(product)["route"]
        agreed = by_version.get(route["stable"], Agreement())
        found = admin.drifting(product)
        known = found is not None
        drifting = [version for version in found or () if version == route["stable"]]
        running = route["canary"] and route["canary"]["version"]
    new = min(labelled, said_since(engine, product, max(since, made_at(bundle))))
    why = reasons(labelled, new, agreed, [f"version {version}" for version in drifting], limits)
    words = f"It is time to learn: {'; '.join(why)}." if why else "It is not time to learn yet."
    if not known:
        words += " Drift is not known here: each of several replicas looks for itself, and its alerts tell of it."
    if running:
        words = f"Version {running} is a canary: judge it first (tunesmith feedback canary {product})."
    return {"propose": bool(why) and not running, "why": why, "agreement": vars(agreed), "new": new,
            "drifting": drifting, "words": words}  # fmt: skip


def _judged(
    engine: Engine, admin: Admin, product: str, since: float, margin: float, least: int, act: bool
) -> dict[str, Any]:
    from tunesmith.feedback.canary import decide
    from tunesmith.feedback.collect import Agreement, agreement, first_answer

    route = admin.product(product)["route"]
    if not route["canary"]:
        raise RecipeError(f"{product} has no canary.", "Send one a share: PUT /admin/products/NAME")
    stable, version = route["stable"], route["canary"]["version"]
    since = max(since, first_answer(engine, product, version))  # before it, rows may have been of another kind
    said = agreement(engine, product, since=since)
    found = decide(said.get(stable, Agreement()), said.get(version, Agreement()), margin=margin, least=least)
    if act and found.what == "promote":
        admin.route(product, version)
    elif act and found.what == "roll back":
        admin.route(product, stable)
        admin.unload(product, version)  # it was refused: nobody is sent back to it
    told = {"product": product, "stable": stable, "canary": version, **vars(found), "done": act}
    return told | {"idle": _idle(admin.product(product))}


def _idle(product: Mapping[str, Any]) -> list[str]:
    """Versions that take memory and that nobody is sent to: the one before stays, so that the way back is quick."""
    route = product["route"]
    busy = {route["stable"], route["shadow"], (route["canary"] or {}).get("version")}
    return [name for name, one in product["versions"].items() if one["loaded"] and name not in busy]


def _said(told: dict[str, Any]) -> str:
    lines = [told["words"]]
    lines += [told[key] for key in ("command", "gate") if key in told and "accepted" not in told]
    if "what" in told:
        lines.append(f"{told['what']}{'' if told['done'] or told['what'] == 'wait' else ' (not done; --act does it)'}")
    if told.get("idle"):
        free = f"DELETE /admin/products/{told['product']}/versions/{told['idle'][0]}"
        lines.append(f"In memory, and asked by nobody: {', '.join(told['idle'])}. To free it: {free}")
    return "\n".join(lines)
