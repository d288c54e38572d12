"""Files of pictures, sounds and what stands beside them: seen, read, and refused with their row."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tunesmith.core.errors import DataError
from tunesmith.core.recipe import DataBlock
from tunesmith.data.prepare import prepare
from tunesmith.data.profile import profile
from tunesmith.data.read import read
from tunesmith.data.schema import guess
from tunesmith.data.settle import as_read
from tunesmith.data.shapes.media import numbers
from tunesmith.data.shapes.shape import RowProblem

soundfile = pytest.importorskip("soundfile")
WORDS = ("a red coat for cold days number", "一件蓝色的外套，编号")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """shop.csv and its files: 24 rows of two classes; every third has no picture."""
    rows = []
    for i in range(24):
        name = "" if i % 3 == 2 else f"files/{i}.png"
        if name:
            (tmp_path / "files").mkdir(exist_ok=True)
            Image.new("RGB", (6, 6), (250 * (i % 2), i, 0)).save(tmp_path / name)
        soundfile.write(tmp_path / f"{i}.wav", np.sin(np.arange(800) * (i % 2 + 1) / 10), 8000)
        text = f"{WORDS[i % 2]} {i}"
        kind = ("coat", "鞋")[i % 2]
        rows.append([i, name, f"{i}.wav", text, 10.5 * i, "north" if i % 4 else "south", kind, "train"])
    write(tmp_path / "shop.csv", ["id", "photo", "clip", "title", "price", "shop", "category", "split"], rows)
    return tmp_path


def write(path: Path, names: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def test_what_a_file_holds_is_seen_and_said(shop: Path) -> None:
    found = guess(read(str(shop / "shop.csv")))
    assert found.task == "multimodal-classification"
    assert found.columns == {"image": "photo", "audio": "clip", "text": "title", "label": "category"}
    assert any("data.numeric=[price]" in why for why in found.why)
    assert any("data.categorical=[shop]" in why for why in found.why)


def test_addresses_are_no_files(tmp_path: Path) -> None:
    """As shops export them: a text and a label, and told so."""
    rows = [[f"https://shop.example/{i}.jpg?w=90", f"{WORDS[0]} {i}, a long one", "ab"[i % 2]] for i in range(24)]
    write(tmp_path / "shop.csv", ["image_url", "text", "label"], rows)
    found = guess(read(str(tmp_path / "shop.csv")))
    assert found.task == "text-classification" and found.columns == {"text": "text", "label": "label"}
    assert any(why.startswith('"image_url" holds addresses') for why in found.why)
    plain = [[address.partition("?")[0], text, label] for address, text, label in rows]
    write(tmp_path / "plain.csv", ["image_url", "text", "label"], plain)
    assert guess(read(str(tmp_path / "plain.csv"))).task == "text-classification"


def test_commas_stand_between_thousands_alone() -> None:
    assert numbers({"a": "1,234", "b": "-12,345,678.5", "c": " 3.5 ", "d": "n/a", "e": 7}) == {
        "a": 1234.0, "b": -12345678.5, "c": 3.5, "e": 7.0,
    }  # fmt: skip
    for wrong in ("12,5", "1,23", "1234,567", "1.234,5", "1_0"):
        with pytest.raises(RowProblem, match="is no number"):
            numbers({"price": wrong})
    with pytest.raises(RowProblem, match='"12,5" in the column "price" is no number; decimals have a point'):
        numbers({"price": "12,5"})


def test_what_is_given_is_all_that_is_read(shop: Path) -> None:
    rows = read(str(shop / "shop.csv"))
    one = guess(rows, columns={"image": "photo", "label": "category"})
    assert (one.task, set(one.columns)) == ("image-classification", {"image", "label"})
    number = guess(rows, columns={"image": "photo", "numeric": ["price"], "label": "category"})
    assert number.task == "multimodal-classification" and number.columns["numeric"] == ["price"]
    assert guess(rows, task="audio-classification").columns == {"audio": "clip", "label": "category"}
    assert guess(rows, columns={"audio": "clip", "label": "price"}).task == "multimodal-regression"


def test_rows_hold_paths_and_named_numbers(shop: Path) -> None:
    columns = {"image": "photo", "numeric": ["price"], "categorical": ["shop"], "label": "category"}
    rows, roles = as_read(read(str(shop / "shop.csv")), "multimodal-classification", columns)
    assert roles["image"] == "image" and rows[0]["image"] == str(shop / "files" / "0.png")
    assert rows[2]["image"] is None and rows[1]["numeric"] == '{"price": 10.5}'
    found = prepare(DataBlock(path=str(shop / "shop.csv"), columns=columns), "multimodal-classification")
    row = next(r for r in found.train if r["numeric"]["price"] == 10.5 * 13)
    assert row["categorical"] == {"shop": "north"} and row["label"] == "鞋"
    assert len(found.train) + len(found.validation) + len(found.test) == 24


def sides(found: Any, key: str) -> dict[str, set[str]]:
    """What stands in that role -> the parts in which it stands."""
    made: dict[str, set[str]] = {}
    for name in ("train", "validation", "test"):
        for row in getattr(found, name):
            made.setdefault(row[key], set()).add(name)
    return made


def test_the_same_picture_under_two_names_stays_on_one_side(tmp_path: Path) -> None:
    rows = []
    for i in range(60):
        Image.new("RGB", (6, 6), (4 * (i // 2), i % 2 and 7, 0)).save(tmp_path / f"{i}.bmp")  # all of one size
        (tmp_path / f"copy{i}.bmp").write_bytes((tmp_path / f"{i}.bmp").read_bytes())
        rows += [[f"{i}.bmp", f"one side of it {i}", i % 2], [f"copy{i}.bmp", f"another look {7 * i}", i % 2]]
    write(tmp_path / "shop.csv", ["image", "text", "label"], rows)
    found = prepare(DataBlock(path=str(tmp_path / "shop.csv")))
    held: dict[bytes, set[str]] = {}
    for path, names in sides(found, "image").items():
        held.setdefault(Path(path).read_bytes(), set()).update(names)
    assert len(held) == 60 and all(len(names) == 1 for names in held.values())
    look = read(str(tmp_path / "shop.csv"))
    columns = {"image": "image", "label": "label"}
    shaped, roles = as_read(look, "image-classification", columns)
    assert profile(shaped, roles, task="image-classification").exact_duplicates == 60


def test_rows_without_files_are_held_together_by_their_text(tmp_path: Path) -> None:
    rows = [[f"{WORDS[0]} {i // 2}, and what is said of it is {i // 2 * 37 % 100}", i, "ab"[i % 2]] for i in range(80)]
    write(tmp_path / "shop.csv", ["text", "price", "label"], rows)
    columns: dict[str, Any] = {"text": "text", "numeric": ["price"], "label": "label"}
    found = prepare(DataBlock(path=str(tmp_path / "shop.csv"), columns=columns))
    assert found.task == "multimodal-classification"
    assert all(len(names) == 1 for names in sides(found, "text").values())


def test_rows_of_the_same_words_and_other_pictures_stay_apart(shop: Path) -> None:
    rows = [[f"files/{i}.png", "the same words", i % 2] for i in range(24) if i % 3 != 2]
    write(shop / "same.csv", ["image", "text", "label"], rows)
    found = prepare(DataBlock(path=str(shop / "same.csv")))
    assert len(found.train) + len(found.validation) + len(found.test) == 16


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("files/none.png", "No such file"),
        ("../outside.png", "outside the data folder"),
        ("files/cut.png", "damaged or cut off"),
        ("files/named.jpg", "PNG by its content"),
        ("0.wav", "is no picture"),
    ],
)
def test_a_broken_file_is_set_apart_with_its_row(shop: Path, name: str, why: str) -> None:
    whole = (shop / "files" / "0.png").read_bytes()
    (shop / "files" / "named.jpg").write_bytes(whole)
    (shop / "files" / "cut.png").write_bytes(whole[:44])
    (shop.parent / "outside.png").write_bytes(whole)
    good = [[f"files/{i}.png", i % 2] for i in range(24) if i % 3 != 2]
    write(shop / "broken.csv", ["image", "label"], [*good[:6], [name, 1], *good[6:]])
    found = prepare(DataBlock(path=str(shop / "broken.csv")), "image-classification")
    (broken,) = found.source.broken
    assert broken.line == 7 and why in broken.reason and broken.file.endswith("broken.csv")
    assert any("row 7" in note and why in note for note in found.notes)


def test_numbers_that_are_none_are_told(shop: Path) -> None:
    rows = [[f"files/{i}.png", "many" if i == 3 else i, i % 2] for i in range(24) if i % 3 != 2]
    write(shop / "n.csv", ["image", "price", "label"], rows)
    columns = {"image": "image", "numeric": ["price"], "label": "label"}
    found = prepare(DataBlock(path=str(shop / "n.csv"), columns=columns))
    assert 'column "price" is no number' in found.source.broken[0].reason


def test_a_folder_a_class(shop: Path) -> None:
    for part in ("train", "test"):
        for kind in ("cat", "狗"):
            (shop / "kinds" / part / kind).mkdir(parents=True)
            for i in range(12):
                colour = (i, 9 * (kind == "cat"), 50 * (part == "test"))
                Image.new("RGB", (4, 4), colour).save(shop / "kinds" / part / kind / f"{i}.png")
    (shop / "kinds" / "train" / "cat" / "notes.txt").write_text("x")
    for name in ("notes.txt",):
        (shop / "kinds" / "train" / "cat" / name).unlink()
    rows = read(str(shop / "kinds"))
    assert len(rows) == 24 and any("data.test=FOLDER" in note for note in rows.origin.notes)
    found = prepare(DataBlock(path=str(shop / "kinds"), test=str(shop / "kinds" / "test")))
    assert found.task == "image-classification" and len(found.test) == 24
    assert {row["label"] for row in found.test} == {"cat", "狗"}
    assert found.test[0]["image"].startswith(str(shop / "kinds" / "test"))


def test_a_word_beside_pictures_is_no_data(tmp_path: Path) -> None:
    for kind in ("cat", "狗"):
        (tmp_path / kind).mkdir()
        for i in range(4):
            Image.new("RGB", (4, 4), (i, 0, 0)).save(tmp_path / kind / f"{kind} {i}.png")
    (tmp_path / "README.txt").write_text("Pictures of cats and dogs, as photo.png\n")
    (tmp_path / "classes.json").write_text('["cat", "狗"]')
    rows = read(str(tmp_path))
    assert rows.columns == ["image", "label"] and len(rows) == 8
    assert any(note.endswith("not read: README.txt, classes.json.") for note in rows.origin.notes)
    (tmp_path / "README.txt").unlink()
    (tmp_path / "classes.json").unlink()
    write(tmp_path / "all.csv", ["image", "label"], [["cat/cat 1.png", "x"], ["狗/狗 2.png", "y"]])
    assert len(read(str(tmp_path))) == 2, "a table that names them is the data"


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "all" / "a.png")
    with pytest.raises(DataError, match="holds no data file"):
        read(str(tmp_path / "all"))


@pytest.mark.parametrize(
    "settings", [[], ["task=image-classification"], ["data.numeric=[price]", "data.label=category"]]
)
def test_check_looks_at_rows_of_all_kinds(shop: Path, settings: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from tunesmith.cli import main

    assert main(["check", str(shop / "shop.csv"), *settings]) == 0
    assert "coat" in capsys.readouterr().out
