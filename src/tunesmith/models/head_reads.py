"""What heads that stand beside each other on one backbone read of it; known without loading torch."""

KEY = "several_heads"
"""Where a configuration tells of them."""
READS = {
    "AutoModelForSequenceClassification": "text",
    "AutoModelForTokenClassification": "tokens",
    "AutoModelForQuestionAnswering": "tokens",
}
"""What a head of each auto class of transformers reads of a backbone: one vector of the text, or of each token."""
