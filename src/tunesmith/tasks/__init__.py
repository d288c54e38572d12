"""What is predicted. One file a task; ``sequence.py`` is what those with one answer a text share."""

from tunesmith.core.registry import Registry

TASKS = Registry(
    "task",
    {
        "text-classification": "tunesmith.tasks.text_classification:TextClassification",
        "multi-label-classification": "tunesmith.tasks.multi_label_classification:MultiLabelClassification",
        "text-regression": "tunesmith.tasks.text_regression:TextRegression",
        "token-classification": "tunesmith.tasks.token_classification:TokenClassification",
        "extractive-qa": "tunesmith.tasks.extractive_qa:ExtractiveQA",
        "multiple-choice": "tunesmith.tasks.multiple_choice:MultipleChoice",
        "text-embedding": "tunesmith.tasks.text_embedding:TextEmbedding",
        "entities-and-relations": "tunesmith.tasks.entities_and_relations:EntitiesAndRelations",
        "semantic-roles": "tunesmith.tasks.semantic_roles:SemanticRoles",
        "summarization": "tunesmith.tasks.summarization:Summarization",
        "translation": "tunesmith.tasks.translation:Translation",
        "mixture": "tunesmith.tasks.mixture:Mixture",
        "dialogue": "tunesmith.tasks.dialogue:Dialogue",
        "controlled-generation": "tunesmith.tasks.controlled_generation:ControlledGeneration",
        "code-generation": "tunesmith.tasks.code_generation:CodeGeneration",
        "recommendation": "tunesmith.tasks.recommendation:Recommendation",
        "relation-extraction": "tunesmith.tasks.relation_extraction:RelationExtraction",
        "image-classification": "tunesmith.tasks.multimodal_classification:ImageClassification",
        "audio-classification": "tunesmith.tasks.multimodal_classification:AudioClassification",
        "multimodal-classification": "tunesmith.tasks.multimodal_classification:MultimodalClassification",
        "image-token-classification": "tunesmith.tasks.image_token_classification:ImageTokenClassification",
        "image-text-alignment": "tunesmith.tasks.image_text_alignment:ImageTextAlignment",
        "multimodal-regression": "tunesmith.tasks.multimodal_regression:MultimodalRegression",
    },
)
