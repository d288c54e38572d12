"""What is learned from text alone. A new one: a file here, a line in this table."""

from tunesmith.core.registry import Registry

_HERE = "tunesmith.objectives"

OBJECTIVES = Registry(
    "objective",
    {
        "masked-lm": f"{_HERE}.masked_lm:MaskedLM",
        "causal-lm": f"{_HERE}.causal_lm:CausalLM",
        "denoising": f"{_HERE}.denoising:Denoising",
        "deletion": f"{_HERE}.deletion:Deletion",
        "sentence-order": f"{_HERE}.sentence_order:SentenceOrder",
        "next-sentence": f"{_HERE}.next_sentence:NextSentence",
        "next-clause": f"{_HERE}.next_clause:NextClause",
        "simcse": f"{_HERE}.simcse:SimCSE",
        "mixed": f"{_HERE}.mixture:ObjectiveMixture",
    },
)
