"""What all benchmarks share: a fresh process for each contender, the machine's facts, pages of results.

A script defines ``work(job) -> figures``, which runs in a process of its own, and ``main()``, which calls
``child(__file__, job)`` for one contender after the other, and ends with ``entry(work, main)``.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import gzip
import json
import os
import platform
import random
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ANSWER = "ANSWER "
PACKAGES = ("tunesmith", "torch", "transformers", "accelerate", "tokenizers", "scikit-learn", "numpy")
BUSY = 0.2
"""Cores that others may keep busy before a page says that its times are worth little."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """An argument parser with what every benchmark has."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("TUNESMITH_BENCH_DATA"),
        help="the folder with a folder for each data set (default: $TUNESMITH_BENCH_DATA)",
    )
    made.add_argument("--results", type=Path, help="where the figures go (default: benchmarks/results)")
    made.add_argument("--quick", action="store_true", help="few rows, to see that it works; the figures mean nothing")
    return made


def parse(made: argparse.ArgumentParser, *, needs_data: bool = True) -> argparse.Namespace:
    """The options; without a data folder that it needs, an error that says how to give one."""
    given = made.parse_args()
    if needs_data and (given.data is None or not Path(given.data).is_dir()):
        made.error("where are the data sets? Give --data FOLDER or set TUNESMITH_BENCH_DATA")
    given.data = Path(given.data or ".").resolve()
    given.results = given.results or HERE / "results" / ("quick" if given.quick else "")
    return given


def entry(work: Callable[[dict[str, Any]], dict[str, Any]], main: Callable[[], None]) -> None:
    """Be the child when called with ``--job``, else the parent."""
    if sys.argv[1:2] != ["--job"]:
        main()
        return
    with contextlib.redirect_stdout(sys.stderr):
        found = work(json.loads(sys.argv[2]))
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    found["peak_mib"] = round(max(peaks) / 1024)
    print(ANSWER + json.dumps(found, ensure_ascii=False), flush=True)


def child(
    script: str, job: Mapping[str, Any], env: Mapping[str, str] | None = None, *, python: str = sys.executable
) -> dict[str, Any]:
    """Run ``work(job)`` of a script in a fresh process.

    Args:
        script: its file.
        job: what ``work`` is given.
        env: more environment.
        python: the interpreter, for what needs an environment of its own.

    Returns:
        its figures, and ``wall`` (seconds from start to exit, imports included), ``others`` (cores that other
        processes kept busy just before) and ``peak_mib`` (resident memory, of the largest of its processes).
    """
    others = busy_cores()
    start = time.perf_counter()
    made = subprocess.run(
        [python, script, "--job", json.dumps(job, default=str)],
        env={**os.environ, "TOKENIZERS_PARALLELISM": "false", **(env or {})},
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    wall = time.perf_counter() - start
    answers = [line for line in made.stdout.splitlines() if line.startswith(ANSWER)]
    if made.returncode or not answers:
        about = json.dumps(job, default=str)[:500]
        raise SystemExit(f"{Path(script).name} failed (exit code {made.returncode}) on {about}")
    found: dict[str, Any] = json.loads(answers[-1].removeprefix(ANSWER))
    return {**found, "wall": round(wall, 2), "others": others}


def verb(*words: Any) -> dict[str, Any]:
    """A verb of the command line, as a user goes it, in a fresh process: what it printed with ``--json``."""
    command = [sys.executable, "-m", "tunesmith", *map(str, words), "--json"]
    made = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    if made.returncode:
        raise SystemExit(made.stdout)
    printed: dict[str, Any] = json.loads(made.stdout)
    return printed


def busy_cores(seconds: float = 0.5) -> float:
    """Cores in use by whatever runs beside us, over a short time in which we do nothing; 0.0 where it is not told."""

    def busy() -> int:
        fields = [int(word) for word in Path("/proc/stat").read_text("utf-8").splitlines()[0].split()[1:9]]
        return sum(fields) - fields[3] - fields[4]  # all but idle and waiting for the disk; stolen time is in it

    try:
        before = busy()
        time.sleep(seconds)
        return round((busy() - before) / os.sysconf("SC_CLK_TCK") / seconds, 2)
    except (OSError, ValueError, IndexError):
        return 0.0


def rows_of(path: Path, limit: int | None = None, seed: int = 13) -> list[dict[str, str]]:
    """Rows of a CSV file; with ``limit``, so many drawn by the seed."""
    csv.field_size_limit(1 << 30)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if limit is None or limit >= len(rows):
        return rows
    return random.Random(seed).sample(rows, limit)


def write_rows(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    """A CSV file of rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def subset(source: Path, target: Path, limit: int | None, seed: int = 13) -> Path:
    """The file itself, or a smaller one made of it."""
    return source if limit is None else write_rows(target, rows_of(source, limit, seed))


def part(source: Path, target: Path, limit: int | None, seed: int = 13) -> Path:
    """The file itself, or its packed twin; or a smaller one made of it: rows, lines, or sentences between empty lines.

    Args:
        source: without ``.gz``, if only the packed one is there.
        limit: rows, drawn by the seed; None: all.
    """
    found = source if source.is_file() else source.with_name(source.name + ".gz")
    if limit is None or source.suffix == ".csv":
        return subset(found, target, limit, seed)
    data = gzip.decompress(found.read_bytes()) if found.suffix == ".gz" else found.read_bytes()
    gap = "\n\n" if ".conll" in source.suffixes else "\n"
    rows = [row for row in data.decode("utf-8").split(gap) if row.strip()]
    target.write_text(gap.join(random.Random(seed).sample(rows, min(limit, len(rows)))) + "\n", "utf-8")
    return target


def train_and_test(
    source: Path, folder: str, rows: int | None, test_rows: int | None, seed: int = 13
) -> tuple[Path, Path]:
    """Both files of a data set, or smaller ones: of as many classes as have 10 training rows, each class alike."""
    train, test = source / "train.csv", source / "test.csv"
    if rows is None and test_rows is None:
        return train, test
    labels = sorted({row["label"] for row in rows_of(train)})
    labels = labels[: max(2, rows // 10)] if rows else labels
    return (
        write_rows(Path(folder, "train.csv"), _evenly(rows_of(train), labels, rows, seed)),
        write_rows(Path(folder, "test.csv"), _evenly(rows_of(test), labels, test_rows, seed)),
    )


def _evenly(rows: list[dict[str, str]], labels: Sequence[str], limit: int | None, seed: int) -> list[dict[str, str]]:
    random.Random(seed).shuffle(rows)
    each = None if limit is None else max(1, limit // len(labels))
    chosen = [row for label in labels for row in [row for row in rows if row["label"] == label][:each]]
    random.Random(seed).shuffle(chosen)
    return chosen


def machine() -> dict[str, Any]:
    """Processor, cores, memory, and the best matrix product of each precision in GFLOP/s, measured now."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "gflops": child(__file__, {})["gflops"],
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        extra = [flag for flag in ("avx512_bf16", "amx_bf16") if any(flag in line.split() for line in lines)]
        return f"{names[0]} ({', '.join(extra) or 'no bf16 instructions'})"
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def matrix_peaks(seconds: float = 1.0) -> dict[str, float]:
    """GFLOP/s of the fastest square matrix product, by precision: the largest of several sizes and many tries."""
    import torch

    found = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        best = 0.0
        for size in (1024, 2048, 4096):
            a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
            a @ b
            until = time.perf_counter() + seconds
            while time.perf_counter() < until:
                start = time.perf_counter()
                a @ b
                best = max(best, 2 * size**3 / (time.perf_counter() - start) / 1e9)
        found[name] = round(best, 1)
    return found


def context() -> dict[str, Any]:
    """Command, date, machine and versions of a run. Paths of the machine are not in it."""
    return {
        "command": _command(),
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}},
    }


def _command() -> str:
    words = sys.argv[1:]
    for i, word in enumerate(words[:-1]):
        if word in ("--data", "--results", "--work") or word.endswith("-python"):
            words[i + 1] = word.rpartition("-")[2].upper()
    return shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).resolve().relative_to(HERE).as_posix()}", *words])


def parts_lines(parts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The contexts of several runs that share a page: name -> run; those of one command stand together."""
    lines: list[str] = []
    together: dict[tuple[str, ...], list[str]] = {}
    for name, run in parts.items():
        together.setdefault(tuple(context_lines(run)), []).append(name)
    for about, names in together.items():
        lines += ["", f"{', '.join(names)}:", *about, *busy_note([parts[name] for name in names])]
    return lines


def context_lines(run: Mapping[str, Any]) -> list[str]:
    """The same for a page."""
    on, peaks = run["machine"], run["machine"]["gflops"]
    return [
        f"`{run['command']}`, {run['date']}.",
        f"Machine: {on['cpu']}, {on['cores']} cores, {on['memory_gib']} GiB, {on['system']}; measured matrix product "
        f"{peaks['fp32']:.0f} GFLOP/s in fp32, {peaks['bf16']:.0f} in bf16.",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in run["versions"].items()) + ".",
    ]


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A Markdown table; the first column is words, the others figures."""
    lines = ["| " + " | ".join(header) + " |", "| --- |" + " ---: |" * (len(header) - 1)]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]


def interval(figure: Mapping[str, float | None]) -> str:
    """``0.901 [0.893, 0.909]``."""
    low, high = (value({"value": figure[end]}) for end in ("low", "high"))
    return f"{value(figure)} [{low}, {high}]"


def value(figure: Mapping[str, float | None]) -> str:
    """``0.901``; "-" where it is not defined, a precision of nothing."""
    found = figure["value"]
    return "-" if found is None else f"{found:.3f}"


def busy_note(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence where the machine was not idle, as each benchmark asks of it."""
    most = max((run.get("others", 0.0) for run in runs), default=0.0)
    if most <= BUSY:
        return []
    return ["", f"Not an idle machine: other processes kept up to {most:.1f} cores busy. The times are worth little."]


def kept(path: Path, fresh: dict[str, Any]) -> dict[str, Any]:
    """What an earlier run of a benchmark found; ``fresh`` where there was none."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else fresh
    return found


def write(folder: Path, name: str, title: str, lines: Sequence[str], figures: Mapping[str, Any]) -> None:
    """``NAME.md`` and ``NAME.json``; the page goes to stdout, too."""
    folder.mkdir(parents=True, exist_ok=True)
    page = "\n".join([f"# {title}", "", *lines]).rstrip() + "\n"
    (folder / f"{name}.md").write_text(page, "utf-8")
    (folder / f"{name}.json").write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", "utf-8")
    print(page)


if __name__ == "__main__":
    entry(lambda job: {"gflops": matrix_peaks()}, lambda: print(json.dumps(machine())))
