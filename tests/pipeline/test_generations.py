"""Bundle after bundle, of files that lose old rows and gain new ones: what was trained on once is never a test row."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_files import QUICK, write_csv

from tunesmith.bundle.known_rows import FILE, KnownRows
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.cli import main
from tunesmith.core.errors import DataError
from tunesmith.core.recipe import DataBlock, Recipe
from tunesmith.data.asking import keys_of
from tunesmith.data.prepare import prepare
from tunesmith.data.split import AllTrained, split
from tunesmith.pipeline.known import divided_as_before, known_by
from tunesmith.pipeline.smaller import smaller

WORDS = {
    "en": ("the {a} in room {n} was {b} when we came back late", ["heating", "carpet", "shower"], ["fine", "awful"]),
    "zh": ("第{n}号房间的{a}在我们晚上回来时{b}", ["暖气", "地毯", "淋浴"], ["很好", "很差"]),
}


def stream(language: str, n: int, first: int = 0) -> list[dict[str, Any]]:
    """Rows in the order in which they come: no two of one text."""
    text, things, moods = WORDS[language]
    spread = np.random.default_rng(5).permutation(90_000) + 10_000
    return [
        {"text": text.format(a=things[i % 3], b=moods[i % 2], n=f"{spread[i]} {spread[-i - 1]}"), "label": moods[i % 2]}
        for i in range(first, first + n)
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_test_row_was_ever_trained_on(tmp_path: Path, language: str) -> None:
    rows, known, trained = stream(language, 400), KnownRows(["text"]), set()
    for week in range(8):
        file = write_csv(tmp_path / f"{week}.csv", rows[25 * week : 25 * week + 200])
        block = DataBlock.model_validate({"path": str(file), "split": {"near_duplicates": False}})
        found = prepare(block, "text-classification", stood=known)
        trained |= {row["text"] for row in found.train}
        assert not trained & {row["text"] for row in found.test}, f"week {week}"
        assert 24 <= len(found.test) <= 36, "the share holds: test rows stay test rows, and of new ones some become it"
        assert week == 0 or any("stand where they stood" in note for note in found.notes)
        known = known.beside(train=found.train, validation=found.validation, test=found.test)


def test_what_belongs_with_a_trained_row_stands_with_it(tmp_path: Path) -> None:
    from tunesmith.data.read import read

    texts = [f"we waited {i * 7919} minutes for the train to {i * 104729} and nobody said a word" for i in range(40)]
    rows = [{"text": text, "label": "ab"[i % 2]} for i, text in enumerate(texts)]
    near = [{"text": f"{text}!!", "label": row["label"]} for text, row in zip(texts[:20], rows, strict=False)]
    file = write_csv(tmp_path / "a.csv", [*near, *rows])
    known = np.array([-1] * 20 + [0] * 20 + [-1] * 20, np.int8)
    parts = split(read(str(file)), {"text": "text", "label": "label"}, known=known)
    assert not {row["text"].rstrip("!") for row in parts.test} & set(texts[:20])
    with pytest.raises(AllTrained, match="were trained on before"):
        split(read(str(file)), {"text": "text", "label": "label"}, known=np.zeros(60, np.int8))
    was_test = split(read(str(file)), {"text": "text", "label": "label"}, known=np.full(60, 2, np.int8))
    assert len(was_test.train) > 30 and any("held out before" in note for note in was_test.notes)


def test_rows_of_a_test_file_that_were_trained_on_are_left_out(tmp_path: Path) -> None:
    rows = stream("zh", 80)
    block = DataBlock.model_validate(
        {"path": str(write_csv(tmp_path / "a.csv", rows[:50])), "test": str(write_csv(tmp_path / "t.csv", rows[50:]))}
    )
    found = prepare(block, "text-classification", stood=KnownRows(["text"]).beside(train=rows[40:60]))
    assert {row["text"] for row in found.test} == {row["text"] for row in rows[60:]}
    assert "10 of 30 rows of the test file were trained on before; they were left out." in found.notes
    with pytest.raises(DataError, match="30 of 30 rows of the test file") as refused:
        prepare(block, "text-classification", stood=KnownRows(["text"]).beside(train=rows[50:]))
    assert not isinstance(refused.value, AllTrained), "nothing is divided anew in the place of a file that was named"


def test_a_key_is_of_what_is_asked_alone() -> None:
    rows = [{"text": text} for text in ("Late, AGAIN！", "late again", "晚了", "")]
    keys = keys_of(rows, ["text"])
    assert keys[0] == keys[1] != keys[2] and keys[3] == 0
    known = KnownRows(["text"]).beside(test=rows[:1], train=rows[1:2])
    assert len(known) == 1 and known(rows).tolist() == [0, 0, -1, -1], "who learned it in one file knows it"


def test_three_generations(
    tuned: Callable[..., Bundle], tmp_path: Path, capsys: pytest.CaptureFixture[str], near_reload: None
) -> None:
    rows, old = stream("en", 300), stream("en", 100, first=400)
    first = write_csv(tmp_path / "first.csv", old)
    parent = tuned(first, "evaluation.baselines=false", "data.split.near_duplicates=false", name="g0")
    trained, held = {row["text"] for row in rows_of(parent, old, 0)}, parent.manifest.data["test"]["rows"]
    for week in (1, 2):
        file = write_csv(tmp_path / f"week-{week}.csv", [*old[:10], *rows[40 * week : 40 * week + 120]])
        words = [str(parent.path), str(file), "--protect", str(first), f"bundle={tmp_path / f'g{week}'}", *QUICK]
        quick = ("training.epochs=1", "evaluation.baselines=false", "data.split.near_duplicates=false")
        capsys.readouterr()
        assert main(["learn", *words, *quick, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        parent = read_bundle(tmp_path / f"g{week}")
        notes = parent.report["data_notes"]
        assert any("10 of 130 new rows stand in" in note for note in notes), notes
        assert told["forgetting"]["protected"]["rows"] == held, (
            "as in the first generation, not half of what was trained"
        )
        own = [*old, *rows]
        assert not trained & {row["text"] for row in rows_of(parent, own, 2)}
        trained |= {row["text"] for row in rows_of(parent, own, 0)}
    assert (parent.path / FILE).is_file()
    again = smaller(parent.path, [f"bundle={tmp_path / 'small'}"], vocabulary=["en"])  # its rows are divided as then
    assert again.manifest.data["test"] == parent.manifest.data["test"] and known_by(again) is not None


def rows_of(bundle: Bundle, rows: list[dict[str, Any]], part: int) -> list[dict[str, Any]]:
    known = known_by(bundle)
    assert known is not None
    return [row for row, own in zip(rows, known(rows), strict=True) if own == part]


def test_new_answers_to_old_questions_are_divided_anew(tmp_path: Path) -> None:
    """No row is left to measure by that was not trained on; it can be learned all the same, and is told."""
    rows = stream("zh", 60)
    file = write_csv(tmp_path / "again.csv", rows)
    recipe = Recipe.parse({"data": {"path": str(file)}, "bundle": str(tmp_path / "b")}, QUICK)
    earlier = KnownRows(["text"]).beside(train=rows)
    made = divided_as_before(recipe, earlier, False)
    assert made.data.train and made.data.test and made.earlier is earlier
    assert "60 of 60 rows were trained on before" in made.data.notes[-1] and "too good" in made.data.notes[-1]
