"""A text as the words that are compared, and runs of them that stand in several texts.

Words are runs of letters and digits in lower case. A Chinese or Japanese character is a word by itself.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

_WORD = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    "|[^\\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)


def words(text: str) -> list[str]:
    """The words that are compared.

    >>> words("A 2-door Citroën."), words("北京Olympic公园")
    (['a', '2', 'door', 'citroën'], ['北', '京', 'olympic', '公', '园'])
    """
    return _WORD.findall(text.lower())


def runs(found: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    """All runs of ``size`` words.

    >>> list(runs(["a", "b", "c"], 2))
    [('a', 'b'), ('b', 'c')]
    """
    return zip(*(found[i:] for i in range(size)), strict=False)


def sharing(texts: Sequence[str], others: Iterable[str], size: int) -> set[int]:
    """Which of some texts have a run of ``size`` words that stands in one of the others: their places.

    The runs of ``texts`` alone are held in memory.

    >>> sharing(["a b c d", "x b c y"], ["z b c d"], 3)
    {0}
    """
    places: dict[int, list[int]] = defaultdict(list)
    for i, text in enumerate(texts):
        for run in set(runs(words(text), size)):
            places[hash(run)].append(i)
    found: set[int] = set()
    for text in others:
        for run in runs(words(text), size):
            if (key := hash(run)) in places:
                found.update(places.pop(key))
    return found
