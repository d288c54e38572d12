"""ChnSentiCorp (Chinese hotel reviews) through the whole path, as a user goes it: the command line, ``model=auto``.

python benchmarks/chnsenticorp.py --data FOLDER
python benchmarks/chnsenticorp.py --data FOLDER --only full
"""

from __future__ import annotations

import argparse
import json
import shlex
import tempfile
from pathlib import Path
from typing import Any

import harness

METHODS = {"head": "`e5-small`, head on the frozen encoder", "full": "`e5-small`, full"}
ASKED = ("房间很干净，服务员也很热情", "隔音太差，一晚没睡")
BASELINES = {"majority": "majority class", "tfidf": "TF-IDF (characters) + logistic regression", "before": "untuned"}


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: ``tunesmith tune``, and what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        limits = {"train": job["rows"], "dev": job["test_rows"], "test": job["test_rows"]}
        files = {
            name: harness.subset(Path(job["data"], "chnsenticorp_hotel", f"{name}.csv"), Path(folder, f"{name}.csv"), n)
            for name, n in limits.items()
        }
        bundle = Path(folder, "bundle")
        command = ["tune", files["train"], f"data.test={files['test']}", f"data.validation={files['dev']}"]
        command += ["model=auto", f"method={job['method']}", f"bundle={bundle}", *job["overrides"]]
        told = harness.verb(*command)
        report = json.loads((bundle / "report.json").read_text("utf-8"))
        asked = harness.verb("predict", bundle, *ASKED)["predictions"]
    return {
        "tune": {key: told[key] for key in ("task", "model", "method", "seconds", "metrics", "before", "baselines")},
        "verdict": told["verdict"],
        "parity": told["parity"],
        "training": told["training"],
        "seconds": {
            "after": report["seconds"],
            "before": report["before"]["seconds"],
            **{key: side["seconds"] for key, side in report["baselines"].items()},
        },
        "asked": [answer["label"] for answer in asked],
    }


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / "chnsenticorp.json"
    kept = harness.kept(path, {"methods": {}})
    run = harness.context()
    for method in given.only:
        job = {"data": str(given.data), "rows": given.rows, "test_rows": given.test_rows, "method": method}
        found = harness.child(__file__, {**job, "overrides": given.set})
        kept["methods"][method] = {**found, **run, "overrides": given.set}
        title = "ChnSentiCorp hotel reviews, through the command line"
        harness.write(given.results, "chnsenticorp", title, page(kept["methods"]), kept)


def options() -> argparse.Namespace:
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--rows", type=int, help="training rows (default: all)")
    parser.add_argument("--test-rows", type=int, help="test and dev rows (default: all)")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every method, training.epochs=2 ...")
    given = harness.parse(parser)
    if given.quick:
        given.rows, given.test_rows = given.rows or 40, given.test_rows or 20
        given.set = ["training.max_steps=2", "model.max_length=32", *given.set]
    return given


def page(methods: dict[str, Any]) -> list[str]:
    first = next(iter(methods.values()))
    rows = [
        line(words, {**first["tune"]["baselines"], "before": first["tune"]["before"]}[key], first["seconds"][key], "-")
        for key, words in BASELINES.items()
    ]
    for method, found in methods.items():
        seconds = found["seconds"]["after"]
        rows.append(line(METHODS[method], found["tune"]["metrics"], seconds, f"{found['tune']['seconds']:,.0f}"))
    lines = harness.table(["contender", "accuracy", "macro-F1", "fit s", "predict s", "whole command s"], rows)
    floor = first["tune"]["baselines"]["tfidf"]["accuracy"]["value"]
    for method, found in methods.items():
        value = found["tune"]["metrics"]["accuracy"]["value"]
        verdict = "above TF-IDF" if value > floor else "NOT above TF-IDF"
        extra = f" ({shlex.join(found['overrides'])})" if found["overrides"] else ""
        lines += ["", f"{METHODS[method]}{extra}: {verdict} ({value:.4f} and {floor:.4f}). {found['verdict']}"]
        lines += [f"Asked for a good and a bad review, the bundle says {' and '.join(found['asked'])}."]
    return [*lines, *harness.parts_lines({METHODS[method]: found for method, found in methods.items()})]


def line(words: str, metrics: dict[str, Any], seconds: dict[str, float], whole: str) -> list[str]:
    figures = [harness.interval(metrics[name]) for name in ("accuracy", "macro_f1")]
    return [words, *figures, f"{seconds.get('fit', 0):,.1f}", f"{seconds.get('predict', 0):,.1f}", whole]


if __name__ == "__main__":
    harness.entry(work, main)
