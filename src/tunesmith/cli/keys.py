"""``tunesmith keys``: who may ask the service."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.cli import stores
from tunesmith.cli.columns import aligned
from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json
from tunesmith.core.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tunesmith.service.auth import KeyRing
    from tunesmith.service.keys.secret import NewKey
    from tunesmith.service.settings import Catalog


class Action(StrEnum):
    """What to do."""

    make = "make"
    list = "list"
    revoke = "revoke"
    rotate = "rotate"
    forget = "forget"


def keys(
    action: Annotated[Action, typer.Argument(help="make, list, revoke, rotate or forget.")],
    who: Annotated[str, typer.Argument(metavar="[NAME|ID]", help="Of a new key its name, else the key's id.")] = "",
    products: Annotated[str | None, typer.Option("--products", help="What it may ask: a,b; default: all.")] = None,
    plan: Annotated[str, typer.Option("--plan", help="Of the catalog; default: no limits.")] = "",
    expires: Annotated[str | None, typer.Option("--expires", help="After 90d, 24h ...; default: never.")] = None,
    grace: Annotated[str, typer.Option("--grace", help="How long a rotated key works on: 24h.")] = "0",
    store: stores.StoreUrl = None,
    catalog: stores.CatalogFile = None,
    json: Json = False,
) -> None:
    """Make, list, revoke or rotate the keys of the service; forget what a key asked.

    A key is shown once, when it is made or rotated; the store has only a hash of it. A running service sees a change
    within a second. forget deletes from the store what the key was answered and what was said about it, not what it
    used, which invoices need; revoke the key before, or more may come.
    """
    given = {"--products": products, "--plan": plan, "--expires": expires, "--grace": None if grace == "0" else grace}
    _refuse_unread(action, [option for option, value in given.items() if value])
    known = stores.read(catalog)
    scope = None if products is None else [name.strip() for name in products.split(",")]
    _check(action, who, plan, scope, known)
    engine = stores.opened(store, known, new=action is Action.make)
    from tunesmith.service.auth import KeyRing
    from tunesmith.service.keys.shown import seconds, shown

    ring = KeyRing(engine)
    if action is Action.list:
        emit({"keys": [shown(key) for key in ring.all()]}, json, _table)
    elif action is Action.revoke:
        emit(shown(ring.revoke(who)), json, lambda key: f"{key['id']} ({key['name']}) is revoked.")
    elif action is Action.forget:
        emit(_forgotten(engine, ring, who), json, lambda told: told["words"])
    else:
        ends = None if expires is None else seconds(expires, "--expires")
        if action is Action.make:
            made = ring.make(who, products=scope, plan=plan, expires_in=ends)
        else:
            made = ring.rotate(who, seconds(grace, "--grace"))
        told = next(shown(key) for key in ring.all() if key.id == made.id)
        emit({**told, "key": made.text}, json, lambda _: _once(made))


def _forgotten(engine: Engine, ring: KeyRing, who: str) -> dict[str, Any]:
    from tunesmith.service.answers import forget

    known = {key.id: key for key in ring.all()}
    if who not in known:
        raise RecipeError(f'There is no key "{who}".', did_you_mean(who, known))
    key = known[who]
    rows = forget(engine, who)
    words = f"{rows:,} remembered answers and words about them of {key.id} ({key.name}) are deleted."
    if key.revoked_at is None:
        words += f" The key works on, and more may come: tunesmith keys revoke {key.id}"
    return {"id": key.id, "name": key.name, "deleted": rows, "words": words}


READ = {Action.make: ("--products", "--plan", "--expires"), Action.rotate: ("--grace",)}
"""Options of one action; a rotated key keeps its plan, products and end."""


def _refuse_unread(action: Action, given: list[str]) -> None:
    """What is said and not read would be taken for done: a key that was to end would work for ever."""
    strange = [option for option in given if option not in READ.get(action, ())]
    if not strange:
        return
    owners = sorted({f'"{owner.value}"' for owner, options in READ.items() if set(options) & set(strange)})
    hint = "A key's plan, products and end stay as they were made: make another and revoke this one."
    raise RecipeError(
        f'"{action.value}" does not read {", ".join(strange)}: {" and ".join(owners)} does.',
        hint if action is Action.rotate else "See: tunesmith keys --help",
    )


def _check(action: Action, who: str, plan: str, scope: list[str] | None, catalog: Catalog | None) -> None:
    if action is Action.list and who:
        raise RecipeError(f'"list" takes no name; "{who}" was given.', "See: tunesmith keys --help")
    if action is not Action.list and not who.strip():
        what = "a name for the key" if action is Action.make else "the key's id"
        raise RecipeError(f'"{action.value}" needs {what}.', "See: tunesmith keys --help")
    if catalog is not None:
        if plan and plan not in catalog.plans:
            raise RecipeError(f'The catalog has no plan "{plan}".', did_you_mean(plan, catalog.plans))
        for name in scope or ():
            if name not in catalog.products:
                raise RecipeError(f'The catalog has no product "{name}".', did_you_mean(name, catalog.products))


def _once(made: NewKey) -> str:
    """The key alone on stdout, so that ``KEY=$(tunesmith keys make ...)`` works."""
    print(f"The key {made.id}. It is shown only now: keep it where secrets are kept.", file=sys.stderr)
    return made.text


def _table(told: dict[str, Any]) -> str:
    if not told["keys"]:
        return "There is no key yet. Make one: tunesmith keys make NAME"
    rows = [
        {
            **key,
            "products": "all" if key["products"] is None else ",".join(key["products"]),
            "plan": key["plan"] or "-",
            "made": key["made_at"],
            "ends": key["revoked_at"] or key["expires_at"] or "-",
        }
        for key in told["keys"]
    ]
    return aligned(("id", "state", "plan", "products", "made", "ends", "name"), rows)
