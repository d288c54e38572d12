"""Shapes of rows, by the task that reads them; the order is the one in which a file is tried against them."""

from __future__ import annotations

from tunesmith.core.registry import Registry

_HERE = "tunesmith.data.shapes"

SHAPES = Registry(
    "shape",
    {
        "image-classification": f"{_HERE}.media:ImageShape",
        "audio-classification": f"{_HERE}.media:AudioShape",
        "multimodal-classification": f"{_HERE}.media:MultimodalShape",
        "image-text-alignment": f"{_HERE}.media:PairShape",
        "multimodal-regression": f"{_HERE}.media:MultimodalNumberShape",
        "controlled-generation": f"{_HERE}.controlled_generation:ControlledShape",
        "code-generation": f"{_HERE}.code_generation:CodeShape",
        "dialogue": f"{_HERE}.dialogue:DialogueShape",
        "entities-and-relations": f"{_HERE}.entities_and_relations:JointShape",
        "semantic-roles": f"{_HERE}.semantic_roles:RolesShape",
        "relation-extraction": f"{_HERE}.relation_extraction:RelationShape",
        "multiple-choice": f"{_HERE}.multiple_choice:ChoiceShape",
        "extractive-qa": f"{_HERE}.extractive_qa:QuestionShape",
        "translation": f"{_HERE}.text_to_text:TranslationShape",
        "summarization": f"{_HERE}.text_to_text:SummaryShape",
        "image-token-classification": f"{_HERE}.image_tokens:ImageTokenShape",
        "token-classification": f"{_HERE}.token_classification:TokenShape",
        "text-embedding": f"{_HERE}.text_embedding:TextEmbeddingShape",
        "recommendation": f"{_HERE}.recommendation:RecommendationShape",
    },
)
"""A new one: a file here, a line in this table."""

TEXTS = ("text", "text_pair", "question", "context", "source", "target", "prompt", "completion")
"""Roles whose values are texts."""

NESTED = (
    "words", "spans", "predicate", "roles", "head", "tail", "relations", "answers", "choices", "negatives",
    "control", "messages", "history", "tests", "references", "numeric", "categorical", "candidates",
)  # fmt: skip
"""Roles whose values are lists or mappings; a table holds them as JSON text."""

KEYED = ("numeric", "categorical")
"""Roles of several columns whose names matter: their value is column -> cell."""

NAMES = "names"
"""A column of the labels that each row's target holds, made beside the task's own roles."""
