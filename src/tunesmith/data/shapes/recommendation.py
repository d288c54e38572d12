"""Who took what, and when: a log's rows; and what is asked of a recommender."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

from tunesmith.data.moments import Order, ambiguous, asked_seconds, seconds, slash_order, unclear_order
from tunesmith.data.shapes.shape import Cells, RowProblem, Shape
from tunesmith.data.traits import Traits
from tunesmith.data.words import normal

USERS = (
    "user_id", "userid", "user", "uid", "member_id", "memberid", "customer_id", "customerid", "customer", "visitor_id",
    "visitorid", "account_id", "client_id", "buyer_id", "reader_id", "session_id", "sessionid", "user_name", "username",
    "reviewerid", "用户id", "用户", "用户编号", "用户_id", "会员id", "会员", "顾客", "顾客id", "买家", "读者",
)  # fmt: skip
ITEMS = (
    "item_id", "itemid", "item", "product_id", "productid", "product", "movie_id", "movieid", "book_id", "bookid",
    "isbn", "asin", "article_id", "articleid", "news_id", "newsid", "song_id", "songid", "track_id", "trackid",
    "video_id", "videoid", "course_id", "courseid", "sku", "goods_id", "goodsid", "content_id", "artist_id",
    "artistid", "物品id", "物品", "物品编号", "商品id", "商品", "商品编号", "电影id", "电影", "图书id", "书籍",
    "文章id", "视频id", "歌曲id", "课程id", "物品_id", "商品_id",
)  # fmt: skip
TIMES = (
    "timestamp", "time", "datetime", "date", "unixreviewtime", "event_time", "created_at", "ts", "rated_at",
    "时间戳", "时间", "日期", "下单时间", "点击时间",
)  # fmt: skip
RATINGS = ("rating", "stars", "score", "weight", "overall", "plays", "评分", "打分", "得分", "权重", "星级")
"""Names that columns go by, compared in lower case, likeliest first."""


class RecommendationShape(Shape):
    """``user``, ``item``, ``time``, ``rating``; of requests also ``history`` and ``candidates``."""

    task: ClassVar[str] = "recommendation"
    summary: ClassVar[str] = "a log of who took what and when, beside a table of the items"
    roles: ClassVar[tuple[str, ...]] = ("user", "item", "time", "rating", "history", "candidates")
    target: ClassVar[str] = "item"
    log: ClassVar[bool] = True

    def __init__(self) -> None:
        self._slashes: Order | None = None
        self._unclear: dict[str, int] = {}

    def over(self, columns: Mapping[str, Callable[[], list[Any]]]) -> Self:
        """One order of day and month for all dates of the log."""
        if "time" in columns:
            cells = columns["time"]()
            self._slashes, unclear = slash_order(cells)
            self._unclear = {unclear_order(unclear): sum(map(ambiguous, cells))} if unclear else {}
        return self

    def repaired(self) -> dict[str, int]:
        """Dates of which no cell told the order of day and month."""
        return self._unclear

    def guess(self, found: Mapping[str, Traits], samples: Mapping[str, list[Any]], why: list[str]) -> dict[str, Any]:
        """By the names of users and items beside a time or a rating, in a file without prose.

        A file of reviews has users and products, too: it is for the tasks that read the reviews.
        """
        names = {normal(name): name for name in found}
        user, item = (next((names[name] for name in known if name in names), None) for known in (USERS, ITEMS))
        if user is None or item is None or any(_prose(found[name]) for name in found if name not in (user, item)):
            return {}
        columns = {"user": user, "item": item}
        time = next((names[name] for name in TIMES if name in names), None)
        rating = next((names[n] for n in RATINGS if n in names and found[names[n]].numeric > 0.9), None)
        columns |= {"time": time} if time else {}
        columns |= {"rating": rating} if rating else {}
        if len(columns) == 2 and len(found) > 2:
            return {}
        why += [f'{role}: "{column}", by its name' for role, column in columns.items()]
        why.append("task: recommendation, since each row says which item a user took")
        if time is None:
            why.append(
                "no column of times was found: rows are taken to stand in their order; name it by data.time=COLUMN"
            )
        return columns

    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """One row; what is asked may name the user, or give the history, or both."""
        row: dict[str, Any] = {}
        user, item = identifier(cells.get("user")), identifier(cells.get("item"))
        if user is not None:
            row["user"] = user
        if "time" in cells and cells["time"] not in (None, ""):
            row["time"] = self._of_log(cells["time"]) if target else _asked(cells["time"])
        if target:
            if user is None or item is None:
                raise RowProblem(f"there is no {'user' if user is None else 'item'}")
            rating = _number(cells.get("rating"))
            yield {**row, "item": item, **({} if rating is None else {"rating": rating})}
            return
        if cells.get("history") not in (None, ""):
            row["history"] = _history(cells["history"])
        if cells.get("candidates") not in (None, ""):
            row["candidates"] = [_identifier(one) for one in _listed(cells["candidates"], "candidates")]
            if not row["candidates"]:
                raise RowProblem("candidates is an empty list")
        if not row.keys() & {"user", "history", "candidates"}:
            raise RowProblem("there is no user, no history and no candidates")
        yield row

    def _of_log(self, value: Any) -> float:
        """The number itself: ``interactions`` knows the unit by all of them."""
        return _finite(seconds(value, self._slashes), value)


def identifier(value: Any) -> str | None:
    """An id as text, whichever type a file gave it; None where there is none.

    >>> identifier(12), identifier(12.0), identifier(" a7 "), identifier("")
    ('12', '12', 'a7', None)
    """
    if value is None or isinstance(value, bool) or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _identifier(value: Any) -> str:
    found = identifier(value)
    if found is None or isinstance(value, list | Mapping):
        raise RowProblem(f'"{str(value)[:40]}" is no id of an item')
    return found


def _history(value: Any) -> list[dict[str, Any]]:
    """The items taken so far, the oldest first: ids, or ``{"item", "time", "rating"}``."""
    found = []
    for one in _listed(value, "history"):
        if isinstance(one, Mapping):
            event: dict[str, Any] = {"item": _identifier(one.get("item"))}
            if one.get("time") not in (None, ""):
                event["time"] = _asked(one["time"])
            rating = _number(one.get("rating"))
            found.append(event if rating is None else {**event, "rating": rating})
        else:
            found.append({"item": _identifier(one)})
    if found and all("time" in event for event in found):
        found.sort(key=lambda event: float(event["time"]))
    return found


def _listed(value: Any, what: str) -> list[Any]:
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            raise RowProblem(f"{what} is no list in JSON") from None
    if isinstance(value, Mapping):
        raise RowProblem(f"{what} is a mapping; it is a list of items")
    return list(value) if isinstance(value, list | tuple) else [value]


def _asked(value: Any) -> float:
    """Seconds of a question's own time, whatever its unit; no column tells whether its day stands first."""
    if ambiguous(value):
        raise RowProblem(f'the time "{value}" can be read with the day or the month first; write it as 2024-01-31')
    return _finite(asked_seconds(value), value)


def _finite(found: float | None, value: Any) -> float:
    if found is None or not math.isfinite(found):
        raise RowProblem(f'the time "{str(value)[:40]}" is neither a date nor a number')
    return found


def _number(value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise RowProblem(f'the rating "{str(value)[:40]}" is no number')
    return number


def _prose(traits: Traits) -> bool:
    return traits.prose and traits.length > 40
