"""Tags and spans, both ways, in every scheme; the reading agrees with seqeval's."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.data.tags import Reading, WordSpan, is_plain, read_tags, split_tag, write_tags

ALL = st.sampled_from(["O", *(f"{part}-{label}" for part in "BIES" for label in ("PER", "LOC"))])


@st.composite
def spans(draw: st.DrawFn) -> tuple[list[WordSpan], int]:
    found: list[WordSpan] = []
    place = 0
    for gap, length, label in draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from("xy")))):
        found.append(WordSpan(place + gap, place + gap + length, label))
        place = found[-1].end
    return found, place + draw(st.integers(0, 2))


@pytest.mark.parametrize("scheme", ["BIO", "IOB1", "BIOES", "BMES"])
@given(made=spans())
def test_what_is_written_is_read_again(scheme: str, made: tuple[list[WordSpan], int]) -> None:
    wanted, words = made
    reading = read_tags(write_tags(wanted, words, scheme))  # type: ignore[arg-type]
    assert reading.spans == wanted
    assert not reading.unclosed and (scheme == "IOB1" or not reading.orphans)
    assert scheme != "IOB1" or not reading.openings


@settings(deadline=None)  # the first call imports seqeval
@given(tags=st.lists(ALL, max_size=8))
def test_spans_are_those_of_seqeval(tags: list[str]) -> None:
    scoring = pytest.importorskip("seqeval.metrics.sequence_labeling")
    wanted = [(start, end + 1, label) for label, start, end in scoring.get_entities(tags)]
    assert [tuple(span) for span in read_tags(tags).spans] == wanted


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ("B-A I-A O I-B", [(0, 2, "A"), (3, 4, "B")]),
        ("I-A I-A B-A", [(0, 2, "A"), (2, 3, "A")]),
        ("B-A I-B", [(0, 1, "A"), (1, 2, "B")]),
        ("B-A M-A E-A S-B", [(0, 3, "A"), (3, 4, "B")]),
        ("U-A B-B L-B", [(0, 1, "A"), (1, 3, "B")]),
        ("E-A E-A", [(0, 1, "A"), (1, 2, "A")]),
        ("B-NAME B-NAME I-NAME", [(0, 1, "NAME"), (1, 3, "NAME")]),
        ("B_人名 I_人名", [(0, 2, "人名")]),
    ],
)
def test_every_spelling(tags: str, wanted: list[tuple[int, int, str]]) -> None:
    assert [tuple(span) for span in read_tags(tags.split()).spans] == wanted


def test_what_a_scheme_forbids_is_counted() -> None:
    bad = read_tags(["B-A", "I-A", "O", "I-B"])
    assert (bad.orphans, bad.openings, bad.unclosed) == (1, 1, 0)
    assert bad.mended() == {"spans that began without a B- tag": 1}
    assert read_tags(["B-A", "O", "S-B"]).mended() == {"spans that ended without an E- tag": 1}
    total = Reading()
    for tags in ("I-A I-A O", "I-A B-A", "O I-B"):  # IOB1: nothing is wrong
        total.add(read_tags(tags.split()))
    assert total.orphans == 3 and not total.mended()
    total.add(read_tags(["B-A"]))
    assert total.mended() == {"spans that began without a B- tag": 3}


def test_plain_tags_make_a_span_of_each_word_and_runs_beside_an_o() -> None:
    assert is_plain(["DT", "NN"]) and not is_plain(["O", "B-A"])
    assert [tuple(s) for s in read_tags(["NN", "NN", "VB"]).spans] == [(0, 1, "NN"), (1, 2, "NN"), (2, 3, "VB")]
    assert [tuple(s) for s in read_tags(["PER", "PER", "O"]).spans] == [(0, 2, "PER")]
    assert split_tag("X-1") == ("", "X-1")


@pytest.mark.parametrize(
    "bad", [[WordSpan(0, 0, "a")], [WordSpan(1, 4, "a")], [WordSpan(0, 2, "a"), WordSpan(1, 3, "b")]]
)
def test_spans_that_tags_cannot_hold_are_refused(bad: list[WordSpan]) -> None:
    with pytest.raises(ValueError):
        write_tags(bad, 3)
