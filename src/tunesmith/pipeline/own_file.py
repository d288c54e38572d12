"""Whether a bundle is measured on the file that it learned from."""

from __future__ import annotations

from pathlib import Path

from tunesmith.bundle.read import Bundle


def same_file(one: str, other: str) -> bool:
    """Whether two names are of one place; an empty one is of none."""
    return bool(one) and Path(one).absolute() == Path(other).absolute()


def own_file(bundle: Bundle, file: str) -> list[str]:
    """A note where a file is the one that the bundle was tuned on, by its path; else nothing.

    Its rows may have changed since, so the note says what the bundle learned then, and nothing is refused.
    """
    if not same_file((bundle.manifest.recipe.get("data") or {}).get("path") or "", file):
        return []
    rows = (bundle.manifest.data.get("train") or {}).get("rows")
    learned = "most of its rows" if rows is None else f"{rows:,} of its rows"
    return [
        f"{file} is the file that {bundle.path} was tuned on: it learned {learned}, and these figures are too good. "
        f"Those of rows that it did not learn are in {bundle.path / 'report.html'}."
    ]
