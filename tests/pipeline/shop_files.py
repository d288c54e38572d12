"""A shop whose users keep to their taste, in two languages: a log, a table of items, a table of users."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

WORDS = {
    "en": (["tea", "rope", "lamp"], ["green", "black", "white", "sweet", "old", "fine", "small", "long"], "kind"),
    "zh": (["茶", "绳子", "灯"], ["绿", "黑", "白", "甜", "旧", "细", "小", "长"], "类别"),
}
USERS, EACH, START = 36, 6, 1_600_000_000


def shop(folder: Path, language: str, seed: int = 3) -> dict[str, Path]:
    """``log.csv``, ``items.csv`` and ``users.csv``: user u likes kind u % 3; the last item of each kind nobody took."""
    kinds, looks, column = WORDS[language]
    draw = random.Random(seed)
    items = [
        {"item_id": f"{k}{i}", "title": f"{look} {kind} {i}", column: kind, "price": 10 * k + i}
        for k, kind in enumerate(kinds)
        for i, look in enumerate(looks)
    ]
    log = []
    for user in range(USERS):
        liked = [f"{user % 3}{i}" for i in range(len(looks) - 1)]
        for step, item in enumerate(draw.sample(liked, EACH)):
            log.append(
                {"user_id": f"u{user}", "item_id": item, "rating": 3 + step % 3, "timestamp": START + 86400 * step}
            )
    users = [{"user_id": f"u{user}", "city": "ABC"[user % 3]} for user in range(USERS)]
    tables = {"log": log, "items": items, "users": users}
    return {name: write(folder / f"{name}.csv", rows) for name, rows in tables.items()}


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """A CSV file."""
    listed = list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(listed[0]))
        table.writeheader()
        table.writerows(listed)
    return path
