"""What a model must beat to be worth its cost. A baseline is a function of rows; a new one: a file, a line here."""

from tunesmith.core.registry import Registry

_HERE = "tunesmith.evaluation.baselines"

BASELINES = Registry(
    "baseline",
    {
        "majority": f"{_HERE}.majority:majority",
        "tfidf": f"{_HERE}.tfidf:tfidf",
    },
)
