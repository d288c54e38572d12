"""Personal data that is likely there: found by form, and by checksum where the form has one."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.data.codes import blocks

SUSPECT = "[@＠]|://|[0-9０-９][0-9０-９ .．\\-－()（）\u3000]{5,}[0-9０-９]|[0-9０-９]{6}"
"""What every kind holds; a fast look at a whole column, in syntax that RE2 and Python share."""
_NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
"""Full width signs as the ASCII ones, one by one, so that places in a text stay."""


@dataclass(frozen=True)
class Kind:
    """A kind of personal data."""

    name: str
    pattern: re.Pattern[str]
    valid: Callable[[str], bool] = lambda text: True


@dataclass(frozen=True)
class Found:
    """One place in a text."""

    kind: str
    start: int
    end: int


def luhn(text: str) -> bool:
    """The check digit of card numbers (ISO/IEC 7812-1)."""
    digits = [int(c) for c in text if c.isdigit()]
    doubled = [d if i % 2 == 0 else (2 * d - 9 if d > 4 else 2 * d) for i, d in enumerate(reversed(digits))]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and sum(doubled) % 10 == 0


def iban(text: str) -> bool:
    """The check digits of account numbers (ISO 13616): the number modulo 97 is 1."""
    plain = re.sub(r"\s", "", text)
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def chinese_id(text: str) -> bool:
    """The date and check digit of resident identity numbers (GB 11643-1999)."""
    month, day = int(text[10:12]), int(text[12:14])
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    check = "10X98765432"[sum(w * int(c) for w, c in zip(weights, text[:17], strict=True)) % 11]
    return 1 <= month <= 12 and 1 <= day <= 31 and text[17].upper() == check


def ip_address(text: str) -> bool:
    """Four numbers up to 255, and not a version such as 1.2.3.4 or 120.0.0.0 (which is a network's, if any)."""
    parts = [int(p) for p in text.split(".")]
    return all(p <= 255 for p in parts) and any(p > 9 for p in parts) and any(parts[1:])


def phone(text: str) -> bool:
    """Of a number with "+": ten digits and more, or seven in three groups. "+150000" counts, "+1000 2008" is a time."""
    groups = re.findall(r"\d+", text)
    digits = sum(map(len, groups))
    return not text.startswith("+") or digits >= 10 or (len(groups) >= 3 and digits >= 7)


_ALONE = r"(?<!\d)(?<!\d[\-.])"
"""Not within a longer number; a dash may stand before, as between a name and a number."""
KINDS = (
    Kind(
        "url_credentials",
        re.compile(r"(?<![a-zA-Z])[a-zA-Z][a-zA-Z0-9+.\-]{0,30}://[^\s/:@]{0,256}:[^\s/@]+@[^\s/]+"),
    ),
    Kind(
        "email",
        re.compile(
            r"[A-Za-z0-9._%+\-]{1,64}+"  # no more and none given back, for the time of long runs
            r"@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}(?![A-Za-z0-9])"
        ),
    ),
    Kind(
        "iban",
        re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"),
        iban,
    ),
    Kind("chinese_id", re.compile(r"(?<!\d)[1-9]\d{5}(?:18|19|20)\d{9}[\dXx](?!\d)"), chinese_id),
    Kind("credit_card", re.compile(r"(?<![\d.])62\d{2}(?:[ \-]\d{4}){3}[ \-]\d{3}(?!\d)"), luhn),  # UnionPay, printed
    Kind(
        "credit_card",
        re.compile(
            r"(?<![\d.])[2-6]\d{3}(?:[ \-]?\d{4}){2}[ \-]?\d{1,7}(?![\d.]\d)"
            r"|(?<!\d)3[47]\d{2}[ \-]?\d{6}[ \-]?\d{5}(?!\d)"  # American Express
        ),
        luhn,
    ),
    Kind("ip_address", re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)"), ip_address),
    Kind(
        "phone",
        re.compile(
            rf"{_ALONE}(?:(?:\+|00)?86[\- ]?)?1[3-9]\d[\- ]?\d{{4}}[\- ]?\d{{4}}(?!\d|[\-.]\d)"  # Chinese mobile
            rf"|{_ALONE}0\d{{2,3}}-\d{{7,8}}(?!\d)"  # Chinese landline
            rf"|{_ALONE}(?:\(0(?:10|2\d|[3-9]\d\d)\)[\- ]?|0(?:10|2\d|[3-9]\d\d)[\- ]|0(?:10|2\d))"
            r"[2-8]\d{2,3}[\- ]?\d{4}(?!\d|[\-.]\d)"
            r"|\+[1-9]\d{0,2}[ .\-]?\(?\d{1,4}\)?(?:[ .\-]?\d{2,4}){2,4}(?!\d)"  # international
            r"|(?<![\d.\-])(?:\(\d{3}\) ?|\d{3}[ .\-])\d{3}[ .\-]\d{4}(?![\d\-])"  # North American
        ),
        phone,
    ),
)  # fmt: skip


def find(text: str) -> list[Found]:
    """Places of personal data in a text, in order, none within another; full width signs count as ASCII's."""
    text = text.translate(_NARROW)
    taken: list[Found] = []  # in order, none within another
    for kind in KINDS:
        for match in kind.pattern.finditer(text):
            place = bisect_right(taken, match.start(), key=lambda f: f.start)
            free = not (place and taken[place - 1].end > match.start())
            free = free and not (place < len(taken) and taken[place].start < match.end())
            if free and kind.valid(match.group()):
                taken.insert(place, Found(kind.name, match.start(), match.end()))
    return taken


def count(column: pa.ChunkedArray) -> dict[str, int]:
    """Rows of a text column that hold each kind."""
    counts: Counter[str] = Counter()
    for _, text in suspects(column):
        counts.update({f.kind for f in find(text)})
    return dict(sorted(counts.items()))


def suspects(column: pa.ChunkedArray) -> Iterator[tuple[int, str]]:
    """(row, text) of texts that may hold any."""
    for start, array in blocks(column):
        mask = pc.match_substring_regex(array, SUSPECT)
        places = pc.indices_nonzero(mask).to_pylist()
        yield from zip((start + i for i in places), array.filter(mask).to_pylist(), strict=True)
