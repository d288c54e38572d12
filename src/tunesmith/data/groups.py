"""Which group a row is of, where it has the role ``group``: a person's sex, a region, what a text speaks of."""

from __future__ import annotations

from tunesmith.core.contracts import Row


def group_of(row: Row) -> str | None:
    """The group's name; None where the cell is empty. Several columns of yes and no give their names, joined.

    >>> group_of({"group": 1}), group_of({"group": ["men", "women"]}), group_of({"group": []}), group_of({"text": "a"})
    ('1', 'men + women', 'none', None)
    """
    value = row.get("group")
    if isinstance(value, list):
        return " + ".join(str(name) for name in value) or "none"
    name = "" if value is None else str(value).strip()
    return name or None
