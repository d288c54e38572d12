"""File formats that rows can be read from, by name."""

from __future__ import annotations

from tunesmith.core.registry import Registry

SOURCES = Registry(
    "source",
    {
        "csv": "tunesmith.data.sources.csv:Csv",
        "lines": "tunesmith.data.sources.lines:Lines",
        "jsonl": "tunesmith.data.sources.jsonl:JsonLines",
        "json": "tunesmith.data.sources.json:Json",
        "parquet": "tunesmith.data.sources.parquet:Parquet",
        "excel": "tunesmith.data.sources.excel:Excel",
        "dataset": "tunesmith.data.sources.dataset:DatasetFolder",
        "media-folder": "tunesmith.data.sources.media_folder:MediaFolder",
        "conll": "tunesmith.data.sources.conll:Conll",
        "conllu": "tunesmith.data.sources.conllu:ConllU",
        "squad": "tunesmith.data.sources.squad:Squad",
        "doccano": "tunesmith.data.sources.doccano:Doccano",
        "label-studio": "tunesmith.data.sources.label_studio:LabelStudio",
        "brat": "tunesmith.data.sources.brat:Brat",
        "semeval": "tunesmith.data.sources.semeval:SemEval",
        "parallel": "tunesmith.data.sources.parallel:Parallel",
        "hub": "tunesmith.data.sources.hub:Hub",
    },
)
