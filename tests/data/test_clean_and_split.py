"""Cleaning counts what it does; a split does not leak."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from tunesmith.core.errors import DataError
from tunesmith.data.clean import clean
from tunesmith.data.normal import normal_text
from tunesmith.data.rows import Rows
from tunesmith.data.split import split

ROLES = {"text": "text", "label": "label"}
ENGLISH = [
    "the",
    "a",
    "of",
    "room",
    "hotel",
    "clean",
    "was",
    "not",
    "very",
    "good",
    "bad",
    "phone",
    "works",
    "broke",
    "after",
    "week",
    "price",
    "paid",
    "staff",
    "nice",
]
HAN = list("房间很干净早餐不好服务员态度差价格便宜地方安静手机屏幕电池快递慢包装破损退货")


def texts(count: int, seed: int = 1) -> list[str]:
    rng = random.Random(seed)
    return [
        " ".join(rng.choices(ENGLISH, k=15)) + f" {i}" if i % 2 else "".join(rng.choices(HAN, k=30)) + str(i)
        for i in range(count)
    ]


def rows_of(count: int, seed: int = 1, labels: str = "aab") -> Rows:
    return Rows.of(
        [
            {"text": t, "label": labels[(i // 2) % len(labels)], "at": f"2024-01-{i % 28 + 1:02d}", "who": i % 7}
            for i, t in enumerate(texts(count, seed))
        ]
    )


def test_normal_text() -> None:
    assert normal_text("It\u00e2\u20ac\u2122s a cafÃ©\x00") == "It’s a café"
    assert normal_text("ä½\xa0å¥½") == "你好"
    for fine in ("Ça va, naïve É»", "很好 Ã", "São Paulo NÃO", "👍🏽 👩‍👩‍👧"):
        assert normal_text(fine) == fine


RIGHT = (
    "La devise est « liberté\u00a0» depuis 1848.",
    "«\u00a0Me voilà\u00a0», la lettre «\u00a0é\u00a0»",
    "“No sé dónde está…” dijo. No sé…¿y tú?",
    "“My fiancé—” she began.",
    "Il l’a donné\u00a0– et ça a coûté\u00a0€ 5, c’est l’été…\u00a0»",
    "“AMANHÃ” e ‘MANHû, MANHÃ\u00a0SEGUINTE",
    "Otče náš…” a „kéž…“",
    "Also right: È…», Ã, “irmã…”",
)
MEANT = (
    "café, CAFÉ, HÖHER, CORAZÓN, AMÉLIE", "It’s “l’été”… – 5 €", "« liberté » 20°C, voilà", "«Été»",
    "你好，世界", "好", "안녕하세요", "こんにちは", "5 → 6 ✓ I ♥ you 😀", "™", "Ça va, Österreich",
)  # fmt: skip


def mangled(text: str) -> str:
    return "".join(chr(b) if b in b"\x81\x8d\x8f\x90\x9d" else bytes([b]).decode("cp1252") for b in text.encode())


@pytest.mark.parametrize("text", RIGHT)
def test_right_texts_are_not_mended(text: str) -> None:
    assert normal_text(text) == text


@pytest.mark.parametrize("text", MEANT)
def test_mangled_texts_are_mended(text: str) -> None:
    assert normal_text(mangled(text)) == text


def test_what_is_right_beside_what_is_mangled() -> None:
    assert normal_text("“Aimé…” au cafÃ©") == "“Aimé…” au café"


def test_clean_counts_everything() -> None:
    rows = Rows.of([
        {"text": "cafe\u0301 ", "label": "a"},
        {"text": "café", "label": "a"},
        {"text": "café", "label": "b"},
        {"text": "  ", "label": "a"},
        {"text": "没有标签", "label": None},
        {"text": "联系 ann@example.com", "label": "b"},
    ])  # fmt: skip
    cleaned, report = clean(rows, ROLES, redact=True)
    assert cleaned.column("text").to_pylist() == ["café", "café", "联系 [EMAIL]"]
    counted = (report.before, report.after, report.duplicates, report.empty, report.unlabelled, report.conflicts)
    assert counted == (6, 3, 1, 1, 1, 2)
    assert report.redacted == {"email": 1}
    assert report.examples["unlabelled"] == ["没有标签"]
    assert len(report.notes()) == 6
    dropped, report = clean(rows, ROLES, conflicts="drop")
    assert "café" not in dropped.column("text").to_pylist()
    assert report.conflicts_dropped == 2
    untouched, report = clean(rows, ROLES, normalise=False, duplicates=False)
    assert untouched[0]["text"] == "cafe\u0301 "


def test_clean_to_nothing() -> None:
    with pytest.raises(DataError, match="No row is left of 1"):
        clean(Rows.of([{"text": " ", "label": "a"}]), ROLES)


def test_clean_keeps_rows_of_no_label_among_many() -> None:
    rows = Rows.of([{"text": f"text {i}", "labels": ["a", "b"][: i % 3]} for i in range(9)])
    assert len(clean(rows, {"text": "text", "labels": "labels"})[0]) == 9


def parts_of(rows: Rows, **options):  # type: ignore[no-untyped-def]
    parts = split(rows, ROLES, **options)
    return parts, [set(p.column("text").to_pylist()) for p in (parts.train, parts.validation, parts.test)]


def test_stratified_seeded_and_disjoint() -> None:
    rows = rows_of(600)
    parts, (train, validation, test) = parts_of(rows)
    assert len(train | validation | test) == len(train) + len(validation) + len(test) == 600
    assert (len(test), len(validation)) == (90, 51)
    assert Counter(parts.test.column("label").to_pylist()) == {"a": 60, "b": 30}
    assert parts_of(rows)[1] == [train, validation, test]
    assert parts_of(rows, seed=14)[1][2] != test
    # The same on every machine and in every version: these rows and no others.
    assert sorted(t.split()[-1] for t in test if " " in t)[:3] == EXPECTED


EXPECTED = ["135", "15", "165"]


@pytest.mark.parametrize(("labels", "count", "test"), [("ab", 4, 1), ("ab", 6, 2), ("abcdefghij", 20, 3)])
def test_two_or_three_rows_of_a_label_are_enough(labels: str, count: int, test: int) -> None:
    rows = Rows.of([{"text": t, "label": labels[i % len(labels)]} for i, t in enumerate(texts(count))])
    parts, _ = parts_of(rows)
    assert len(parts.test) == test and set(parts.train.column("label").to_pylist()) == set(labels)
    assert len(parts.validation) or "too few to hold any out for validation" in parts.notes[0]
    assert len(parts.train) + len(parts.validation) + len(parts.test) == count


def test_what_is_too_little_says_what_helps() -> None:
    rows = Rows.of([{"text": t, "label": "ab"[i % 2]} for i, t in enumerate(texts(2))])
    with pytest.raises(DataError, match="too few") as told:
        split(rows, ROLES)
    assert "data.test=FILE" in told.value.hint and "=0" not in told.value.hint.replace("=0.3", "")


def test_near_duplicates_stay_on_one_side() -> None:
    base = texts(200)
    rows = Rows.of(
        [
            {"text": t + extra, "label": "ab"[i // 2 % 2]}
            for i, t in enumerate(base)
            for extra in ("", "!", " 谢谢", " ok")
        ]
    )
    parts, _ = parts_of(rows)
    sides: dict[str, set[str]] = {}
    for name in ("train", "validation", "test"):
        for text in getattr(parts, name).column("text").to_pylist():
            sides.setdefault(text.split("!")[0].split(" 谢谢")[0].split(" ok")[0], set()).add(name)
    assert all(len(s) == 1 for s in sides.values())
    loose, _ = parts_of(rows, near_duplicates=False)
    assert (
        len(
            {t[:20] for t in loose.train.column("text").to_pylist()}
            & {t[:20] for t in loose.test.column("text").to_pylist()}
        )
        > 20
    )


def test_groups_stay_whole() -> None:
    rows = rows_of(300)
    for by in ("group", "label"):
        parts, _ = parts_of(rows, by=by, group="who", test=0.3)
        held = set(parts.test.column("who").to_pylist())
        assert held
        assert not held & set(parts.train.column("who").to_pylist())
    with pytest.raises(DataError, match="no group column"):
        split(rows, ROLES, by="group")


def test_time_holds_the_newest_out() -> None:
    rows = rows_of(280)
    parts, _ = parts_of(rows, by="time", time="at", near_duplicates=False)
    newest, oldest = parts.test.column("at").to_pylist(), parts.train.column("at").to_pylist()
    assert min(newest) >= max(oldest)
    assert len(newest) == 42
    with pytest.raises(DataError, match="Row 1: .* neither a date"):
        split(rows, ROLES, by="time", time="label")


@pytest.mark.parametrize(
    "cells", [["2024年1月5日", "2024年11月2日"], ["2024/1/5", "2024/11/2"], ["5", "11"], ["05.01.2024", "02.11.2024"]]
)
def test_ways_to_write_time(cells: list[str]) -> None:
    from tunesmith.data.times import times

    found = times(Rows.of([{"t": c} for c in cells]), "t")
    assert found[0] < found[1]


def test_given_test_rows_leave_training() -> None:
    rows, test = rows_of(200), rows_of(20, seed=9)
    same = [rows[3]["text"].upper() + " !!", rows[8]["text"] + "，谢谢"]
    given = Rows.of([*test, *({"text": t, "label": "a", "at": "", "who": 0} for t in same)])
    parts, (train, validation, held) = parts_of(rows, given_test=given)
    assert len(held) == 22
    assert not {rows[3]["text"], rows[8]["text"]} & (train | validation)
    assert "2 of 200 training rows are in the test file, too (or nearly)" in parts.notes[0]
    parts, (train, _, _) = parts_of(rows, given_test=given, near_duplicates=False, validation=0)
    assert rows[8]["text"] in train
    assert rows[3]["text"] not in train


def test_given_validation_and_unseen_labels() -> None:
    rows, other = rows_of(200), rows_of(20, seed=5)
    strange = Rows.of([*other, {"text": "something quite new", "label": "z", "at": "", "who": 1}])
    parts, _ = parts_of(rows, given_test=strange, given_validation=rows_of(10, seed=6))
    assert len(parts.validation) == 10
    assert any('no training row has: "z"' in n for n in parts.notes)


def test_many_labels_and_numbers_are_stratified() -> None:
    rng = np.random.default_rng(3)
    many = Rows.of([{"text": t, "labels": ["x"] if i % 20 else ["x", "rare"]} for i, t in enumerate(texts(400))])
    parts = split(many, {"text": "text", "labels": "labels"})
    assert sum("rare" in c for c in parts.test.column("labels").to_pylist()) == 3
    numbers = Rows.of([{"text": t, "label": float(x)} for t, x in zip(texts(400), rng.normal(size=400), strict=True)])
    parts = split(numbers, ROLES)
    assert abs(np.mean(parts.test.column("label").to_pylist()) - np.mean(numbers.column("label").to_pylist())) < 0.1
