"""Trained tokens in front of every text: new entries of the vocabulary, which the tokenizer itself puts in.

So a model tuned by prompts is a plain one: whoever loads its folder has the prompt in each text, behind the first
special token (a classifier reads that one) or at the very front where there is none, or where a chat template writes
the text. Models that write are no plain ones then: see ``Prompt``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PIECE = "<prompt-{}>"


def with_prompt(processor: PreTrainedTokenizerBase, length: int) -> PreTrainedTokenizerBase:
    """The tokenizer with ``length`` new tokens, put into every text; also a tokenizer that has some already."""
    import transformers
    from tokenizers import AddedToken, Tokenizer

    known: Any = processor
    first = next(i for i in range(10**6) if PIECE.format(i) not in known.get_added_vocab())
    names = [PIECE.format(first + i) for i in range(length)]
    backend = Tokenizer.from_str(known.backend_tokenizer.to_str())
    backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    vocabulary = backend.get_vocab()
    ids = [vocabulary[name] for name in names]
    backend.post_processor = _processor(json.loads(backend.to_str())["post_processor"], names, ids)
    template = getattr(known, "chat_template", None)
    if isinstance(template, str):  # it writes all special tokens itself; earlier prompts stand there already
        template = "".join(names) + template
    # A family's own class would build the processor anew from its vocabulary.
    fast: Any = transformers.PreTrainedTokenizerFast
    made: PreTrainedTokenizerBase = fast(
        tokenizer_object=backend,
        **{key: value for key, value in known.special_tokens_map.items() if isinstance(value, str)},
        extra_special_tokens=[*_extra(known), *names],
        model_max_length=known.model_max_length,
        padding_side=known.padding_side,
        truncation_side=known.truncation_side,
        model_input_names=known.model_input_names,
        chat_template=template,
    )
    made.deprecation_warnings.update(known.deprecation_warnings)
    made.backend_tokenizer.no_truncation()
    made.backend_tokenizer.no_padding()
    return made


def prompt_ids(processor: Any) -> list[int]:
    """The ids of a tokenizer's prompt tokens, in order."""
    vocabulary = processor.get_added_vocab()
    found: list[int] = []
    while (token := PIECE.format(len(found))) in vocabulary:
        found.append(vocabulary[token])
    return found


def prompt_ids_in(folder: str) -> list[int]:
    """The ids of a bundle's prompt tokens, in order, as its ``tokenizer.json`` beside ``folder`` says."""
    known = json.loads(Path(folder).parent.joinpath("tokenizer.json").read_text("utf-8"))
    ids = {token["content"]: int(token["id"]) for token in known["added_tokens"]}
    found: list[int] = []
    while (name := PIECE.format(len(found))) in ids:
        found.append(ids[name])
    return found


def _extra(processor: Any) -> list[str]:
    named = set(processor.special_tokens_map.values()) if processor.special_tokens_map else set()
    return [token for token in processor.all_special_tokens if token not in named]


def _processor(found: dict[str, Any] | None, names: list[str], ids: list[int]) -> Any:
    """What puts special tokens around a text, with the prompt."""
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    parts = found["processors"] if found and found["type"] == "Sequence" else [found]
    steps = [step for part in parts for step in _as_templates(part)]
    template = next((step for step in steps if step["type"] == "TemplateProcessing"), None)
    if template is None:
        template = _template([], [], [])
        steps.append(template)
    template["special_tokens"][names[0]] = {"id": names[0], "ids": ids, "tokens": names}
    for kind in ("single", "pair"):
        at = 1 if "SpecialToken" in template[kind][0] else 0
        template[kind].insert(at, {"SpecialToken": {"id": names[0], "type_id": 0}})
    blank = json.loads(Tokenizer(BPE()).to_str())
    blank["post_processor"] = {"type": "Sequence", "processors": steps} if len(steps) > 1 else steps[0]
    return Tokenizer.from_str(json.dumps(blank)).post_processor


def _as_templates(part: dict[str, Any] | None) -> list[dict[str, Any]]:
    """A step of a tokenizer as one or two whose tokens stand in a list: BERT's and RoBERTa's are such by name."""
    if part is None:
        return []
    if part["type"] == "BertProcessing":
        return [_template([part["cls"]], [part["sep"]], [part["sep"]])]
    if part["type"] == "RobertaProcessing":
        trim = {key: part[key] for key in ("add_prefix_space", "trim_offsets")}
        around = _template([part["cls"]], [part["sep"]], [part["sep"], part["sep"]], second_type=0)
        return [{"type": "ByteLevel", "use_regex": True, **trim}, around]
    return [part]


def _template(before: list[Any], after: list[Any], between: list[Any], second_type: int = 1) -> dict[str, Any]:
    def special(tokens: list[Any], kind: int) -> list[dict[str, Any]]:
        return [{"SpecialToken": {"id": token, "type_id": kind}} for token, _ in tokens]

    one, two = {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": second_type}}
    return {
        "type": "TemplateProcessing",
        "single": [*special(before, 0), one, *special(after, 0)],
        "pair": [*special(before, 0), one, *special(between, 0), two, *special(after, second_type)],
        "special_tokens": {token: {"id": token, "ids": [i], "tokens": [token]} for token, i in [*before, *after]},
    }


class PromptedEmbedding(nn.Module):
    """A model's table of embeddings, with trained rows for the prompt's tokens.

    Args:
        table: the model's own, frozen.
        ids: of the prompt's tokens, consecutive.
        rows: module without arguments -> [prompt, width].
    """

    def __init__(self, table: nn.Embedding, ids: list[int], rows: nn.Module) -> None:
        super().__init__()
        self.table = table.requires_grad_(False)
        self.rows = rows
        self.first, self.length = ids[0], len(ids)
        self.embedding_dim, self.padding_idx = table.embedding_dim, table.padding_idx

    @property
    def weight(self) -> torch.Tensor:
        """The model's own table."""
        return self.table.weight

    @property
    def num_embeddings(self) -> int:
        """Rows of the model's own table."""
        return self.table.num_embeddings

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """ids: [...]; -> [..., width]."""
        place = ids - self.first
        ours = (place >= 0) & (place < self.length)
        known = self.table(ids.masked_fill(ours, 0))
        if not bool(ours.any()):
            return known  # type: ignore[no-any-return]
        trained = functional_rows(self.rows(), place.clamp(0, self.length - 1)).to(known.dtype)
        return torch.where(ours.unsqueeze(-1), trained, known)


def functional_rows(rows: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Rows [n, width] at places [...]: [..., width]."""
    return nn.functional.embedding(place, rows)


class Rows(nn.Module):
    """Trained as they are: [prompt, width]."""

    def __init__(self, start: torch.Tensor) -> None:
        super().__init__()
        self.prompt_embeddings = nn.Parameter(start.clone())

    def forward(self) -> torch.Tensor:
        """The rows."""
        return self.prompt_embeddings


def put_in(model: Any, ids: list[int], rows: nn.Module) -> None:
    """Give a model the prompt's embeddings."""
    model.set_input_embeddings(PromptedEmbedding(model.get_input_embeddings(), ids, rows))


def write_down(model: Any) -> None:
    """Make the prompt's embeddings rows of the model's own table, which grows as needed."""
    prompted: PromptedEmbedding = model.get_input_embeddings()
    with torch.no_grad():
        rows = prompted.rows.eval()().clone()
    model.set_input_embeddings(prompted.table)
    end = prompted.first + prompted.length
    if end > prompted.table.num_embeddings:
        model.resize_token_embeddings(end, mean_resizing=False)
    table = model.get_input_embeddings()
    with torch.no_grad():
        table.weight[prompted.first : end] = rows.to(table.weight.dtype)
