"""Which task the rows are for, and which column plays which role: guessed, and said why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tunesmith.core.errors import DataError
from tunesmith.data.cells import as_text
from tunesmith.data.rows import Rows, missing_column
from tunesmith.data.shapes import NESTED, SHAPES
from tunesmith.data.shapes.media_columns import TASKS as MEDIA_TASKS
from tunesmith.data.shapes.media_columns import addresses, seen
from tunesmith.data.shapes.samples import Samples
from tunesmith.data.traits import Traits, spread, traits
from tunesmith.data.words import LABEL, LABELS, NUMBERS, PAIRS, TEXT, normal, rank

Columns = dict[str, str | list[str]]
"""Role -> column, or several columns."""

SHAPE_SAMPLE = 200
"""Values of a column that a shape looks at."""

TARGETS = {
    "text-classification": "label",
    "multi-label-classification": "labels",
    "text-regression": "label",
}


BESIDE = ("group",)
"""Roles that are never guessed and that no task reads: what rows are compared by."""


@dataclass
class Guess:
    """A task, the columns it reads, and the reasons in words."""

    task: str
    columns: Columns
    why: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return {"task": self.task, "columns": self.columns, "why": self.why}


def guess(
    rows: Rows,
    *,
    task: str = "auto",
    columns: Mapping[str, str | list[str]] | None = None,
    reads: Collection[str] | None = None,
) -> Guess:
    """Guess what was not given.

    Args:
        task: "auto", or a task's name; for tasks that are not guessed, ``columns`` is taken as given.
        columns: role -> column; always wins.
        reads: roles beside the task's own that will be read; others are not taken from a column whose name may say
            something else. None: all may be read.

    Raises:
        DataError: a column given is not there (the nearest is named), or no column can be the text.
    """
    given: Columns = dict(columns or {})
    for value in given.values():
        for name in [value] if isinstance(value, str) else value:
            if name not in rows.columns:
                raise missing_column(name, rows)
    made = _of_media(rows, task, given) or _of_a_shape(rows, task, given, reads) or _of_texts(rows, task, given)
    if task in ("auto", *MEDIA_TASKS):
        made.why += addresses(_samples(rows, [name for name in rows.columns if name not in _used(given)]))
    return made


def _of_texts(rows: Rows, task: str, given: Columns) -> Guess:
    """A text and a label; of tasks that are not guessed, the columns as they are given."""
    if task not in ("auto", *TARGETS):
        return Guess(
            task, {**_same_names(rows, given), **given}, [f"task {task}: columns as given or of their role's name"]
        )
    why: list[str] = []
    found = {n: t for n, t in traits(rows).items() if n not in _used(given)}
    texts = _texts(found, given, rows, why)
    left = {n: t for n, t in found.items() if n not in _used(texts)}
    task, target = _target(left, given, task, rows, why)
    beside = {role: given[role] for role in BESIDE if role in given}
    for role, column in {**texts, **target}.items():
        _refuse_nested(rows, role, column)
    return Guess(task, {**texts, **target, **beside}, why)


def _refuse_nested(rows: Rows, role: str, column: str | list[str]) -> None:
    """Raise ``DataError`` where a text or a label is a column of lists or mappings."""
    import pyarrow as pa

    if role == "labels" or not isinstance(column, str):
        return
    kind = rows.column(column).type
    if not pa.types.is_nested(kind):
        return
    lists = not pa.types.is_struct(kind)
    several = role == "label" and lists
    raise DataError(
        f'The column "{column}" holds {"lists" if lists else "objects"}, such as '
        f"{str(as_text(rows.column(column)[0].as_py()))[:60]}, and no {'labels' if role == 'label' else 'texts'}.",
        f"Name another column: data.{role}=COLUMN"
        + (f", or data.labels={column} for several labels a row." if several else ", or write one text in each row."),
    )


def _of_media(rows: Rows, task: str, given: Columns) -> Guess | None:
    """What rows with pictures or sounds are for; None where there is none, and no task of such rows is asked for."""
    if task not in ("auto", *MEDIA_TASKS):
        return None
    found = {n: t for n, t in traits(rows).items() if n not in _used(given)}
    why = [f'{role}: "{column}", as given' for role, column in given.items()]
    named, columns = seen(found, _samples(rows, found), given, task, why)
    if named and isinstance(label := given.get("label"), str) and task == "auto":
        look = traits(Rows(rows.table.select([label])))[label]
        named = "multimodal-regression" if look.measure else named
    return Guess(named, columns, why) if named else None


def _of_a_shape(rows: Rows, task: str, given: Columns, reads: Collection[str] | None) -> Guess | None:
    """What the first shape finds that knows these columns, or whose target or name-giving role is given (unless it is
    a mere label); the task's own shape where the task is given.
    """
    if task not in ("auto", *SHAPES):
        return None
    look = traits(rows)
    found = {n: t for n, t in look.items() if n not in _used(given)}
    samples = _samples(rows, found)
    for name in [n for n in SHAPES if n not in MEDIA_TASKS] if task == "auto" else (task,):
        shape = SHAPES.make(name)
        why: list[str] = []
        if task == "auto" and not (set(given) <= set(shape.roles) and (not shape.named_by or shape.named_by in given)):
            continue
        columns = shape.guess(found, samples, why)
        for role, doubted in shape.doubtful.items():
            if reads is not None and role not in reads and normal(str(columns.get(role))) == doubted:
                name_of_it = columns.pop(role)
                why = [line for line in why if not line.startswith(f"{role}: ")]
                why.append(
                    f"{role} could be: {name_of_it}, which may say something else. If so: data.{role}={name_of_it}"
                )
        named = (shape.target in given and shape.target in NESTED) or shape.named_by in given
        if columns or named or task != "auto":
            same = {c: c for c in rows.columns if c in shape.roles and c not in _used({**columns, **given})}
            if columns:
                same = {role: role for role in same if role in shape.optional and role not in {*columns, *given}}
                why += [f'{role}: "{role}", by its name' for role in same]
            why += [f'{role}: "{column}", as given' for role, column in given.items()]
            return Guess(name, {**same, **columns, **given}, why)
    return None


def _samples(rows: Rows, names: Iterable[str]) -> Samples:
    some = rows.select(spread(len(rows), SHAPE_SAMPLE))
    return Samples({name: some.column(name).to_pylist() for name in names})


def _used(columns: Mapping[str, str | list[str]]) -> set[str]:
    return {n for v in columns.values() for n in ([v] if isinstance(v, str) else v)}


def _same_names(rows: Rows, given: Columns) -> Columns:
    from tunesmith.core.recipe import ROLES

    return {name: name for name in rows.columns if name in ROLES and name not in given}


def _texts(found: dict[str, Traits], given: Columns, rows: Rows, why: list[str]) -> Columns:
    if "text" in given:
        why.append(f'text: "{given["text"]}", as given')
        return {r: given[r] for r in ("text", "text_pair") if r in given}
    names = {normal(n): n for n, t in found.items() if not t.constant and not t.time and t.numeric < 0.5}
    for first, second in PAIRS:
        if first in names and second in names and min(found[names[n]].filled for n in (first, second)) > 0.9:
            why.append(f'text and text_pair: "{names[first]}" and "{names[second]}", by their names')
            return {"text": names[first], "text_pair": names[second]}
    prose = [t for t in found.values() if t.prose and not t.mappings]
    if all(map(_label_name, prose)):
        # Lists of words under a text's name are refused as such, rather than the label be read.
        prose = [t for t in found.values() if normal(t.name) in TEXT and t.lists] or prose
    if not prose:
        # A lone column is the text, however short, and so is a column of that name.
        prose = [t for t in found.values() if normal(t.name) in TEXT or len(found) == 1]
    if not prose:
        raise DataError(f"No column looks like text. Columns: {', '.join(rows.columns)}.", "Name it: data.text=COLUMN")
    chosen = _best_text(prose, why)
    pair = {"text_pair": given["text_pair"]} if "text_pair" in given else {}
    return {"text": chosen.name, **pair}


def _best_text(prose: list[Traits], why: list[str]) -> Traits:
    named = [t for t in prose if rank(t.name, TEXT) is not None]
    pool = named or [t for t in prose if not _label_name(t)] or prose
    if named:
        # A short field of a good name ("comment": 3 characters) does not beat a long one of a lesser name.
        longest = max(t.length for t in named)
        able = [t for t in named if t.length >= 0.1 * longest]
        chosen = min(able, key=lambda t: rank(t.name, TEXT) or 0)
        why.append(f'text: "{chosen.name}", by its name ({chosen.length:.0f} characters on average)')
    else:
        chosen = max(pool, key=lambda t: (t.length, t.distinct))
        why.append(f'text: "{chosen.name}", the longest free text ({chosen.length:.0f} characters on average)')
    rivals = [
        t.name for t in pool if t is not chosen and t.length > 0.3 * chosen.length and t.distinct > 0.5 * t.sampled
    ]
    if rivals:
        why.append(f"text could also be: {', '.join(rivals)}. If so: data.text={rivals[0]}")
    return chosen


def _label_name(t: Traits) -> bool:
    return rank(t.name, LABEL) is not None or rank(t.name, LABELS) is not None


def _target(found: dict[str, Traits], given: Columns, task: str, rows: Rows, why: list[str]) -> tuple[str, Columns]:
    if "labels" in given:
        why.append(f"labels: {given['labels']}, as given")
        return "multi-label-classification" if task == "auto" else task, {"labels": given["labels"]}
    if "label" in given:
        chosen = str(given["label"])
        look = traits(Rows(rows.table.select([chosen])))[chosen]
        why.append(f'label: "{chosen}", as given')
        return (_task_of(look, why) if task == "auto" else task), {"label": chosen}
    if task in ("auto", "multi-label-classification"):
        many = _many_labels(found, forced=task != "auto", why=why)
        if many is not None or task != "auto":
            return "multi-label-classification", {"labels": many} if many is not None else {}
    single = _one_label(found, task, why)
    if single is None:
        return "text-classification" if task == "auto" else task, {}
    return (_task_of(single, why) if task == "auto" else task), {"label": single.name}


def _many_labels(found: dict[str, Traits], forced: bool, why: list[str]) -> str | list[str] | None:
    named = sorted(
        (t for t in found.values() if _label_name(t) and (t.lists or t.separator)),
        key=lambda t: (rank(t.name, LABELS) is None, rank(t.name, LABELS) or 0),
    )
    able = named or [t for t in found.values() if t.lists and t.length < 200]
    single = any(normal(t.name) in LABEL[:6] and t.repeats and not t.separator for t in found.values())
    if able and (forced or not single):
        t = able[0]
        how = "its cells are lists" if t.lists else f'its cells hold several labels divided by "{t.separator}"'
        why.append(f'labels: "{t.name}", {how}')
        return t.name
    able = [t for t in found.values() if not t.constant and not t.identifier]
    flags = {"0 and 1": [t.name for t in able if t.zero_one], "yes and no": [t.name for t in able if t.yes_no]}
    if not forced and any(rank(t.name, LABEL) is not None and t.repeats and not t.yes_no for t in able):
        flags["yes and no"] = []  # rather what else is known of the rows, as in a shop's reviews
    for spelling, names in flags.items():
        if len(names) >= (2 if forced else 3) and (forced or not single):
            why.append(f"labels: {len(names)} columns of {spelling}: {', '.join(names)}")
            return names
    if forced:
        why.append("no column of several labels was found: name it by data.labels=COLUMN")
    return None


def _one_label(found: dict[str, Traits], task: str, why: list[str]) -> Traits | None:
    """The label's column: by name if its values repeat (or measure something), else by content."""
    ranks: tuple[str, ...] = NUMBERS if task == "text-regression" else LABEL
    if task == "text-regression":
        able = [t for t in found.values() if t.numeric > 0.9 and not t.constant and not t.time and not t.identifier]
    else:
        able = [t for t in found.values() if _can_be_label(t, task)]
    named = sorted((t for t in able if rank(t.name, ranks) is not None), key=lambda t: rank(t.name, ranks) or 0)
    rest = [t for t in able if t not in named and (t.repeats or task == "text-regression")]
    if not named and not rest:
        # A column that is called label is the label even where it is useless: who divides it says why.
        plain = [t for t in found.values() if normal(t.name) in LABEL[:6] or t.name in ("标签", "类别")]
        if plain:
            why.append(f'label: "{plain[0].name}", by its name ({plain[0].distinct} values)')
            return plain[0]
        why.append("no column looks like a label: name it by data.label=COLUMN")
        return None
    chosen = named[0] if named else min(rest, key=lambda t: (t.distinct > 50, t.length, t.distinct))
    reason = "by its name" if named else "its values repeat"
    why.append(f'label: "{chosen.name}", {reason} ({chosen.distinct} values in {chosen.sampled} rows)')
    others = [t.name for t in [*named, *rest] if t is not chosen]
    if others:
        more = f" and {len(others) - 4} more" if len(others) > 4 else ""
        why.append(f"label could also be: {', '.join(others[:4])}{more}. If so: data.label={others[0]}")
    return chosen


def _can_be_label(t: Traits, task: str) -> bool:
    if t.constant or t.time or t.lists or t.mappings or t.identifier and not _label_name(t):
        return False
    measure = t.measure and task == "auto" and rank(t.name, NUMBERS) is not None
    return t.repeats or measure or (normal(t.name) in LABEL[:6] and t.length < 100)


def _task_of(t: Traits, why: list[str]) -> str:
    if t.measure:
        why.append(f'task: text-regression, since "{t.name}" is a number of many values')
        return "text-regression"
    if t.numeric == 1 and t.distinct > 2 and rank(t.name, NUMBERS) is not None and normal(t.name) != "label":
        why.append(f'"{t.name}" is a number of {t.distinct} values; to predict it as a number: task=text-regression')
    return "text-classification"
