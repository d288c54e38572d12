"""``tunesmith shrink --max-loss 0.01``, for latency and for size: the pick, and whether it is right.

    python benchmarks/shrink/search.py --data FOLDER
    python benchmarks/shrink/search.py --data FOLDER --only hotel --max-loss 0.02 --targets size

The check reads the table alone: no candidate that is cheaper may have met the limit. A search that was made under the
same settings is not made again.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import parents
from parents import SETS, harness

NAME = "shrink_search"
FIELDS = {"latency": "one", "throughput": "many", "size": "bytes"}
NEAR = 1.03
"""Of two candidates this near to each other ``shrink`` takes the truer one (compression/pick.py)."""


def in_torch(one: Mapping[str, Any]) -> bool:
    """Whether it stands in the table to be compared with: the parent, and what a cut left, before any form."""
    return one["name"].rpartition(": ")[2] == "torch"


def why_not(one: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """What kept a candidate from being picked; "" where nothing did."""
    if in_torch(one):
        return "no form"
    if one["loss"] is None or one["loss"] > found["max_loss"]:
        return "loses more than the limit"
    if why := found["refused"].get(one["name"]):
        return f"test rows: {why}"
    return ""


def verdict(found: Mapping[str, Any]) -> str:
    """Whether no cheaper candidate met the limit."""
    key = FIELDS[found["target"]]
    picked = next(one for one in found["candidates"] if one["name"] == found["picked"])
    cheaper = [one for one in found["candidates"] if one[key] < picked[key]]
    wrong = [one["name"] for one in cheaper if not why_not(one, found) and NEAR * one[key] < picked[key]]
    near = [one["name"] for one in cheaper if not why_not(one, found) and one["name"] not in wrong]
    told = f"{len(cheaper)} of {len(found['candidates'])} candidates are cheaper than {found['picked']}"
    if near:
        told += f", {', '.join(near)} by less than {NEAR - 1:.0%} and less true"
    if wrong:
        return f"{told}. **{', '.join(wrong)} met the limits and was NOT picked.**"
    return f"{told}. **No {'other ' if near else ''}cheaper one met the limits**, on validation and test rows."


def cells(one: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """A candidate's line."""
    picked = one["name"] == found["picked"]
    return [
        f"**{one['name']}**" if picked else one["name"],
        harness.value({"value": one["metric"]}),
        "-" if one["loss"] is None else f"{one['loss']:+.4f}",
        f"{one['agreement']:.1%}",
        f"{1e3 * one['one']:.2f}",
        f"{1e3 * one['many']:.1f}",
        f"{one['bytes'] / 2**20:.1f}",
        "picked" if picked else why_not(one, found) or "dearer",
    ]


def page(kept: Mapping[str, Any]) -> list[str]:
    """A table for each search, the cheapest first."""
    lines = [
        "Validation rows choose: the metric, what it lost against the parent in torch, and the share of the same "
        "answers are theirs. The pick is then held to its parent on the test rows.",
    ]
    for name, searches in kept.items():
        for target, one in searches.items():
            found = one["shrink"]
            header = ["candidate", found["metric"], "lost", "same answers", "1 row, ms", "32 rows, ms", "MiB", ""]
            ranked = sorted(found["candidates"], key=lambda c, key=FIELDS[target]: c[key])
            proof = found["parity"]
            lost = f"{proof['loss']:+.4f} ({proof['loss_low']:+.4f} to {proof['loss_high']:+.4f})"
            lines += ["", f"## {SETS[name]['title']}, {target}, at most {found['max_loss']:g} lost", ""]
            lines += [parents.about(one["parent"]), "", *harness.table(header, [cells(c, found) for c in ranked])]
            lines += ["", found["words"], "", verdict(found), ""]
            lines += [
                f"On {proof['rows']:,} test rows {proof['metric']} loses {lost}, {proof['agreement']:.1%} of the "
                f"answers are the same. The command took {one['seconds']:,.0f} s.",
                "",
                *harness.context_lines(one),
                *harness.busy_note([one]),
            ]
    return lines


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / f"{NAME}.json"
    kept: dict[str, Any] = harness.kept(path, {})
    run = harness.context()
    for name in given.only:
        cuts = given.cut or ([parents.QUICK_CUT] if given.quick else SETS[name]["cuts"])
        made = parents.parent(given, name)
        for target in given.targets:
            settings = {"parent": made.told["settings"], "cuts": cuts, "max_loss": given.max_loss}
            done = kept.setdefault(name, {})
            if done.get(target, {}).get("settings") == settings:
                continue
            words = ["--max-loss", given.max_loss, "--target", target, *(w for cut in cuts for w in ("--cut", cut))]
            found = harness.child(__file__, {"parent": str(made.bundle), "into": f"for-{target}", "words": words})
            found.pop("bundle")
            found["shrink"].pop("parent")
            done[target] = {**found, **run, "parent": made.told, "settings": settings}
            harness.write(given.results, NAME, "Shrink: the search", page(kept), kept)


def options() -> argparse.Namespace:
    """The command line's."""
    parser = parents.options(__doc__, ["banking77", "hotel"])
    parser.add_argument("--targets", nargs="+", choices=list(FIELDS), default=["latency", "size"])
    parser.add_argument("--max-loss", type=float, default=0.01, help="of the task's first metric")
    parser.add_argument("--cut", action="append", help="a smaller model beside it, for every set; again for another")
    given = parents.parse(parser)
    if given.quick:
        given.max_loss = 1.0
    return given


if __name__ == "__main__":
    harness.entry(parents.shrunk, main)
