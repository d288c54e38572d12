"""A million rows through read, check and split: seconds and peak memory, each size in a process of its own.

    python benchmarks/data_million_rows.py                      # 100k and 1M rows, English and Chinese mixed
    python benchmarks/data_million_rows.py --rows 1000000 --language en --out benchmarks/results/data_million_rows.md

Rows are sentences of real-looking reviews put together by a seed; 2% repeat a row above word for word, 3% with a small
change, 1% stand under another label as well, and 0.1% are broken.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ENGLISH = {
    "who": "The staff|Our guide|The waiter|My sister|The seller|This phone|The battery|That hotel|Their help|The cook",
    "did": "was friendly|arrived two days late|never answered|broke after a week|works as described|smelled of smoke"
    "|cost more than it should|made our evening|is better than the last one|could not be reached by phone",
    "when": "on Monday|in the second week|after the update|before breakfast|during the whole trip|at the airport"
    "|when we asked again|in the end|without any notice|right from the start",
    "so": "I would come again|we asked for our money back|nobody apologised|it is worth every cent|I gave it away"
    "|the children loved it|we will look elsewhere|that was a pity|it made up for the rain|my parents were pleased",
}
CHINESE = {
    "who": "服务员|前台|这部手机|快递小哥|客服|酒店房间|早餐|卖家|电池|屏幕|水果|衣服的面料",
    "did": "态度很好|发货特别慢|一直没有回复|用了一周就坏了"
    "|和描述一致|有很重的烟味|价格偏贵|让人非常满意|比上一代好|完全联系不上",
    "when": "周一的时候|第二周开始|更新以后|退房之前|整个行程中|在机场附近|再三询问之后|到最后|没有任何通知|从一开始",
    "so": "下次还会再来|只好申请退款|没有人道歉|物有所值|推荐给了朋友"
    "|孩子们很喜欢|以后不会再买|实在可惜|总算弥补了一些|父母也很高兴",
}
LABELS = ("positive", "negative", "neutral", "question", "complaint")


def sentences(rng: random.Random, parts: dict[str, list[str]], chinese: bool) -> str:
    """Three to eight clauses; a number in most, so that texts differ as real ones do."""
    made = []
    for _ in range(rng.randint(3, 8)):
        who, did, when, so = (rng.choice(parts[key]) for key in ("who", "did", "when", "so"))
        number = rng.randint(1, 9999)
        made.append(
            f"{when}{who}{did}，第{number}号订单{so}。" if chinese else f"{who} {did} {when}, order {number}: {so}."
        )
    return ("" if chinese else " ").join(made)


def write_rows(path: Path, rows: int, language: str, seed: int = 13) -> None:
    """The file of rows."""
    rng = random.Random(seed)
    tables = {name: {k: v.split("|") for k, v in t.items()} for name, t in (("en", ENGLISH), ("zh", CHINESE))}
    recent: list[str] = []
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "id"])
        for i in range(rows):
            chinese = language == "zh" or (language == "mixed" and rng.random() < 0.5)
            draw = rng.random()
            if draw < 0.06 and recent:
                text = rng.choice(recent)
                if draw >= 0.03:
                    text += "！" if draw < 0.04 else (" 谢谢" if chinese else " Thanks")
            else:
                text = sentences(rng, tables["zh" if chinese else "en"], chinese)
            if len(recent) < 10_000:
                recent.append(text)
            else:
                recent[rng.randrange(10_000)] = text
            label = LABELS[min(int(rng.expovariate(0.9)), 4)]
            writer.writerow([text, label, i, "stray"] if rng.random() < 0.001 else [text, label, i])


def measure(path: str) -> dict[str, Any]:
    """Read, check and split the file in this process."""
    from tunesmith.data.profile import profile
    from tunesmith.data.read import read
    from tunesmith.data.schema import guess
    from tunesmith.data.split import split

    seconds: dict[str, float] = {}
    start = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal start
        now = time.perf_counter()
        seconds[name] = round(now - start, 2)
        start = now

    rows = read(path)
    lap("read")
    found = guess(rows)
    lap("guess")
    made = profile(rows, found.columns, task=found.task)
    lap("check")
    parts = split(rows, found.columns)
    lap("split")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "rows": len(rows),
        "file_mb": round(os.path.getsize(path) / 2**20, 1),
        "seconds": {**seconds, "total": round(sum(seconds.values()), 2)},
        "peak_rss_mib": round(peak, 1),
        "broken": made.broken,
        "exact_duplicates": made.exact_duplicates,
        "near_duplicates": made.near_duplicates,
        "parts": [len(parts.train), len(parts.validation), len(parts.test)],
    }


def run(rows: int, language: str) -> dict[str, Any]:
    """Make the file, measure it in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write_rows(path, rows, language)
        made = subprocess.run(
            [sys.executable, __file__, "--measure", str(path)], check=True, capture_output=True, text=True
        )
    found: dict[str, Any] = json.loads(made.stdout)
    return found


def markdown(results: list[dict[str, Any]], language: str) -> str:
    """The figures as a table."""
    lines = [
        "# Rows through read, check and split",
        "",
        f"`python benchmarks/data_million_rows.py --language {language}`; Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end "
        "(above the number of cores the machine was busy with other work). Near duplicates are searched twice,",
        "by check and by split.",
        "",
        "| rows | file MB | read s | check s | split s | total s | µs a row | peak RSS MiB | near duplicates found |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in results:
        s = r["seconds"]
        lines.append(
            f"| {r['rows']:,} | {r['file_mb']} | {s['read']} | {s['check']} | {s['split']} | {s['total']} "
            f"| {1e6 * s['total'] / r['rows']:.1f} | {r['peak_rss_mib']} | {r['near_duplicates']:,} |"
        )
    first, last = results[0], results[-1]
    if len(results) > 1:
        times, growth = last["seconds"]["total"] / first["seconds"]["total"], last["rows"] / first["rows"]
        lines += ["", f"{growth:.1f} times the rows take {times:.1f} times the time."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--language", choices=("en", "zh", "mixed"), default="mixed")
    parser.add_argument("--out", type=Path, help="write the markdown here, too")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure)))
        return
    results = [run(rows, given.language) for rows in given.rows]
    print(json.dumps(results, indent=2))
    page = markdown(results, given.language)
    print(page)
    if given.out:
        given.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
