"""What a model must beat to be worth its cost. A new baseline: a file here, a line in each table."""

from tunesmith.core.registry import Registry

_HERE = "tunesmith.evaluation.baselines"

BASELINES = Registry(
    "baseline",
    {
        "majority": f"{_HERE}.majority:majority",
        "tfidf": f"{_HERE}.tfidf:tfidf",
    },
)

FOR: dict[str, tuple[str, ...]] = {
    "text-classification": ("majority", "tfidf"),
    "multi-label-classification": ("majority", "tfidf"),
    "text-regression": ("majority", "tfidf"),
}
"""Task -> the baselines that it is shown beside, the cheapest first."""
