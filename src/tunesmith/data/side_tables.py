"""Tables beside a log: items with their texts and columns, users with their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tunesmith.core.errors import DataError
from tunesmith.data.read import read
from tunesmith.data.rows import Rows
from tunesmith.data.shapes.recommendation import ITEMS, USERS, identifier
from tunesmith.data.traits import Traits, traits
from tunesmith.data.words import normal, rank

ID = ("id", "编号", "key", "code")
TEXTS = (
    "title", "name", "text", "item_name", "product_name", "movie_title", "headline", "description", "summary",
    "content", "标题", "名称", "商品名称", "书名", "片名", "文本", "描述", "内容", "简介",
)  # fmt: skip


@dataclass
class SideTable:
    """One entry an id.

    Args:
        ids: in the file's order, each once.
        texts: what a model reads of each; "" where there is none.
        columns: name -> a cell for each id: text, number or None.
        why: how columns were taken, in words.
        notes: what was left out, in words.
    """

    ids: list[str]
    texts: list[str]
    columns: dict[str, list[Any]]
    why: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fingerprint: str = ""


def item_table(path: str, known: Sequence[str] = ()) -> SideTable:
    """The items of a file.

    Args:
        known: ids of the log, by which the column of ids is known where its name does not tell.

    Raises:
        DataError: no column can be the id, or none of its ids stands in the log.
    """
    return side_table(read(path), path, (*ITEMS, *ID), known, "items", texts=True)


def user_table(path: str, known: Sequence[str] = ()) -> SideTable:
    """The users of a file; as ``item_table``, without texts."""
    return side_table(read(path), path, (*USERS, *ID), known, "users", texts=False)


def side_table(
    rows: Rows, path: str, names: tuple[str, ...], known: Sequence[str], what: str, *, texts: bool
) -> SideTable:
    """Guess which column is what, and take each id once.

    Args:
        names: that the column of ids may have.
        what: "items" or "users", for messages.
        texts: whether a text is put together from the columns that are words.
    """
    look = traits(rows)
    id_column = _id_column(rows, look, names, set(known))
    if id_column is None:
        raise DataError(
            f"{path}: no column holds the ids of the {what}. Columns: {', '.join(rows.columns)}.",
            f"Call it {names[0]}, as the log does.",
        )
    why = [f'{what}: the ids are in "{id_column}"']
    cells = {name: rows.column(name).to_pylist() for name in rows.columns}
    kept = _first_ones([identifier(value) for value in cells.pop(id_column)])
    made = SideTable(list(kept), [], {}, why, fingerprint=rows.fingerprint().removeprefix("sha256:"))
    for name, values in cells.items():
        made.columns[name] = [values[at] for at in kept.values()]
    if lost := len(rows) - len(kept):
        made.notes.append(f"{lost} rows of {path} have no id, or one that stood above; they were left out.")
    if texts:
        _put_texts(made, {name: look[name] for name in cells})
    if known and not set(known) & kept.keys():
        raise DataError(
            f'{path}: no id in "{id_column}" stands in the log ("{made.ids[0]}" is one; the log has "{known[0]}").',
            f"Give the table of the same {what}.",
        )
    return made


def _id_column(rows: Rows, look: dict[str, Traits], names: tuple[str, ...], known: set[str]) -> str | None:
    named = sorted((n for n in rows.columns if rank(n, names) is not None), key=lambda n: rank(n, names) or 0)
    if named or not known:
        return named[0] if named else None
    shares = {
        name: sum(identifier(v) in known for v in rows.column(name).to_pylist()[:5000]) / max(1, min(5000, len(rows)))
        for name in rows.columns
    }
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best is not None and shares[best] > 0.2 and look[best].distinct > 1 else None


def _first_ones(ids: list[str | None]) -> dict[str, int]:
    """Id -> the place where it first stands."""
    found: dict[str, int] = {}
    for at, one in enumerate(ids):
        if one is not None:
            found.setdefault(one, at)
    return found


def _put_texts(table: SideTable, look: dict[str, Traits]) -> None:
    """A name or title first, then what else is words: genres, a category, a description."""
    able = [name for name, one in look.items() if one.numeric < 0.5 and not one.time and not _link(one)]
    named = sorted((n for n in able if rank(n, TEXTS) is not None), key=lambda n: rank(n, TEXTS) or 0)
    free = [n for n in able if n not in named and not _categories(look[n])]
    rest = [n for n in able if n not in named and n not in free]
    order = [*named, *sorted(free, key=lambda n: look[n].length), *rest]
    table.why.append(f"items: the text is {', '.join(order) or 'missing; ids alone are learned'}")
    table.texts = [". ".join(_words(table.columns[n][i]) for n in order if table.columns[n][i] not in (None, ""))
                   for i in range(len(table.ids))]  # fmt: skip
    for name in [*named, *free]:
        if not _categories(look[name]):
            del table.columns[name]


def _categories(one: Traits) -> bool:
    """Whether cells are a few names that come again."""
    return bool(one.repeats or one.separator or one.lists) and rank(normal(one.name), TEXTS) is None


def _link(one: Traits) -> bool:
    return normal(one.name).endswith(("url", "link", "uri", "链接", "image", "poster"))


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value).replace("|", ", ").strip()
