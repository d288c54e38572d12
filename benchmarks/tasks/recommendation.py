"""Recommendation: MovieLens small. Each user's last film, films that nobody had rated yet, and one moment for all.

    python benchmarks/tasks/recommendation.py --data FOLDER
    python benchmarks/tasks/recommendation.py --data FOLDER --only last

``last`` is the protocol of the data set's page: each user's newest rating is the test, the one before is for
validation, all ratings count, and all films are ranked that the user has not rated. ``cold`` leaves every tenth film
out of training as if it had come out today, with all its ratings; then each user's newest of these is asked for, among
these films alone. ``moment`` holds out all that is newer than one moment, and asks for each user's first of that.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness

RUNS: dict[str, dict[str, Any]] = {
    "last": {"title": "Each user's last film", "settings": []},
    "moment": {"title": "What came after one moment", "settings": ["data.split.by=time", "data.split.test=0.1"]},
    "cold": {"title": "Films that nobody had rated", "settings": []},
}
SIDES = {"popularity": "popularity", "item-knn": "item-kNN", "bm25": "BM25 over titles", "before": "untuned"}
WANTED = {"hit_rate_at_10": 0.08, "ndcg_at_10": 0.023}
"""Of ``last``: the figure of the issue, and item-kNN's on the data set's page."""
COLD_SHARE, COLD_LEAST = 0.1, 5
"""Films that are left out, of those with so many ratings."""


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: ``tunesmith tune``, and what its report says; of cold films, what the bundle answers."""
    source = Path(job["data"], "movielens_small")
    with tempfile.TemporaryDirectory() as folder:
        rows = harness.rows_of(source / "ratings.csv")
        if job["users"]:
            users = set(random.Random(13).sample(sorted({row["userId"] for row in rows}), job["users"]))
            rows = [row for row in rows if row["userId"] in users]
        cold = cold_films(rows) if job["run"] == "cold" else set()
        log = harness.write_rows(Path(folder, "log.csv"), [row for row in rows if row["movieId"] not in cold])
        bundle = Path(folder, "bundle")
        command = ["tune", log, f"data.items={source / 'movies.csv'}", f"bundle={bundle}", *job["settings"]]
        told = harness.verb(*command)
        report = json.loads((bundle / "report.json").read_text("utf-8"))
        among = among_cold(bundle, rows, cold) if cold else {}
    keys = ("model", "seconds", "metrics", "before", "baselines", "verdict", "parity", "training")
    parts = {"before": report["before"]["seconds"], **{k: s["seconds"] for k, s in report["baselines"].items()}}
    return {
        **{key: told[key] for key in keys},
        "rows": report["context"]["rows"],
        "stages": report["context"]["seconds"],
        "parts": parts,
        "notes": report["data_notes"],
        "cold": among,
    }


def cold_films(rows: list[dict[str, str]]) -> set[str]:
    """Films to be left out, drawn by the seed from those with some ratings."""
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        counts[row["movieId"]] += 1
    able = sorted(film for film, count in counts.items() if count >= COLD_LEAST)
    return set(random.Random(13).sample(able, max(2, int(len(able) * COLD_SHARE))))


def among_cold(folder: Path, rows: list[dict[str, str]], cold: set[str]) -> dict[str, Any]:
    """Each user's newest cold film, ranked among all cold ones: by the bundle, and by what counting knows of them.

    Popularity knows nothing of films that nobody rated: with equal counts their order is by chance, which is drawn.
    """
    from tunesmith.bundle.read import read_bundle
    from tunesmith.evaluation.baselines.recommending import Bm25
    from tunesmith.evaluation.bootstrap import figures

    bundle = read_bundle(folder)
    newest: dict[str, dict[str, str]] = {}
    for row in rows:
        if row["movieId"] in cold and int(row["timestamp"]) >= int(newest.get(row["userId"], row)["timestamp"]):
            newest[row["userId"]] = row
    films = sorted(cold)
    asked = [
        {"user": user, "time": float(row["timestamp"]), "candidates": films, "item": row["movieId"]}
        for user, row in sorted(newest.items())
    ]
    task = bundle.task
    tuned = bundle.predictor().predict([{k: v for k, v in row.items() if k != "item"} for row in asked])
    draw = random.Random(13)
    by_chance = [{"items": [{"item": one} for one in draw.sample(films, min(10, len(films)))]} for _ in asked]
    words: Any = Bm25(task, "en")
    words.fit([])
    sides = {"tuned": tuned, "popularity": by_chance, "bm25": words.predict(asked)}
    names = ["hit_rate_at_10", "ndcg_at_10", "mrr"]
    found = {}
    for side, predictions in sides.items():
        evidence = task.evidence(asked, predictions)
        found[side] = {name: figure.to_json() for name, figure in figures(evidence, names).items()}
    return {"rows": len(asked), "films": len(films), **found}


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / "tasks_recommendation.json"
    kept = harness.kept(path, {})
    run = harness.context()
    for name in given.only:
        job = {
            **RUNS[name], "run": name, "data": str(given.data), "users": given.users,
            "settings": [*RUNS[name]["settings"], *given.set],
        }  # fmt: skip
        kept[name] = {**harness.child(__file__, job), **run, "settings": job["settings"]}
        harness.write(given.results, "tasks_recommendation", "Recommendation", page(kept), kept)


def options() -> argparse.Namespace:
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(RUNS), default=list(RUNS))
    parser.add_argument("--users", type=int, help="users, drawn by the seed (default: all)")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run, training.epochs=2 ...")
    given = harness.parse(parser)
    if given.quick:
        given.users, given.set = given.users or 60, [*given.set, "training.epochs=1"]
    return given


def page(kept: dict[str, Any]) -> list[str]:
    """A table a run."""
    lines: list[str] = []
    found = {name: kept[name] for name in RUNS if name in kept}
    for name, one in found.items():
        metrics = [m for m, figure in one["metrics"].items() if figure["value"] is not None]
        sides = {**one["baselines"], "before": one["before"]}
        rows = [[SIDES[key], *cells(sides[key], metrics), seconds(one["parts"][key])] for key in SIDES]
        rows.append(["**tuned**", *cells(one["metrics"], metrics), f"{one['seconds']:,.0f}"])
        counts = one["rows"]
        lines += [f"## {RUNS[name]['title']}", "", *harness.table(["contender", *metrics, "s"], rows), ""]
        lines += [
            f"{counts['train']:,} rows to learn from, {counts['test']:,} test rows. Training alone took "
            f"{one['training']['seconds']:,.0f} s. {one['verdict']}"
        ]
        if name == "last":
            for metric, wanted in WANTED.items():
                value = one["metrics"][metric]["value"]
                lines += ["", f"Wanted: {metric} of {wanted}: {'reached' if value >= wanted else 'NOT reached'}."]
        if one.get("cold"):
            lines += cold_lines(one["cold"])
        lines.append("")
    return [*lines, *harness.parts_lines({RUNS[name]["title"]: one for name, one in found.items()})]


def cold_lines(cold: dict[str, Any]) -> list[str]:
    """Cold films among themselves."""
    metrics = ["hit_rate_at_10", "ndcg_at_10", "mrr"]
    names = {"popularity": "popularity (knows none: by chance)", "bm25": "BM25 over titles", "tuned": "**tuned**"}
    rows = [[words, *cells(cold[key], metrics)] for key, words in names.items()]
    about = f"Among the {cold['films']:,} films that were left out, {cold['rows']:,} users' newest of them:"
    return ["", about, "", *harness.table(["contender", *metrics], rows)]


def cells(figures: dict[str, Any], metrics: list[str]) -> list[str]:
    return [harness.interval(figures[name]) for name in metrics]


def seconds(parts: dict[str, float]) -> str:
    return f"{sum(parts.values()):,.1f}"


if __name__ == "__main__":
    harness.entry(work, main)
