"""What one part of a mixture is proven on, no other part learns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import DataError
from tunesmith.core.recipe import DataBlock
from tunesmith.data.apart import text_read
from tunesmith.data.mixture import prepare_parts


def said(i: int) -> str:
    return f"Guest {i * 7919 % 10007} wrote {i * i * 31 % 997} words about room {i * 104729 % 9973}"


def block(folder: Path, parts: dict[str, list[dict[str, Any]]], **held: list[dict[str, Any]]) -> DataBlock:
    def written(name: str, rows: list[dict[str, Any]]) -> str:
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(folder / f"{name}.jsonl")

    blocks: dict[str, Any] = {name: {"path": written(name, rows)} for name, rows in parts.items()}
    for name, rows in held.items():
        blocks[name]["test"] = written(f"{name}_test", rows)
    return DataBlock.model_validate({"parts": blocks})


def test_no_part_learns_what_another_is_proven_on(tmp_path: Path) -> None:
    mood = [{"text": said(i), "label": "ab"[i % 2]} for i in range(100)]
    topic = [{"text": f"{said(i).upper()}!", "topic": "xyz"[i % 3]} for i in range(100)]
    made = prepare_parts(block(tmp_path, {"mood": mood, "topic": topic}))
    texts = {
        (name, split): {text_read(row).lower().rstrip("!") for row in getattr(part, split)}
        for name, part in made.parts.items()
        for split in ("train", "validation", "test")
    }
    for one, other in (("mood", "topic"), ("topic", "mood")):
        assert not texts[one, "train"] & (texts[other, "test"] | texts[other, "validation"])
        assert not texts[one, "validation"] & texts[other, "test"]
        assert len(made.parts[one].test) >= 15, "what is proven stays whole"
        assert made.fingerprints["train"]["rows"] == len(made.train) < 150
    assert sum("that another part holds out for" in note for note in made.notes) >= 2
    assert {row["part"] for row in made.train} == {"mood", "topic"}


def test_parts_of_their_own_texts_stay_whole(tmp_path: Path) -> None:
    parts = {
        "mood": [{"text": said(i), "label": "ab"[i % 2]} for i in range(60)],
        "topic": [{"text": said(i + 500), "topic": "xyz"[i % 3]} for i in range(60)],
    }
    made = prepare_parts(block(tmp_path, parts))
    assert len(made.train) + len(made.validation) + len(made.test) == 120
    assert not any("another part" in note for note in made.notes)


def test_a_part_of_which_nothing_is_left_is_an_error(tmp_path: Path) -> None:
    mood = [{"text": said(i), "label": "ab"[i % 2]} for i in range(40)]
    topic = [{"text": said(i + 500), "topic": "xyz"[i % 3]} for i in range(40)]
    held = [{"text": row["text"], "topic": "x"} for row in mood]
    with pytest.raises(DataError, match=r"data.parts.mood: all \d+ train rows are held out by other parts"):
        prepare_parts(block(tmp_path, {"mood": mood, "topic": topic}, topic=held))


def test_a_text_of_all_questions_keeps_nothing_apart(tmp_path: Path) -> None:
    manual = "The pump is started by the green button. " * 20
    asked = [{"text": f"{said(i)}?", "text_pair": manual, "label": "ab"[i % 2]} for i in range(60)]
    told = [{"text": manual, "text_pair": said(i + 500), "label": "xy"[i % 2]} for i in range(60)]
    made = prepare_parts(block(tmp_path, {"asked": asked, "told": told}))
    assert len(made.train) + len(made.validation) + len(made.test) == 120
