"""The pages tell the truth: their code runs, their links lead somewhere, and the tree names every folder.

A page's ``bash`` lines that start with ``tunesmith`` and its ``python`` blocks run in order, in a folder that has
``reviews.csv``, ``held.csv``, ``new.csv``, ``lines.txt``, ``recipe.yaml`` and the bundle ``out/reviews``. ``tune``
gets a tiny model and one step; the README's three lines of Python run as they are printed.
``<!-- no-test -->`` before a block leaves it out.
"""

from __future__ import annotations

import csv
import io
import re
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tunesmith.cli import main
from tunesmith.testing import tiny_bert, toy_rows

ROOT = Path(__file__).parents[1]
README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
OTHERS = [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "README.md"]
FENCED = re.compile(r"(<!-- no-test -->\s*)?^```(\w*)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")
TINY = ["training.max_steps=1", "--replace"]


@dataclass
class Code:
    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Code]:
    text = page.read_text("utf-8")
    found = [m for m in FENCED.finditer(text) if not m[1] and m[2] in ("bash", "python")]
    return [Code(m[2], m[3], text.count("\n", 0, m.start(3)) + 1) for m in found]


def commands(block: Code) -> list[list[str]]:
    """The words of each line that runs tunesmith, comments left out."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if "tunesmith " in line.partition("#")[0]]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages take for granted."""
    folder = tmp_path_factory.mktemp("shop")
    rows = toy_rows("en", 60)
    write_csv(folder / "reviews.csv", rows)
    write_csv(folder / "held.csv", toy_rows("en", 30, seed=7))
    write_csv(folder / "new.csv", [{"text": row["text"]} for row in toy_rows("en", 5, seed=8)])
    (folder / "lines.txt").write_text("\n".join(row["text"] for row in rows[:5]), "utf-8")
    (folder / "recipe.yaml").write_text("data: reviews.csv\n", "utf-8")
    model = tiny_bert(folder / "small-model", texts=[row["text"] for row in rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["tune", "reviews.csv", f"model={model}", "bundle=out/reviews", *TINY]) == 0
    return folder


def write_csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    listed = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, listed[0].keys())
        table.writeheader()
        table.writerows(listed)


def run_command(words: list[str], tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """One command line: ``[cat FILE |] tunesmith ... [> FILE]``."""
    start = words.index("tunesmith")
    if start:
        assert words[0] == "cat" and words[start - 1] == "|", f"the test knows no such pipe: {words}"
        monkeypatch.setattr("sys.stdin", io.StringIO(Path(words[1]).read_text("utf-8")))
    arguments, target = words[start + 1 :], ""
    if ">" in arguments:
        target = arguments[arguments.index(">") + 1]
        del arguments[arguments.index(">") :]
    if arguments[0] == "tune" and "--help" not in arguments:
        arguments += [f"model={tiny}", *TINY]
    capsys.readouterr()
    code = main(arguments)
    out, err = capsys.readouterr()
    assert code == 0, f"{shlex.join(words)}\n{out}\n{err}"
    if target:
        Path(target).write_text(out, "utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_runs(
    page: Path, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(shop, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    names: dict[str, Any] = {"__name__": page.stem}
    for block in blocks(page):
        if block.language == "python":
            lines = "\n" * (block.line - 1) + block.text
            exec(compile(lines, str(page), "exec"), names)
        else:
            for words in commands(block):
                run_command(words, tmp_path / "here" / "small-model", monkeypatch, capsys)


@pytest.mark.parametrize("page", [*PAGES, CHINESE, *OTHERS], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text("utf-8")):
        assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_every_page_is_in_the_index() -> None:
    """A page on a task stands in the index of tasks."""
    for page in PAGES[1:]:
        index = ROOT / "docs" / ("tasks.md" if page.parent.name == "tasks" else "index.md")
        name = page.relative_to(index.parent).as_posix()
        assert page == index or f"({name})" in index.read_text("utf-8"), name


@pytest.mark.parametrize("readme", [README, CHINESE], ids=lambda page: page.name)
def test_the_tree_names_every_folder(readme: Path) -> None:
    text = readme.read_text("utf-8")
    tree = text[text.index("src/tunesmith/\n") :].partition("```")[0]
    folders = {path.parent.name for path in (ROOT / "src" / "tunesmith").glob("*/__init__.py")}
    named = set(re.findall(r"^  (\w+)/ ", tree, re.M))
    assert named == folders


def test_both_readmes_have_the_same_code() -> None:
    def code(page: Path) -> list[str]:
        text = "\n".join(m[3] for m in FENCED.finditer(page.read_text("utf-8")) if m[2])
        return [line.partition("#")[0].rstrip() for line in text.splitlines()]

    assert code(README) == code(CHINESE)


@pytest.mark.parametrize("readme", [README, CHINESE], ids=lambda page: page.name)
def test_readme_lists_every_verb(readme: Path) -> None:
    from tunesmith.cli import VERBS

    listed = re.findall(r"^\| `(\w+)` \|", readme.read_text("utf-8"), re.M)
    assert sorted(listed) == sorted(VERBS)
