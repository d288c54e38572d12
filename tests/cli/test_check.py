"""``tunesmith check``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tunesmith.cli import main
from tunesmith.core.errors import ModelError
from tunesmith.core.recipe import Recipe


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here loads a model: the report must stand without."""

    def refuse(name: str, **options: object) -> None:
        raise ModelError(f'The model "{name}" cannot be had.', "Install it.")

    monkeypatch.setattr("tunesmith.models.reference.resolve", refuse)


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    lines = [
        f"第{i}条评论：房间{'很干净' if i % 2 else '太脏了'}号码{i * 7919},{'好' if i % 2 else '差'},{i % 3}"
        for i in range(40)
    ]
    path.write_bytes("\n".join(["评论,标签,区", *lines]).encode("gb18030"))
    return path


def test_page(reviews: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(reviews)]) == 0
    page = capsys.readouterr().out
    for said in (
        "gb18030",
        "text = 评论",
        "label = 标签",
        "language",
        "zh",
        "Tokens are not counted",
        "label could also be: 区",
    ):
        assert said in page, said
    recipe = yaml.safe_load(page[page.index("recipe\n") + len("recipe\n") :])
    assert recipe["data"]["columns"] == {"text": "评论", "label": "标签"}
    assert recipe["task"] == "text-classification"
    again = dict(recipe, task="auto", training={}, method="auto")
    assert Recipe.parse(again).data.columns["text"] == "评论"


def test_json(reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = tmp_path / "held.csv"
    test.write_text("评论,标签,区\n第1条评论：房间很干净号码7919,好,1\n", "utf-8")
    assert main(["check", str(reviews), "data.label=区", "--test", str(test), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == 40
    assert found["columns"] == ["评论", "标签", "区"]
    assert found["guess"]["columns"] == {"text": "评论", "label": "区"}
    assert found["guess"]["why"]
    assert found["profile"]["overlap"]["exact"] == 1
    assert found["recipe"]["data"]["test"] == str(test)
    assert any("test rows" in w for w in found["warnings"])


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        ("", [], "is empty"),
        ("text,label\n", [], "no rows"),
        ("text,label\nnice place to be,a\nbad place to be,a\n", [], 'only one label, "a"'),
        ("text,label\nnice place to be,a\nbad place to be,b\n", ["data.text=txt"], 'no column "txt"'),
        ("text,label\nnice place to be,a\nbad place to be,b\n", ["data.txt=text"], "unknown key"),
    ],
)
def test_errors_are_two_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, arguments: list[str], words: str
) -> None:
    (tmp_path / "a.csv").write_text(text, "utf-8")
    assert main(["check", str(tmp_path / "a.csv"), *arguments]) == 2
    said = capsys.readouterr()
    assert not said.out
    assert len(said.err.strip().splitlines()) == 2
    assert words in said.err
