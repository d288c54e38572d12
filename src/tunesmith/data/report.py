"""A profile as a page of plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tunesmith.data.profile import Lengths, Profile

MOST_LABELS = 12


def report_text(profile: Profile) -> str:
    """Aligned lines: what, and how much; labels with bars; warnings last."""
    lines = [f"{name:<19}{value}" for name, value in _facts(profile) if value]
    if profile.labels:
        lines += ["", "labels", *_bars(profile.labels)]
    for example in profile.conflict_examples:
        lines += ["", f"under {' and '.join(example['labels'])}: {_one_line(example['text'])}"]
    if profile.broken_examples:
        lines += ["", "broken rows"]
        lines += [
            f"  {b['file']}:{b['line'] or '?'} {b['reason']}: {_one_line(b['text'])}" for b in profile.broken_examples
        ]
    if profile.warnings:
        lines += ["", "warnings", *(f"  - {w}" for w in profile.warnings)]
    return "\n".join(lines)


def _facts(p: Profile) -> list[tuple[str, str]]:
    roles = ", ".join(f"{role} = {c if isinstance(c, str) else ' '.join(c)}" for role, c in p.columns.items())
    overlap = p.overlap and f"{p.overlap['near']} of {p.overlap['test_rows']} test rows ({p.overlap['exact']} exact)"
    return [
        ("rows", f"{p.rows:,}"),
        ("task", p.task),
        ("columns", roles),
        ("language", p.language),
        ("characters", _lengths(p.characters)),
        ("tokens", _lengths(p.tokens) if p.tokens else "not counted (no tokenizer)"),
        (
            "longer than model",
            f"{p.truncated:.1%} of texts (limit {p.max_length} tokens)" if p.truncated is not None else "",
        ),
        ("duplicates", f"{p.exact_duplicates:,} exact, {p.near_duplicates:,} near or exact"),
        ("label conflicts", f"{p.conflicts:,} rows"),
        ("train in test", overlap or ""),
        ("empty, unlabelled", f"{p.empty:,}, {p.unlabelled:,}"),
        ("broken", f"{p.broken:,}"),
        ("personal data", ", ".join(f"{k} {n}" for k, n in p.personal.items()) or "none found"),
    ]


def _lengths(lengths: Lengths) -> str:
    return f"median {lengths.median:.0f}, 95% {lengths.p95:.0f}, longest {lengths.longest:,}"


def _bars(labels: dict[str, int]) -> list[str]:
    shown = list(labels.items())[:MOST_LABELS]
    width = max(len(name) for name, _ in shown)
    most = max(labels.values())
    total = sum(labels.values())
    bars = [f"  {n:<{width}} {c:>8,} {c / total:>6.1%} {'▇' * max(1, round(24 * c / most))}" for n, c in shown]
    more = len(labels) - len(shown)
    return [*bars, f"  and {more} more, down to {min(labels.values())} rows"] if more > 0 else bars


def _one_line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 100 else flat[:97] + "..."
