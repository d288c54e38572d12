"""Which encoding a text file is in. The whole file is looked at, since a first foreign character may come late."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

from tunesmith.core.errors import DataError, did_you_mean
from tunesmith.data.bytestream import open_bytes

CHUNK = 2**20
SAMPLE = 2**20
"""Bytes of lines with non-ASCII characters that are judged."""

BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SIGNATURES = {
    b"%PDF": "a PDF", b"\x89PNG": "a PNG image", b"\xff\xd8\xff": "a JPEG image", b"GIF8": "a GIF image",
    b"PK\x03\x04": "a zip archive", b"SQLite format 3": "an SQLite database", b"\x7fELF": "a program",
    b"\xd0\xcf\x11\xe0": "an old Office file (.xls, .doc)", b"BZh": "a bzip2 archive", b"\xfd7zXZ": "an xz archive",
    b"7z\xbc\xaf": "a 7z archive", b"Rar!": "a RAR archive", b"\x28\xb5\x2f\xfd": "a zstd archive",
}  # fmt: skip
COMMON_HAN = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里"
    "用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实"
    "日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政"
    "美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员"
    "解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件"
    "计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象"
    "完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运"
    "店房评差服务质快递收货买卖价钱便宜款式穿酒早餐屏幕电池客服满喜欢推荐错非常感觉东西还吗呢吧啊"
)  # fmt: skip


@dataclass(frozen=True)
class Encoding:
    """An encoding's name, and whether every byte of the file decodes in it."""

    name: str
    clean: bool


def detect(path: str, given: str | None = None) -> Encoding:
    """The file's encoding: the one given, or found in this order: BOM, UTF-16, UTF-8, GB18030, others.

    Raises:
        DataError: the file is binary, or ``given`` is no encoding.
    """
    if given:
        return Encoding(_known(given), _decodes(path, given))
    with open_bytes(path) as file:
        head = file.read(2**16)
    if head.startswith(codecs.BOM_UTF8):
        return Encoding("utf-8-sig", _decodes(path, "utf-8-sig"))
    wide = wide_start(head)
    if wide:
        return Encoding(wide, _decodes(path, wide))
    _refuse_binary(path, head)
    if _decodes(path, "utf-8"):
        return Encoding("utf-8", True)
    name = judge(_foreign_lines(path))
    return Encoding(name, name != "utf-8" and _decodes(path, name))


def wide_start(head: bytes) -> str | None:
    """The encoding of a file that begins so, where a character has two or four bytes in it."""
    return next((name for bom, name in BOMS if head.startswith(bom)), None) or _utf16(head)


def judge(lines: list[bytes]) -> str:
    """The encoding of lines that are not all valid UTF-8.

    A few bad lines among good UTF-8 are damage, not another encoding: hardly any line of GBK or Latin-1 with
    several foreign characters is valid UTF-8 by chance.
    """
    if sum(_valid(line, "utf-8") for line in lines) >= 0.5 * len(lines):
        return "utf-8"
    if looks_gb18030(lines):
        return "gb18030"
    data = b"\n".join(lines)
    # In Western text a foreign letter stands alone among ASCII; elsewhere they come in runs.
    if _paired(data) < 0.35 and sum(b >= 0x80 for b in data) < 0.4 * len(data):
        return "cp1252" if not set(data) & {0x81, 0x8D, 0x8F, 0x90, 0x9D} else "latin-1"
    return _by_statistics(data)


def looks_gb18030(lines: list[bytes]) -> bool:
    """Whether most lines decode, to characters that are common in Chinese.

    GB2312 puts common characters under lead bytes B0-D7 with trail bytes from A1; Latin-1 letters hardly come
    in such pairs. Where the sample is long enough, the most frequent characters of Chinese must be there as well,
    which tells it from EUC-KR and Cyrillic.
    """
    decoded = [_decoded(line, "gb18030") for line in lines]
    good = [text for text in decoded if text is not None]
    if len(good) < 0.8 * len(lines):
        return False
    foreign = [c for text in good for c in text if ord(c) > 127]
    if not foreign:
        return False
    usual = sum(_usual_in_gb(c) for c in foreign) / len(foreign)
    han = [c for c in foreign if "\u4e00" <= c <= "\u9fff"]
    frequent = sum(c in COMMON_HAN for c in han) / max(len(han), 1)
    return usual >= 0.75 and bool(han) and (len(han) < 12 or frequent >= 0.2)


def _usual_in_gb(char: str) -> bool:
    code = char.encode("gb18030")
    return len(code) == 2 and code[1] >= 0xA1 and (0xB0 <= code[0] <= 0xD7 or 0xA1 <= code[0] <= 0xA3)


def _paired(data: bytes) -> float:
    """Share of non-ASCII bytes whose right or left neighbour is non-ASCII, too."""
    high = [b >= 0x80 for b in data]
    beside = sum(h and (high[i - 1] or high[i + 1]) for i, h in enumerate(high[1:-1], 1))
    return beside / max(sum(high), 1)


def _by_statistics(data: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(data[:SAMPLE]).best()
    return best.encoding if best is not None else "latin-1"


def _foreign_lines(path: str) -> list[bytes]:
    """Lines with non-ASCII bytes, from all over the file's first foreign megabyte."""
    found: list[bytes] = []
    size = 0
    with open_bytes(path) as file:
        for line in file:
            if not line.isascii():
                found.append(line.rstrip(b"\r\n")[:4096] if len(line) > 65536 else line.rstrip(b"\r\n"))
                size += len(found[-1])
                if size > SAMPLE:
                    break
    return found


def _decodes(path: str, name: str) -> bool:
    decoder = codecs.getincrementaldecoder(name)("strict")
    try:
        for chunk in _chunks(path):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _chunks(path: str) -> Iterator[bytes]:
    with open_bytes(path) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _valid(line: bytes, name: str) -> bool:
    return _decoded(line, name) is not None


def _decoded(line: bytes, name: str) -> str | None:
    try:
        return line.decode(name)
    except UnicodeError:
        return None


def _utf16(head: bytes) -> str | None:
    """UTF-16 without a BOM: zero bytes stand on one side of the pairs only."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) < 2 or min(even, odd) > 0.02 * max(even, odd):
        return None
    name = "utf-16-be" if even > odd else "utf-16-le"
    text = _decoded(head[: len(head) // 2 * 2 - 2], name)
    return name if text and sum(c.isprintable() or c in "\r\n\t" for c in text) > 0.95 * len(text) else None


def _refuse_binary(path: str, head: bytes) -> None:
    what = next((what for start, what in SIGNATURES.items() if head.startswith(start)), None)
    control = sum(head.count(b) for b in range(32) if b not in b"\t\n\r\f\x1b\x1a")
    if what is None and control <= 0.01 * len(head):
        return
    raise DataError(
        f"{path} is {what or 'a binary file'}, not text.",
        "Give a CSV, TSV, JSON, JSONL, Parquet or Excel file, or export it to one of these.",
    )


def _known(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        some = ["utf-8", "utf-16", "gb18030", "gbk", "big5", "latin-1", "cp1252", "shift_jis", "euc_kr"]
        raise DataError(f'data.encoding is "{name}", which is no encoding.', did_you_mean(name, some)) from None
