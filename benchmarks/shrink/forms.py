"""Quality against latency and size: every form of a tuned model, and of models cut to half, on test rows.

    python benchmarks/shrink/forms.py --data FOLDER
    python benchmarks/shrink/forms.py --data FOLDER --only imdb --rows 2000 --cut layers=2,recover=3

One ``tunesmith shrink --to auto --max-loss 1 --test-all`` a set: nothing is refused for its loss, so that the table has
it all. A plot stands beside each table. A set that was measured under the same settings is not measured again.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import parents
from parents import SETS, harness

NAME = "shrink_forms"
INT8 = ("int8", "int8-block", "openvino-int8")
INT8_LOSS, INT8_FASTER = 0.005, 3.0
"""What is wanted of int8: points of the metric, and times torch fp32's speed."""
HALF_LOSS, HALF_FASTER = 0.02, 1.8
"""Of a half-size model: against its parent, and times the speed of its parent's quickest form."""
SPEEDS = (("one", "1"), ("many", "32"))
STYLE = """
svg { background:#fff; font-family:system-ui,sans-serif } text { font-size:12.5px; fill:#1b2330 }
.tick,.caption { fill:#5d6878; font-size:12px } .grid { stroke:#e3e7ec } .name.tuned { font-weight:700 }
.dot.tuned { fill:#2463d1 } .dot.other { fill:#9aa5b4 }
"""


def plot(found: Mapping[str, Any]) -> str:
    """The trade-off on test rows as a file of its own: "" where there is nothing to draw."""
    from tunesmith.evaluation.plots.tradeoff import tradeoff_plot

    short = {one["name"]: in_short(one, found) for one in found["candidates"]}
    drawn = [{**one, "metric": one["test"]["value"], "name": short[one["name"]]} for one in found["candidates"]]
    svg = tradeoff_plot(drawn, f"{found['metric']} on test rows", short[found["picked"]])
    head = f'<svg xmlns="http://www.w3.org/2000/svg"><style>{STYLE}</style>'.split(">", 1)
    return svg and svg.replace("<svg", head[0], 1).replace(">", f">{head[1]}", 1) + "\n"


def cuts_of(found: Mapping[str, Any]) -> dict[str, str]:
    """Cut -> its letter in the plot."""
    cuts = dict.fromkeys(one["cut"] for one in found["candidates"] if one["cut"])
    return dict(zip(cuts, "ABCDEFGH", strict=False))


def in_short(one: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """``A: int8`` for ``layers=0.5,recover=2: int8``."""
    return f"{cuts_of(found)[one['cut']]}: {one['name'].rpartition(': ')[2]}" if one["cut"] else one["name"]


def cells(one: Mapping[str, Any], first: Mapping[str, Any], picked: str) -> list[str]:
    """A candidate's line.

    Args:
        first: the parent in torch fp32.
    """
    test = one["test"]
    return [
        f"**{one['name']}**" if one["name"] == picked else one["name"],
        harness.interval(test),
        points(test),
        f"{test['agreement']:.1%}",
        f"{1e3 * one['one']:.2f}",
        f"{1e3 * one['many']:.1f}",
        " / ".join(f"{first[key] / one[key]:.1f}" for key, _ in SPEEDS),
        f"{one['bytes'] / 2**20:.1f}",
        "yes" if test["passed"] else "no",
    ]


def points(test: Mapping[str, Any]) -> str:
    """``-0.16 [-0.42, +0.10]``: hundredths of the metric, against torch fp32, paired."""
    if test["loss"] is None:
        return "-"
    value, low, high = (-100 * test[key] for key in ("loss", "loss_high", "loss_low"))
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def holds(one: Mapping[str, Any], most: float) -> bool:
    """Whether it loses no more than so much, and its numbers are those of the model that it was made of."""
    test = one["test"]
    gap = test["largest_gap"]  # None: not a number
    return None not in (test["loss"], gap) and test["loss"] <= most and gap <= test["tolerance"]


def wanted(found: Mapping[str, Any]) -> list[str]:
    """What was wanted, met or not."""
    first, *others = found["candidates"]
    own = [one for one in others if not one["cut"]]
    lines = [int8_line(first, [one for one in own if one["name"] in INT8])]
    for cut in dict.fromkeys(one["cut"] for one in others if "layers" in one["cut"]):
        lines.append(half_line(cut, [one for one in others if one["cut"] == cut], [first, *own]))
    return lines


def int8_line(first: Mapping[str, Any], forms: Sequence[Mapping[str, Any]]) -> str:
    """Whether a form in int8 is as good and as quick as was wanted."""
    told, met = [], []
    for one in forms:
        times = [first[key] / one[key] for key, _ in SPEEDS]
        told.append(f"{one['name']} {points(one['test'])}, {times[0]:.1f} and {times[1]:.1f} times")
        if one["test"]["passed"] and holds(one, INT8_LOSS) and min(times) >= INT8_FASTER:
            met.append(one["name"])
    asked = f"int8 within {100 * INT8_LOSS:g} points of fp32, at least {INT8_FASTER:g} times as fast for 1 and 32 rows"
    return f"- {asked}: **{'met by ' + ', '.join(met) if met else 'NOT met'}** ({'; '.join(told) or 'no such form'})."


def half_line(cut: str, half: Sequence[Mapping[str, Any]], whole: Sequence[Mapping[str, Any]]) -> str:
    """Whether a cut model is near enough to its parent and quicker than the parent's quickest form that holds."""
    asked = f"`{cut}` within {100 * HALF_LOSS:g} points of its parent, at least {HALF_FASTER:g} times its speed"
    told, met = [], True
    for key, rows in SPEEDS:
        ours = min((one for one in half if holds(one, HALF_LOSS)), key=lambda one, key=key: one[key], default=None)
        theirs = min((one for one in whole if holds(one, INT8_LOSS)), key=lambda one, key=key: one[key], default=None)
        if ours is None or theirs is None:
            return f"- {asked}: **NOT met**, no form of it holds."
        times = theirs[key] / ours[key]
        met &= times >= HALF_FASTER
        told.append(
            f"{rows} rows: {ours['name'].rpartition(': ')[2]}, {points(ours['test'])} points, {times:.2f} times the "
            f"parent's {theirs['name']}"
        )
    return f"- {asked}: **{'met' if met else 'NOT met'}** ({'; '.join(told)})."


def page(kept: Mapping[str, Any]) -> list[str]:
    """A table and a plot for each set."""
    lines = [
        "On test rows, with 95% intervals; the difference is paired, in points (hundredths of the metric), from the "
        "parent in torch fp32, which stands first. Milliseconds are of 1 and of 32 features (a row, or a "
        "window of a long one), as many at once as `predict` takes, tokens made before, all candidates in turns; "
        "times: torch fp32's milliseconds by its own. MiB are the files that the runtime reads, without the "
        "tokenizer. Parity: at least 90% of the answers "
        "the same, and no number moved by more than 0.001 (fp32) or than their standard deviation (else). Bold: the "
        "quickest for one row that passes it.",
    ]
    for name, one in kept.items():
        found = one["shrink"]
        header = ["candidate", found["metric"], "points", "same answers", "1 row, ms", "32 rows, ms", "times (1 / 32)"]
        first = found["candidates"][0]
        rows = [cells(candidate, first, found["picked"]) for candidate in found["candidates"]]
        lines += ["", f"## {SETS[name]['title']}", "", parents.about(one["parent"]), ""]
        lines += harness.table([*header, "MiB", "parity"], rows)
        letters = "".join(f"; {letter}: `{cut}`" for cut, letter in cuts_of(found).items())
        lines += ["", *wanted(found), "", f"![{SETS[name]['title']}]({NAME}_{name}.svg)", ""]
        lines += [f"In the plot larger dots are larger files{letters}.", ""]
        lines += [f"Left out: {form}: {why}\n" for form, why in found["left_out"].items()]
        lines += [f"The command took {one['seconds']:,.0f} s.", "", *harness.context_lines(one)]
        lines += harness.busy_note([one])
    return lines


def write(given: argparse.Namespace, kept: Mapping[str, Any]) -> None:
    """The page, its figures, and the plots."""
    there = {name: kept[name] for name in SETS if name in kept}
    given.results.mkdir(parents=True, exist_ok=True)
    for name, one in there.items():
        (given.results / f"{NAME}_{name}.svg").write_text(plot(one["shrink"]), "utf-8")
    harness.write(given.results, NAME, "Shrink: every form, and half-size models", page(there), kept)


def main() -> None:
    """The command line."""
    parser = parents.options(__doc__)
    parser.add_argument("--cut", action="append", help="a smaller model beside it, for every set; again for another")
    given = parents.parse(parser)
    path = given.results / f"{NAME}.json"
    kept: dict[str, Any] = harness.kept(path, {})
    run = harness.context()
    for name in given.only:
        cuts = given.cut or ([parents.QUICK_CUT] if given.quick else SETS[name]["cuts"])
        made = parents.parent(given, name)
        settings = {"parent": made.told["settings"], "cuts": cuts}
        if kept.get(name, {}).get("settings") == settings:
            continue
        words = ["--to", "auto", "--max-loss", "1", "--test-all", *(word for cut in cuts for word in ("--cut", cut))]
        found = harness.child(__file__, {"parent": str(made.bundle), "into": "forms", "words": words})
        found.pop("bundle")
        found["shrink"].pop("parent")
        (found.get("smaller") or {}).pop("parent", None)
        kept[name] = {**found, **run, "parent": made.told, "settings": settings}
        write(given, kept)
    write(given, kept)


if __name__ == "__main__":
    harness.entry(parents.shrunk, main)
