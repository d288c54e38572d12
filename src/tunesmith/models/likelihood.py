"""How likely a model finds given tokens, without the logits of all others.

An output layer makes a number for each token of the vocabulary at each place. Most places are padding, a prompt, or
another row's end: here only the labels' places get logits, a block at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch

PLAIN = frozenset({
    "t5", "mt5", "umt5", "longt5", "llama", "mistral", "qwen2", "qwen3", "smollm3", "gemma3_text", "gpt2", "olmo2",
})  # fmt: skip
"""Types of models whose logits are what the output layer makes of their last states, and nothing else."""
IGNORED = -100
"""The label of a place that is none."""
ROWS = 1024
"""Labels whose logits are held at a time."""


@dataclass
class Answers:
    """A model's outputs at the places of the labels; its logits are computed when they are asked for.

    Args:
        states: what the output layer reads, [labels, width].
        tokens: the labels, [labels].
        rows: the row of each label, [labels].
        head: the output layer.
        precision: what it computes in.
    """

    states: torch.Tensor
    tokens: torch.Tensor
    rows: torch.Tensor
    head: Any
    precision: torch.dtype

    @property
    def logits(self) -> torch.Tensor:
        """[labels, vocabulary], float32."""
        import torch

        with torch.autocast(self.states.device.type, dtype=self.precision, enabled=self.precision != torch.float32):
            found: torch.Tensor = self.head(self.states)
        return found.float()

    def loss(self) -> torch.Tensor:
        """The mean negative log-likelihood of the labels: a scalar, float32."""
        from tunesmith.models.answer_loss import mean_loss

        return mean_loss(self.states, self.head.weight, self.head.bias, self.tokens, self.precision)


def answers(model: Any, batch: Mapping[str, Any]) -> Any:
    """The model's outputs for a batch: ``Answers`` where it can be, else the model's own, with all logits.

    Args:
        batch: with ``labels`` [rows, length]. An encoder-decoder's logit at a place is of the label there; a causal
            model's is of the next one.
    """
    import torch

    inputs = {key: value for key, value in batch.items() if key != "labels"}
    inner, head = _inner(model), plain_head(model)
    if head is None:
        return model(**inputs)
    seen: list[torch.dtype] = []

    def untouched(states: torch.Tensor) -> torch.Tensor:
        kind = states.device.type
        seen.append(torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32)
        return states

    head.forward = untouched
    try:
        states = model(**inputs).logits
    finally:
        del head.forward
    labels = batch["labels"]
    if not inner.config.is_encoder_decoder:
        states, labels = states[:, :-1], labels[:, 1:]
    places = labels != IGNORED
    rows = places.nonzero()[:, 0]
    return Answers(states[places], labels[places], rows, head, seen[0])


def plain_head(model: Any) -> Any:
    """The output layer where a model's logits are what it makes of the last states, and nobody reads along; or None."""
    import torch

    inner = _inner(model)
    head = inner.get_output_embeddings()
    plain = inner.config.model_type in PLAIN and type(head) is torch.nn.Linear and not _watched(head)
    return head if plain else None


def answer_loss(outputs: Any, batch: Mapping[str, Any], *, causal: bool) -> torch.Tensor:
    """The mean negative log-likelihood of a batch's labels, from ``answers`` or from a model's own outputs."""
    from torch.nn.functional import cross_entropy

    if isinstance(outputs, Answers):
        return outputs.loss()
    logits, labels = outputs.logits, batch["labels"]
    if causal:
        logits, labels = logits[:, :-1], labels[:, 1:]
    places = labels != IGNORED
    return cross_entropy(logits[places].float(), labels[places])


def label_log_probabilities(model: Any, batch: Mapping[str, Any]) -> list[np.ndarray]:
    """The natural log-probability of each row's ``labels`` that are not -100: float32, [labels].

    Args:
        batch: as for ``answers``.
    """
    import torch

    found = answers(model, {**batch, "use_cache": False})
    paired = _inner(model).config.is_encoder_decoder
    labels = batch["labels"] if paired else batch["labels"][:, 1:]
    places = labels != IGNORED
    if isinstance(found, Answers):
        parts = zip(torch.split(found.states, ROWS), torch.split(found.tokens, ROWS), strict=True)
        each = [picked(Answers(s, t, t, found.head, found.precision).logits, t) for s, t in parts]
        flat = torch.cat(each) if each else found.states.new_zeros(0)
    else:
        logits = found.logits if paired else found.logits[:, :-1]
        flat = picked(logits[places], labels[places])
    return [row.cpu().numpy() for row in torch.split(flat, places.sum(1).tolist())]


def picked(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """``log_softmax`` [n, vocabulary] at ``tokens`` [n], computed in float32 and never held whole: [n]."""
    import torch

    logits = logits.float()
    taken = logits.gather(-1, tokens[:, None].long())[:, 0]
    return taken - torch.logsumexp(logits, dim=-1)


def _inner(model: Any) -> Any:
    """The transformers model inside what spreads it over devices or puts an adapter on it."""
    model = getattr(model, "module", model)
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _watched(module: Any) -> bool:
    """Whether somebody reads along at a module (as opacus does), and so wants it to be called."""
    return any(getattr(module, name, None) for name in ("_forward_hooks", "_backward_hooks", "_forward_pre_hooks"))
