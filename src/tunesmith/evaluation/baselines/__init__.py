"""What a model must beat to be worth its cost. A new baseline: a file here, a line in each table."""

from tunesmith.core.registry import Registry

_HERE = "tunesmith.evaluation.baselines"

BASELINES = Registry(
    "baseline",
    {
        "majority": f"{_HERE}.majority:majority",
        "tfidf": f"{_HERE}.tfidf:tfidf",
        "tfidf_retrieval": f"{_HERE}.tfidf_retrieval:TfidfRetrieval",
        "dictionary": f"{_HERE}.dictionary:Dictionary",
        "best-sentence": f"{_HERE}.best_sentence:BestSentence",
        "overlap": f"{_HERE}.overlap:Overlap",
        "marked-tfidf": f"{_HERE}.marked_tfidf:MarkedTfidf",
        "role-words": f"{_HERE}.role_words:RoleWords",
        "first-sentence": f"{_HERE}.leading:FirstSentence",
        "lead-3": f"{_HERE}.leading:Lead3",
        "copy": f"{_HERE}.nearest_target:Copy",
        "nearest-target": f"{_HERE}.nearest_target:NearestTarget",
        "seen-relations": f"{_HERE}.seen_relations:SeenRelations",
        "popularity": f"{_HERE}.recommending:Popular",
        "item-knn": f"{_HERE}.recommending:ItemKnn",
        "bm25": f"{_HERE}.recommending:Bm25",
    },
)

FOR: dict[str, tuple[str, ...]] = {
    "text-classification": ("majority", "tfidf"),
    "multi-label-classification": ("majority", "tfidf"),
    "text-regression": ("majority", "tfidf"),
    "text-embedding": ("tfidf_retrieval",),
    "token-classification": ("dictionary",),
    "extractive-qa": ("best-sentence",),
    "multiple-choice": ("overlap",),
    "relation-extraction": ("marked-tfidf",),
    "semantic-roles": ("role-words",),
    "summarization": ("first-sentence", "lead-3"),
    "translation": ("copy", "nearest-target"),
    "entities-and-relations": ("seen-relations",),
    "image-token-classification": ("dictionary",),
    "image-classification": ("majority",),
    "audio-classification": ("majority",),
    "multimodal-classification": ("majority",),
    "multimodal-regression": ("majority",),
    "recommendation": ("popularity", "item-knn", "bm25"),
}
"""Task -> the baselines that it is shown beside, the cheapest first."""
