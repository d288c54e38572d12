"""File formats that annotated rows can be written in, by name."""

from __future__ import annotations

from tunesmith.core.registry import Registry

_HERE = "tunesmith.data.formats"

FORMATS = Registry(
    "format",
    {
        "conll": f"{_HERE}.conll:ConllFormat",
        "doccano": f"{_HERE}.doccano:DoccanoFormat",
        "label-studio": f"{_HERE}.label_studio:LabelStudioFormat",
        "brat": f"{_HERE}.brat:BratFormat",
        "squad": f"{_HERE}.squad:SquadFormat",
        "messages": f"{_HERE}.messages:MessagesFormat",
        "sharegpt": f"{_HERE}.sharegpt:ShareGptFormat",
        "alpaca": f"{_HERE}.alpaca:AlpacaFormat",
        "prompt-completion": f"{_HERE}.prompt_completion:PromptCompletionFormat",
        "parallel": f"{_HERE}.parallel:ParallelFormat",
        "jsonl": f"{_HERE}.jsonl:JsonLinesFormat",
    },
)
"""A new one: a file here, a line in this table."""
