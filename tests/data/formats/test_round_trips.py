"""Rows -> a format -> rows: equal, in English and Chinese, with emoji, at the ends, overlapping where that is held."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.core.recipe import DataBlock
from tunesmith.data.convert import annotated, by_role
from tunesmith.data.formats import FORMATS
from tunesmith.data.formats.format import Writing
from tunesmith.data.read import read

Rows = list[dict[str, Any]]


def span(text: str, word: str, label: str, **more: Any) -> dict[str, Any]:
    start = text.index(word)
    return {"start": start, "end": start + len(word), "label": label, **more}


def row(text: str, *words: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"text": text, "spans": [span(text, word, label) for word, label in words], **more}


FLAT = [
    row("EU rejects German call", ("EU", "ORG"), ("German", "MISC")),
    row("No name at all"),
    row("we met Ann Lee", ("Ann Lee", "PER")),
    row("吴重阳，中国国籍", ("吴重阳", "NAME"), ("中国国籍", "CONT")),
    row("在 北京 开会 2024", ("北京", "地点"), ("2024", "时间")),
    row("😀 在NBA看👩‍🚒救火🔥", ("NBA", "组织"), ("🔥", "emoji")),
]
OVERLAPPING = [
    row("University of New York", ("University of New York", "ORG"), ("New York", "LOC"), ("York", "LOC")),
    row("北京大学校长😀", ("北京大学", "机构"), ("北京大学校长😀", "职位"), ("京大", "简称")),
]
RELATED = [
    {**row("Tim leads Apple 😀 Inc", ("Tim", "PER"), ("Apple", "ORG"), ("Inc", "X")),
     "relations": [{"head": 0, "tail": 1, "label": "leads"}, {"head": 2, "tail": 1, "label": "part_of"}]},
    {**row("😀马云创立阿里巴巴", ("马云", "人"), ("阿里巴巴", "公司")),
     "relations": [{"head": 1, "tail": 0, "label": "创始人"}]},
    {**row("no relation here", ("here", "LOC")), "relations": []},
]  # fmt: skip
BROKEN_LINES = [row("first\nsecond line\r\n\nNew\nYork\u2028end ", ("second", "A"), ("New\nYork", "LOC"), ("end", "B"))]


def through(name: str, rows: Sequence[dict[str, Any]], place: Path, **options: Any) -> Rows:
    """Written in a format and read again."""
    form, path, writing = FORMATS.make(name, options), place / f"there.{name.replace('-', '.')}", Writing()
    if form.folder:
        path.mkdir(parents=True)
    form.write(rows, path, writing)
    assert not +writing.left
    notes: list[str] = []
    _, found, columns = annotated(DataBlock(path=str(path)), "auto", notes)
    assert found.origin.format == name and not found.broken, notes
    return list(by_role(found, columns))


def spans_of(rows: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    def ordered(row: dict[str, Any]) -> list[tuple[Any, ...]]:
        return sorted((s["start"], s["end"], s["label"]) for s in row["spans"])

    def named(row: dict[str, Any]) -> list[tuple[Any, ...]]:
        ends = [(r["label"], row["spans"][r["head"]], row["spans"][r["tail"]]) for r in row.get("relations") or []]
        return sorted((label, head["start"], head["end"], tail["start"]) for label, head, tail in ends)

    return [(row["text"], ordered(row), named(row)) for row in rows]


@pytest.mark.parametrize("name", ["doccano", "label-studio", "brat", "jsonl"])
@pytest.mark.parametrize(
    "rows", [FLAT, OVERLAPPING, RELATED, BROKEN_LINES], ids=["flat", "overlapping", "related", "lines"]
)
def test_text_and_spans(name: str, rows: Rows, tmp_path: Path) -> None:
    there = through(name, rows, tmp_path)
    assert spans_of(there) == spans_of(rows)
    (tmp_path / "again").mkdir()
    assert through(name, there, tmp_path / "again") == there


@pytest.mark.parametrize("scheme", ["BIO", "BIOES", "BMES", "IOB1"])
def test_conll_keeps_texts_that_its_tokens_spell(scheme: str, tmp_path: Path) -> None:
    assert spans_of(through("conll", FLAT, tmp_path, scheme=scheme)) == spans_of(FLAT)


@pytest.mark.parametrize("scheme", ["BIO", "BIOES", "BMES", "plain"])
def test_conll_columns_come_back_as_they_were(scheme: str, tmp_path: Path) -> None:
    tags = {
        "BIO": "O B-A I-A B-A B-B", "BIOES": "O B-A E-A S-A S-B", "BMES": "S-X B-A M-A E-A O", "plain": "DT NN NN VB IN"
    }[scheme].split()  # fmt: skip
    sentences = [["a", "b-c", "2024", "😀", "d"], list("我 们好😀"), ["New York", "#", "# x", "-", "é"]]
    text = "\n".join("".join(f"{t}\t{tag}\n" for t, tag in zip(tokens, tags, strict=True)) for tokens in sentences)
    (tmp_path / "a.conll").write_text(text, "utf-8")
    _, rows, columns = annotated(DataBlock(path=str(tmp_path / "a.conll")), "auto", [])
    FORMATS.make("conll", {"scheme": scheme}).write(by_role(rows, columns), tmp_path / "b.conll", Writing())
    assert list(read(str(tmp_path / "b.conll"))) == list(read(str(tmp_path / "a.conll")))
    assert [r["tokens"] for r in read(str(tmp_path / "b.conll"))] == sentences


def test_conll_keeps_the_longest_of_spans_that_overlap_and_counts_the_others(tmp_path: Path) -> None:
    writing = Writing()
    FORMATS.make("conll").write([*OVERLAPPING, *RELATED], tmp_path / "a.conll", writing)
    kept = [[(s["start"], s["end"]) for s in row["spans"]] for row in read_spans(tmp_path / "a.conll")]
    assert kept[:2] == [[(0, 22)], [(0, 7)]]
    assert dict(+writing.left) == {"spans that overlap a longer one": 4, "relations are not held by conll": 3}


def read_spans(path: Path) -> Rows:
    _, rows, columns = annotated(DataBlock(path=str(path)), "auto", [])
    return list(by_role(rows, columns))


def test_conll_cuts_a_word_where_a_span_ends_in_it(tmp_path: Path) -> None:
    FORMATS.make("conll").write([row("iPhone12 now", ("iPhone", "X"))], tmp_path / "a.conll", Writing())
    assert (tmp_path / "a.conll").read_text("utf-8") == "iPhone\tB-X\n12\tO\nnow\tO\n\n"


BONN = "Ann lives in Bonn 😀."
ASKED = [
    {"id": "1", "title": "a", "context": BONN, "question": "Who?", "answers": [{"text": "Ann", "start": 0}]},
    {"id": "2", "title": "a", "context": BONN, "question": "Smile?", "answers": [{"text": "😀.", "start": 18}]},
    {"id": "3", "title": "二", "context": "😀线路全长92260米", "question": "多长?",
     "answers": [{"text": "92260米", "start": 5}, {"text": "全长92260米", "start": 3}]},
]  # fmt: skip
UNANSWERED = [{"id": "4", "title": "二", "context": "线路", "question": "谁?", "answers": []}]


@pytest.mark.parametrize("rows", [ASKED, ASKED + UNANSWERED])
def test_squad(rows: Rows, tmp_path: Path) -> None:
    there = through("squad", rows, tmp_path)
    assert [{key: r[key] for key in ASKED[0]} for r in there] == rows
    assert ('"v2.0"' in (tmp_path / "there.squad").read_text("utf-8")) == (len(rows) == 4)


LABELLED: dict[str, Rows] = {
    "label": [{"text": f"text number {i} 很好", "label": "pos" if i % 2 else "负"} for i in range(12)],
    "labels": [{"text": f"text number {i} 很好", "labels": ["a", "b"][: i % 3]} for i in range(12)],
}


@pytest.mark.parametrize("name", ["doccano", "label-studio", "jsonl"])
@pytest.mark.parametrize("kind", ["label", "labels"])
def test_labels_of_texts(name: str, kind: str, tmp_path: Path) -> None:
    there = through(name, LABELLED[kind], tmp_path)
    assert [(r["text"], r[kind]) for r in there] == [(r["text"], r[kind]) for r in LABELLED[kind]]


@pytest.mark.parametrize("name", ["doccano", "label-studio"])
def test_other_cells_stay_beside_the_text(name: str, tmp_path: Path) -> None:
    rows = [row("in Bonn", ("Bonn", "LOC"), id=41, extra={"url": "u", "stars": 3})]
    there = through(name, rows, tmp_path)
    assert (there[0]["id"], there[0]["extra"]) == (41, {"url": "u", "stars": 3})


def test_pairs_of_entities_become_documents(tmp_path: Path) -> None:
    text = "😀马云创立阿里巴巴"
    one, other = span(text, "马云", "人"), span(text, "阿里巴巴", "公司")
    pairs = [{"text": text, "head": one, "tail": other, "label": "创立"},
             {"text": text, "head": other, "tail": one, "label": "创始人"}]  # fmt: skip
    for name in ("doccano", "label-studio", "brat"):
        there = through(name, pairs, tmp_path)
        assert len(there) == 1
        assert there[0]["relations"] == [
            {"head": 0, "tail": 1, "label": "创立"}, {"head": 1, "tail": 0, "label": "创始人"}
        ]  # fmt: skip


def test_scores_make_predictions(tmp_path: Path) -> None:
    rows = [{"text": "in Bonn", "spans": [{"start": 3, "end": 7, "label": "LOC", "score": 0.75}]}]
    there = through("label-studio", rows, tmp_path)
    assert there[0]["spans"] == rows[0]["spans"]
    assert '"predictions"' in (tmp_path / "there.label.studio").read_text("utf-8")
    assert '<Label value="LOC"/>' in (tmp_path / "there.label.xml").read_text("utf-8")


def test_utf16_offsets_for_doccano(tmp_path: Path) -> None:
    FORMATS.make("doccano", {"offsets": "utf-16"}).write([row("😀 Bonn", ("Bonn", "LOC"))], tmp_path / "a", Writing())
    assert '[[3, 7, "LOC"]]' in (tmp_path / "a").read_text("utf-8")


TEXTS = st.text(st.sampled_from('ab 9.好国😀\n\t\r\u2028"\\,|<&é'), min_size=1, max_size=20).filter(str.strip)


@st.composite
def annotated_rows(draw: st.DrawFn) -> dict[str, Any]:
    text = draw(TEXTS)
    edges = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).filter(lambda pair: pair[0] < pair[1])
    places = draw(st.lists(st.tuples(edges, st.sampled_from(["PER", "地点", "a-b_c"])), max_size=4, unique=True))
    return {"text": text, "spans": [{"start": start, "end": end, "label": label} for (start, end), label in places]}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("name", ["doccano", "label-studio", "brat"])
@given(rows=st.lists(annotated_rows(), min_size=1, max_size=3).filter(lambda rows: any(r["spans"] for r in rows)))
def test_any_text_and_spans(name: str, rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert spans_of(through(name, rows, tmp_path_factory.mktemp("any"))) == spans_of(rows)


TOKENS = st.text(st.sampled_from("ab9.好国😀#-\u3000▂"), min_size=1, max_size=4).filter(str.strip)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.tuples(TOKENS, st.sampled_from(["O", "B-X", "B-Y"])), min_size=2, max_size=6), min_size=1))
def test_any_tokens_and_tags(tmp_path_factory: pytest.TempPathFactory, sentences: list[list[tuple[str, str]]]) -> None:
    place = tmp_path_factory.mktemp("any")
    text = "\n".join("".join(f"{token}\t{tag}\n" for token, tag in sentence) for sentence in sentences)
    (place / "a.conll").write_text(text, "utf-8")
    _, rows, columns = annotated(DataBlock(path=str(place / "a.conll")), "token-classification", [])
    FORMATS.make("conll").write(by_role(rows, columns), place / "b.conll", Writing())
    assert list(read(str(place / "b.conll"))) == list(read(str(place / "a.conll")))
