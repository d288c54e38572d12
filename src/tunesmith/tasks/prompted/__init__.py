"""Classification by a prompt, without training: four ways to ask a model. A new one: a file here, a line in this table.

They are tasks like any other but for learning: what is chosen is the prompt.
"""

from tunesmith.core.registry import Registry

_HERE = "tunesmith.tasks.prompted"

PROMPTS = Registry(
    "prompt",
    {
        "prompted-likelihood": f"{_HERE}.likelihood:PromptedLikelihood",
        "prompted-cloze": f"{_HERE}.cloze:PromptedCloze",
        "prompted-entailment": f"{_HERE}.entailment:PromptedEntailment",
        "prompted-similarity": f"{_HERE}.similarity:PromptedSimilarity",
    },
)
