"""Where methods take hold in each architecture, and which method cannot: data.

Names are the ends of modules' names in transformers, ``*`` as in a shell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tunesmith.core.contracts import Task
from tunesmith.core.errors import RecipeError


@dataclass(frozen=True)
class Places:
    """One architecture's names.

    Args:
        widens: what makes the feed-forward part wide; several where it is gated.
        narrows: what makes it narrow again.
        attended: the attention's output layer.
        keys, values: of the attention; the same name where one layer makes queries, keys and values.
        queries: the same for queries.
        width: the configuration's word for the feed-forward part's width.
    """

    widens: tuple[str, ...]
    narrows: str
    attended: str
    queries: str
    keys: str
    values: str
    width: str = "intermediate_size"


_BERT = Places(
    ("*.intermediate.dense",), "*.[0-9]*.output.dense", "*.attention.output.dense", "*.query", "*.key", "*.value"
)
_LLAMA = Places(("*.gate_proj", "*.up_proj"), "*.down_proj", "*.o_proj", "*.q_proj", "*.k_proj", "*.v_proj")
_DISTILBERT = Places(
    ("*.ffn.lin1",), "*.ffn.lin2", "*.attention.out_lin", "*.q_lin", "*.k_lin", "*.v_lin", width="hidden_dim"
)
_GPT2 = Places(
    ("*.mlp.c_fc",), "*.mlp.c_proj", "*.attn.c_proj", "*.attn.c_attn", "*.attn.c_attn", "*.attn.c_attn", "n_inner"
)
_T5 = Places(
    ("*.DenseReluDense.wi", "*.DenseReluDense.wi_[01]"), "*.DenseReluDense.wo", "*Attention.o", "*Attention.q",
    "*Attention.k", "*Attention.v", width="d_ff",
)  # fmt: skip
_BART = Places(("*.fc1",), "*.fc2", "*attn.out_proj", "*attn.q_proj", "*attn.k_proj", "*attn.v_proj", width="")

PLACES: Mapping[str, Places] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra", "ernie"), _BERT),
    "distilbert": _DISTILBERT,
    **dict.fromkeys(
        ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "gemma3_text", "olmo2", "smollm3"), _LLAMA
    ),
    "gpt2": _GPT2,
    **dict.fromkeys(("t5", "mt5"), _T5),
    **dict.fromkeys(("bart", "mbart", "marian", "m2m_100"), _BART),
}
"""A model's type (``config.model_type``) -> its names."""

KINDS: Mapping[str, str] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra", "ernie", "distilbert"), "encoder"),
    **dict.fromkeys(("t5", "mt5", "bart", "mbart", "marian", "m2m_100"), "encoder-decoder"),
    **{kind: "causal" for kind, places in PLACES.items() if places in (_LLAMA, _GPT2)},
}
"""A model's type -> what kind of model it is."""

NO_BIASES = frozenset({"llama", "mistral", "gemma", "gemma2", "gemma3", "gemma3_text", "olmo2", "smollm3", "qwen3",
                       "t5", "mt5"})  # fmt: skip
"""Types whose layers have no biases."""

UNFIT: Mapping[str, Mapping[str, str]] = {
    "oft": {"gpt2": "peft's OFT knows no Conv1D layers, which this kind of model is made of"},
    "bitfit": dict.fromkeys(NO_BIASES, "it trains biases, and this kind of model has none"),
    "qlora": {"gpt2": "bitsandbytes quantises linear layers, and this kind of model is made of Conv1D layers"},
}
"""Method -> type of model -> why not."""

NEED_NAMES = frozenset({"adapter", "ia3", "prefix"})
"""Methods that take hold at particular layers, and so need the model's type in ``PLACES``."""


def unfit(method: str, task: Task, config: Any) -> str | None:
    """Why a method cannot be used for a kind of model, by the tables; None where nothing is known against it."""
    kind = config.model_type
    if method in NEED_NAMES and kind not in PLACES:
        return f'it does not know where the layers of a "{kind}" are; it knows {", ".join(sorted(PLACES))}'
    return UNFIT.get(method, {}).get(kind)


def places_of(model: Any, method: str) -> Places:
    """The names of a model's type.

    Raises:
        RecipeError: there are none.
    """
    if (reason := unfit("adapter", None, model.config)) is not None:  # type: ignore[arg-type]
        raise RecipeError(f"method={method} cannot be used: {reason}.", "Use method=lora or method=full.")
    return PLACES[model.config.model_type]


def named(model: Any, patterns: Iterable[str]) -> list[str]:
    """Full names of the backbone's modules whose name has one of these ends; none of a head's or mean layer's."""
    wanted = tuple(patterns)
    return [name for name, _ in backbone_modules(model) if any(fnmatchcase(f".{name}", p) for p in wanted)]


def backbone_modules(model: Any) -> list[tuple[str, Any]]:
    """(name, module) of all that the pretrained weights brought along: no head, no output layer, no appended layer."""
    from tunesmith.models.heads import head_names

    heads = {name.split(".")[0] for name in head_names(model)}
    beside = tuple(layer + "." for layer in appended(model))
    return [
        (name, module)
        for name, module in model.named_modules()
        if not heads & set(name.split("."))
        and not f"{name}.".startswith(beside or ("\0",))
        and module is not model.get_output_embeddings()
    ]


def appended(model: Any) -> list[str]:
    """Full names of layers that are not in the pretrained weights: the mean layer, in any of its forms."""
    from tunesmith.models.heads import mean

    return [name for name, module in model.named_modules() if isinstance(module, mean.MeanLayer) or _is_mean(module)]


def _is_mean(module: Any) -> bool:
    from tunesmith.models.heads import mean

    return hasattr(module, "intermediate") and hasattr(module, "attention") and mean.is_mean(module)
