"""What in a profile should worry, in words: each a sentence with its figure and what it does to a result."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tunesmith.data.profile import Profile


def concerns(profile: Profile) -> list[str]:
    """All sentences that apply, in order of weight."""
    return [sentence for look in LOOKS if (sentence := look(profile))]


def _overlap(p: Profile) -> str:
    if not p.overlap or not p.overlap["near"]:
        return ""
    return (
        f"{p.overlap['near']} of {p.overlap['test_rows']} test rows are in the training rows, too "
        f"({p.overlap['exact']} word for word): the test would be too kind. Such training rows are left out of a run."
    )


def _one_label(p: Profile) -> str:
    return "There is one label only: nothing can be learned." if len(p.labels) == 1 else ""


def _rare(p: Profile) -> str:
    if p.task == "text-regression":
        return ""
    rare = [name for name, count in p.labels.items() if count < 5]
    some = ", ".join(f'"{n}" ({p.labels[n]})' for n in rare[:5])
    return f"{len(rare)} labels have fewer than 5 rows: {some}. They are hardly learned, nor measured." if rare else ""


def _uneven(p: Profile) -> str:
    if len(p.labels) < 2 or p.task != "text-classification":
        return ""
    counts = list(p.labels.values())
    if max(counts) < 10 * min(counts):
        return ""
    return f"Labels are uneven ({max(counts)} to {min(counts)} rows): look at macro-F1, not at accuracy."


def _few(p: Profile) -> str:
    return f"{p.rows} rows are few: intervals will be wide." if p.rows < 200 else ""


def _conflicts(p: Profile) -> str:
    if not p.conflicts:
        return ""
    return (
        f"{p.conflicts} rows have a text that stands under several labels; data.clean.conflicts=drop leaves them out."
    )


def _duplicates(p: Profile) -> str:
    if p.near_duplicates <= 0.01 * p.rows:
        return ""
    return (
        f"{p.near_duplicates} rows ({p.near_duplicates / p.rows:.1%}) repeat a text above, "
        f"{p.exact_duplicates} of them word for word; near duplicates are kept on one side of the split."
    )


def _long(p: Profile) -> str:
    if not p.truncated:
        return ""
    return f"{p.truncated:.1%} of texts are longer than the model's {p.max_length} tokens; they are read in windows."


def _unread(p: Profile) -> str:
    return f"{p.broken} rows could not be read." if p.broken else ""


def _empty(p: Profile) -> str:
    parts = [f"{n} rows have no {what}" for n, what in ((p.empty, "text"), (p.unlabelled, "label")) if n]
    return f"{' and '.join(parts)}; they are left out." if parts else ""


def _personal(p: Profile) -> str:
    if not p.personal:
        return ""
    kinds = ", ".join(f"{kind} {count}" for kind, count in p.personal.items())
    return f"Personal data is likely, in rows: {kinds}; data.clean.redact=true replaces it."


LOOKS: tuple[Callable[[Profile], str], ...] = (
    _one_label, _overlap, _conflicts, _unread, _empty, _rare, _uneven, _few, _duplicates, _long, _personal
)  # fmt: skip
