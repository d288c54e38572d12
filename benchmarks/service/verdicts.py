"""What was wanted of throughput and latency, met or not: from cells, and from the bare runtime's figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TIMES_NAIVE = 10.0
TIMES_BARE, MORE_MS = 1.3, 2.0
SHARE = 0.7
SHORT, BUSY = "banking77", 64
"""Texts and clients of the first wish; the last one looks at as many clients, too."""

Cells = Mapping[str, Mapping[str, Any]]


def wanted(one: Mapping[str, Any]) -> list[str]:
    """A line for each wish."""
    cells, bare = one["cells"], one["bare"]
    forms = list(dict.fromkeys(key.split(" | ")[0].removeprefix("ours, ") for key in cells if key.startswith("ours, ")))
    lines = [against_naive(cells, forms)]
    lines += [against_litserve(cells, form) for form in forms]
    lines += [
        line for form in forms for line in (one_request(cells, bare, form), under_load(cells, bare, form)) if line
    ]
    return lines


def rate(cells: Cells, name: str, text: str, clients: int) -> float | None:
    """Requests/s of a cell; None where it was not measured, or not all was answered."""
    found = cells.get(f"{name} | {text} | {clients}")
    return None if found is None or found["failed"] or found["refused"]["count"] else float(found["rate"])


def against_naive(cells: Cells, forms: list[str]) -> str:
    """At least ten times the naive server's requests/s."""
    asked = f"- At least {TIMES_NAIVE:g} times the naive server at {BUSY} clients on short texts"
    base = cells.get(f"naive | {SHORT} | {BUSY}", {}).get("rate")
    if not base:
        return f"{asked}: not measured."
    times = {form: (rate(cells, f"ours, {form}", SHORT, BUSY) or 0.0) / base for form in forms}
    met = [form for form, found in times.items() if found >= TIMES_NAIVE]
    told = ", ".join(f"{form} {found:.1f}" for form, found in times.items())
    return f"{asked}: **{'met by ' + ', '.join(met) if met else 'NOT met'}** (times: {told})."


def against_litserve(cells: Cells, form: str) -> str:
    """Ahead of it on the same runtime, in every cell that both have; "" where they share none."""
    told, met = [], True
    for key, theirs in cells.items():
        name, text, clients = key.split(" | ")
        ours = cells.get(f"ours, {form} | {text} | {clients}")
        if name != f"LitServe, {form}" or ours is None or not theirs["rate"]:
            continue
        good = rate(cells, f"ours, {form}", text, int(clients)) or 0.0
        met &= good > theirs["rate"]
        told.append(f"{text} {clients}: {good / theirs['rate']:.2f}")
    if not told:
        return ""
    return f"- Ahead of LitServe in {form}: **{_met(met)}** (its requests/s times: {', '.join(told)})."


def one_request(cells: Cells, bare: Mapping[str, Any], form: str) -> str:
    """One client's median against the bare ``forward``'s."""
    told, met = [], True
    for text, found in bare.get(form, {}).items():
        cell = cells.get(f"ours, {form} | {text} | 1") if isinstance(found, Mapping) else None
        if cell is None or cell["good"]["p50"] is None:
            continue
        most = TIMES_BARE * found["one_forward_ms"] + MORE_MS
        met &= cell["good"]["p50"] <= most
        told.append(f"{text} {cell['good']['p50']:.2f} ms, bare {found['one_forward_ms']:.2f}, allowed {most:.2f}")
    asked = f"- One request in {form} within {TIMES_BARE:g} times the bare median + {MORE_MS:g} ms"
    return f"{asked}: **{_met(met)}** ({'; '.join(told)})." if told else ""


def under_load(cells: Cells, bare: Mapping[str, Any], form: str) -> str:
    """Requests/s at 64 clients against the bare runtime's best batches, which need no tokens and no HTTP."""
    told, met = [], True
    for text, found in bare.get(form, {}).items():
        ours = rate(cells, f"ours, {form}", text, BUSY) if isinstance(found, Mapping) else None
        if ours is None:
            continue
        share = ours / found["many_forward"]
        met &= share >= SHARE
        told.append(
            f"{text} {share:.0%} of {found['many_forward']:,.0f}/s; {ours / found['many_whole']:.0%} with tokens"
        )
    asked = f"- At {BUSY} clients, {form} has at least {SHARE:.0%} of the bare runtime's batched throughput"
    return f"{asked}: **{_met(met)}** ({'; '.join(told)})." if told else ""


def _met(whether: bool) -> str:
    return "met" if whether else "NOT met"
