"""CoNLL-U, with and without semantic roles."""

from __future__ import annotations

from pathlib import Path

from tunesmith.data.read import read
from tunesmith.data.schema import guess
from tunesmith.data.settle import as_read

PLAIN = """# text = Don't go
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVB\t_\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_
2.1\tyou\tyou\tPRON\t_\t_\t_\t_\t_\t_
3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_
"""
ROLES = """# text = She wants to sing
1\tShe\tshe\tPRON\tPRP\t_\t2\tnsubj\t_\t_\t_\tARG0\tARG0
2\twants\twant\tVERB\tVBZ\t_\t0\troot\t_\t_\twant.01\tV\t_
3\tto\tto\tPART\tTO\t_\t4\tmark\t_\t_\t_\t_\t_
4\tsing\tsing\tVERB\tVB\t_\t2\txcomp\t_\t_\tsing.01\tARG1\tV

1\tHello\thello\tINTJ\tUH\t_\t0\troot\t_\t_\t_
"""
CHINESE = """# sentence-text: 他 提出 構想
1\t他\t他\tPRON\tPRP\t_\t2\tnsubj\t_\t_\tA0
2\t提出\t提出\tVERB\tVV\t_\t0\troot\tY\tpresent.01\t_
3\t構想\t构想\tNOUN\tNN\t_\t2\tdobj\t_\t_\tA1
"""


def test_words_and_parts_of_speech(tmp_path: Path) -> None:
    (tmp_path / "a.conllu").write_text(PLAIN, "utf-8")
    assert list(read(str(tmp_path / "a.conllu"))) == [{"tokens": ["Do", "n't", "go"], "tags": ["AUX", "PART", "VERB"]}]


def test_a_row_a_predicate(tmp_path: Path) -> None:
    (tmp_path / "a.conllu").write_text(ROLES, "utf-8")
    rows = read(str(tmp_path / "a.conllu"))
    assert [(r["predicate_index"], r["predicate"], r["labels"]) for r in rows] == [
        (1, "want.01", ["ARG0", "V", "O", "ARG1"]),
        (3, "sing.01", ["ARG0", "O", "O", "V"]),
    ]
    assert rows[0]["words"] == ["She", "wants", "to", "sing"]
    assert rows.origin.notes == ["1 sentences without a predicate give no row."]


def test_the_column_of_frames_is_found_wherever_it_stands(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(CHINESE, "utf-8")
    rows = read(str(tmp_path / "a.txt"))
    assert rows.origin.format == "conllu"
    assert [(r["predicate_index"], r["predicate"], r["labels"]) for r in rows] == [(1, "present.01", ["A0", "V", "A1"])]


def test_the_task_reads_its_rows(tmp_path: Path) -> None:
    (tmp_path / "a.conllu").write_text(ROLES * 3, "utf-8")
    rows = read(str(tmp_path / "a.conllu"))
    found = guess(rows)
    assert found.task == "semantic-roles"
    made, _ = as_read(rows, found.task, found.columns)
    assert len(made) == 6 and not made.broken


def test_broken_sentences(tmp_path: Path) -> None:
    (tmp_path / "a.conllu").write_text((PLAIN + "\n") * 9 + "1\ta\nx\tb\n\n1\n", "utf-8")
    rows = read(str(tmp_path / "a.conllu"))
    assert len(rows) == 9
    assert [(b.line, b.reason) for b in rows.broken] == [
        (64, "line 65 has no word's number in its first column"),
        (67, "a word is missing in the second column"),
    ]
