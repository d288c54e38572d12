"""The files of SemEval-2010 Task 8."""

from __future__ import annotations

from pathlib import Path

from tunesmith.data.read import read
from tunesmith.data.schema import guess

BLOCK = """{0}\t"The <e1>author</e1> of a keygen uses a <e2>disassembler</e2> for "fun"."
Instrument-Agency(e2,e1)
Comment: a: b

"""


def test_blocks(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("".join(BLOCK.format(i) for i in range(1, 9)) + "what\n", "utf-8")
    rows = read(str(tmp_path / "train.txt"))
    assert rows.origin.format == "semeval"
    assert rows[1] == {
        "id": 2, "sentence": 'The <e1>author</e1> of a keygen uses a <e2>disassembler</e2> for "fun".',
        "label": "Instrument-Agency(e2,e1)", "comment": "a: b",
    }  # fmt: skip
    assert [(b.line, b.reason) for b in rows.broken] == [(33, "no numbered sentence")]
    (tmp_path / "TRAIN_FILE.TXT").write_bytes((BLOCK.format(1) * 3).replace("\n", "\r\n").encode())
    assert read(str(tmp_path / "TRAIN_FILE.TXT"))[0]["label"] == "Instrument-Agency(e2,e1)"
    assert guess(rows).task == "relation-extraction"
