"""The main benchmarks, one after the other: ``make bench``.

python benchmarks/run_all.py --data FOLDER
python benchmarks/run_all.py --data FOLDER --quick          # a smoke test of the scripts; the figures mean nothing
python benchmarks/run_all.py --data FOLDER --only head_cache kill_resume
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import harness

ORDER = (
    "data_million_rows",
    "head_cache",
    "kill_resume",
    "profile_step",
    "finetune_speed",
    "sft_memory",
    "sft_speed",
    "tasks/dialogue",
    "chnsenticorp",
    "imdb",
    "pretrain_scratch",
    "prompts",
    "pretrain",
    "shrink/vocabulary",
    "shrink/cold",
    "shrink/search",
    "shrink/forms",
    "operate/calibration",
    "service/throughput",
    "service/overload",
    "service/kill",
    "service/swap",
    "service/memory",
    "service/at_once",
    "service/chat",
)
"""The short ones first."""


def command(name: str, results: Path, quick: bool) -> list[str]:
    """A benchmark's command line; the data folder goes by the environment."""
    script = [sys.executable, str(harness.HERE / f"{name}.py")]
    if name == "data_million_rows":  # makes its own rows
        return [*script, "--out", str(results / f"{name}.md"), *(["--rows", "5000", "20000"] if quick else [])]
    return [*script, "--results", str(results), *(["--quick"] if quick else [])]


def main() -> int:
    """Run them; the exit code is the number that failed."""
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=ORDER, default=ORDER)
    own = parser.parse_known_args()[0].only == ["data_million_rows"]  # it makes its rows
    given = harness.parse(parser, needs_data=not own)
    given.results.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in given.only:
        print(f"== {name}", flush=True)
        start = time.monotonic()
        env = {**os.environ, "TUNESMITH_BENCH_DATA": str(given.data)}
        code = subprocess.run(command(name, given.results, given.quick), env=env).returncode
        print(f"== {name}: {'failed' if code else 'done'} after {time.monotonic() - start:.0f} s\n", flush=True)
        failed += [name] if code else []
    if failed:
        print(f"failed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    raise SystemExit(main())
