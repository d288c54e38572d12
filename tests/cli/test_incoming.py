"""Lines of standard input: decoded as a file's, what cannot be told by number, and no waiting for lines to come."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest

from tunesmith.bundle.questions import Question, answers, from_lines
from tunesmith.cli.incoming import incoming
from tunesmith.core.errors import DataError
from tunesmith.tasks.text_classification import TextClassification

TEXTS = ["a good film", "房间很干净，服务也很好", "", "the 早餐 was bad"]


def lines(data: bytes) -> list[Any]:
    return list(incoming(io.BytesIO(data)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_stream_is_decoded_as_a_file_is(encoding: str, end: str) -> None:
    assert lines(end.join(TEXTS).encode(encoding)) == TEXTS
    assert lines((end.join(TEXTS) + end).encode(encoding)) == TEXTS


def test_western_texts() -> None:
    texts = ["le café était très bon", "plain", "un hôtel agréable"]
    assert lines("\n".join(texts).encode("latin-1")) == texts


def test_a_damaged_line_is_told_by_its_number_and_not_guessed() -> None:
    damaged = "\n".join(TEXTS).encode() + b"\nbad \xff\xfe\nlast"
    found = lines(damaged)
    assert found == [*TEXTS, b"bad \xff\xfe", "last"]
    asked = [question for question in from_lines(TextClassification(), found, {}) if question is not None]
    assert [bool(question.row) for question in asked] == [True, True, False, True, False, True]
    assert asked[4].problem == "line 5 cannot be decoded"
    with pytest.raises(DataError, match="broken after line 1"):
        lines("a\nb".encode("utf-16") + b"\x00")


def test_what_has_arrived_is_answered_when_the_pipe_pauses() -> None:
    read, write = os.pipe()
    with open(read, "rb") as stream, open(write, "wb", buffering=0) as pipe:
        pipe.write(b'{"text": "one"}\n{"text": "two"}\n{"te')
        found = answers(Echo(), from_lines(TextClassification(), incoming(stream), {}))  # type: ignore[arg-type]
        assert [next(found)[1] for _ in range(2)] == [{"said": "one"}, {"said": "two"}], "without a third line"
        pipe.write(b'xt": "three"}\n')
        assert next(found)[1] == {"said": "three"}
        pipe.close()
        assert list(found) == []


def test_answers_come_in_order_whatever_the_pauses() -> None:
    asked = [None, *(Question({}, {"text": str(i)}) for i in range(5)), None, None, Question({}, {"text": "5"})]
    found = list(answers(Echo(), asked, chunk=2))  # type: ignore[arg-type]
    assert [answer["said"] for _, answer in found] == list("012345")


class Echo:
    """Answers at once what it is asked."""

    task = TextClassification()

    def predict(self, rows: Any, *, before: int = 0) -> list[dict[str, Any]]:
        assert rows
        return [{"said": row["text"]} for row in rows]
