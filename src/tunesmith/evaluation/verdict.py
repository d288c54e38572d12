"""A report in one paragraph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.evaluation.words import number

FEW_ROWS = 200
"""With fewer test rows than this the reader is told how far a figure may move."""


def verdict(report: Mapping[str, Any]) -> str:
    """What a reader should take away, in sentences: the figure, what it beats, what it costs, what to beware of."""
    primary = report["primary"]
    sentences = [_reached(report)]
    comparisons = report["comparisons"]
    if "before" in comparisons:
        sentences.append(comparisons["before"][primary]["words"])
    others = {key: found[primary] for key, found in comparisons.items() if key != "before"}
    for found in others.values():
        if found["verdict"] != "better":
            sentences.append(found["words"])
    if others and all(found["verdict"] == "better" for found in others.values()):
        nearest = min(others.values(), key=lambda found: abs(found["difference"]["value"]))
        sentences.append(nearest["words"])
    sentences += [report["ladder"]["words"], _few_rows(report), _parity(report)]
    return " ".join(sentence for sentence in sentences if sentence)


def _reached(report: Mapping[str, Any]) -> str:
    figure = report["metrics"][report["primary"]]
    rows = f"{report['rows']:,} test row{'' if report['rows'] == 1 else 's'}"
    ends = f"{number(figure['low'])} to {number(figure['high'])}"
    interval = "" if figure["low"] is None else f" ({report['bootstrap']['confidence']:.0%} interval {ends})"
    return f"On {rows} {report['names']['after']} reaches {report['primary']} {number(figure['value'])}{interval}."


def _few_rows(report: Mapping[str, Any]) -> str:
    if report["rows"] >= FEW_ROWS:
        return ""
    return (
        f"{report['rows']} test rows are few: another draw of rows may move these figures as far as the intervals go."
    )


def _parity(report: Mapping[str, Any]) -> str:
    failed = [hand["handoff"] for hand in report["parity"] if not hand["passed"]]
    if failed:
        return f"The answers changed at: {', '.join(failed)}."
    return (
        f"Answers stayed the same at: {', '.join(h['handoff'] for h in report['parity'])}." if report["parity"] else ""
    )
