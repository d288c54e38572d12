"""Two towers: an item's vector from its text and what is learned of it, a user's from the items taken so far.

The item tower (Covington et al. 2016; Yi et al. 2019)::

    item = unit(project(text) + residual) * scale,  and a bias for how often it is taken

``text`` is the vector of a frozen text encoder; ``residual`` is learned for items that stand in the log and is absent
for cold ones. While it is learned it is left out at random, so that the text alone must do, too (DropoutNet, Volkovs et
al. 2017). The user tower attends to the history with several heads. Each has its own taste, its own decay with days and
with places, and its own view of ratings::

    user = unit(mean of heads + mix(heads))

``tunesmith.tasks.recommendation`` says what its batches are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import normalize, softplus
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.utils.generic import ModelOutput

NOTHING = -1e4
"""Attention to a place where no item stands."""


class TwoTowersConfig(PretrainedConfig):
    """Sizes.

    Args:
        items: in the catalogue.
        width: of a text's vector.
        dim: of an item's and a user's vector.
        heads: of the user's attention.
        cold_dropout: share of residuals that are left out while learning.
    """

    model_type = "tunesmith-two-towers"

    def __init__(
        self, items: int = 1, width: int = 8, dim: int = 64, heads: int = 4, cold_dropout: float = 0.2, **more: Any
    ) -> None:
        self.items, self.width, self.dim, self.heads, self.cold_dropout = items, width, dim, heads, cold_dropout
        super().__init__(**{"pad_token_id": 0, **more})  # type: ignore[no-untyped-call]


@dataclass
class TowerOutput(ModelOutput):
    """``users`` [rows, dim + 1] and ``table`` [items, dim + 1], whose products are scores; ``attention`` [rows, places]
    over the history; with candidates ``logits`` [rows, candidates] instead.
    """

    logits: torch.Tensor | None = None
    users: torch.Tensor | None = None
    table: torch.Tensor | None = None
    attention: torch.Tensor | None = None


class TwoTowers(PreTrainedModel):
    """See the module's text."""

    config_class = TwoTowersConfig
    base_model_prefix = "towers"
    main_input_name = "input_ids"

    def __init__(self, config: TwoTowersConfig) -> None:
        super().__init__(config)
        items, dim, heads = config.items, config.dim, config.heads
        self.text = nn.Parameter(torch.zeros(items, config.width), requires_grad=False)
        self.warm = nn.Parameter(torch.zeros(items), requires_grad=False)
        self.project = nn.Linear(config.width, dim, bias=False)
        self.residual_embedding = nn.Embedding(items, dim)
        self.item_bias = nn.Parameter(torch.zeros(items))
        self.taste = nn.Parameter(torch.zeros(heads, dim))
        self.by_days = nn.Parameter(torch.linspace(-3.0, 0.0, heads))
        self.by_places = nn.Parameter(torch.linspace(-4.0, 0.0, heads))
        self.by_rating = nn.Parameter(torch.zeros(heads))
        self.mix = nn.Linear(heads * dim, dim)
        self.nobody = nn.Parameter(torch.zeros(dim))
        self.log_scale = nn.Parameter(torch.tensor(2.3))
        self._made: tuple[Any, tuple[torch.Tensor, torch.Tensor]] | None = None
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: Any) -> None:
        if module is self.project:
            nn.init.orthogonal_(module.weight)
        elif module is self.residual_embedding:
            nn.init.normal_(module.weight, std=0.02)
        elif module is self.mix:
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)

    @property
    def base_model(self) -> Any:
        """Itself: it is all of one piece."""
        return self

    def get_input_embeddings(self) -> Any:
        """None: ids are of items, and there is nothing to cut down or to grow."""
        return None

    def get_output_embeddings(self) -> Any:
        """None."""
        return None

    def set_texts(self, vectors: torch.Tensor, warm: torch.Tensor) -> None:
        """What is known of items before anything is learned.

        Args:
            vectors: [items, width], of length 1, or 0 where an item has no text.
            warm: bool [items], whether it stands in the training rows.
        """
        with torch.no_grad():
            self.text.copy_(vectors)
            self.warm.copy_(warm.float())

    def vectors(self, codes: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors of length 1 [n, dim] and biases [n] of some items, or of all."""
        text: torch.Tensor = self.text
        warm: torch.Tensor = self.warm
        own: torch.Tensor = self.residual_embedding.weight
        bias: torch.Tensor = self.item_bias
        if codes is not None:
            text, warm, own, bias = text[codes], warm[codes], self.residual_embedding(codes), bias[codes]
        if self.training and self.config.cold_dropout:
            warm = warm * (torch.rand_like(warm) >= self.config.cold_dropout)
        return normalize(self.project(text) + warm[:, None] * own, dim=-1), warm * bias

    def forward(
        self,
        input_ids: torch.Tensor,
        ages: torch.Tensor,
        ratings: torch.Tensor,
        candidates: torch.Tensor | None = None,
        log_q: torch.Tensor | None = None,
        hidden: torch.Tensor | None = None,
        **unused: Any,
    ) -> TowerOutput:
        """Scores.

        Args:
            input_ids: [rows, places], items counted from 1, the newest last; 0 where none stands.
            ages: [rows, places], days before the question.
            ratings: [rows, places], around 0.
            candidates: [candidates], items counted from 0, to be told apart.
            log_q: [candidates], log of the probability that each is among them, taken from the scores
                (Yi et al. 2019, eq. 3).
            hidden: bool [rows, candidates], those that a row has taken already.
        """
        with torch.autocast(input_ids.device.type, enabled=False):  # too small to gain, and its scores lie close
            return self._scored(input_ids, ages, ratings, candidates, log_q, hidden)

    def _scored(
        self,
        input_ids: torch.Tensor,
        ages: torch.Tensor,
        ratings: torch.Tensor,
        candidates: torch.Tensor | None,
        log_q: torch.Tensor | None,
        hidden: torch.Tensor | None,
    ) -> TowerOutput:
        if candidates is None:
            table, items = self._tables()
            users, attention = self._users(table[(input_ids - 1).clamp(min=0)], input_ids, ages, ratings)
            ones = torch.ones_like(users[:, :1])
            return TowerOutput(users=torch.cat([users, ones], dim=1), table=items, attention=attention)
        places = (input_ids - 1).clamp(min=0)
        codes, inverse = torch.unique(torch.cat([places.flatten(), candidates]), return_inverse=True)
        table, bias = self.vectors(codes)
        history, asked = inverse[: places.numel()].view_as(places), inverse[places.numel() :]
        users, _ = self._users(table[history], input_ids, ages, ratings)
        logits = self.log_scale.exp() * (users @ table[asked].T) + bias[asked]
        if log_q is not None:
            logits = logits - log_q
        if hidden is not None:
            logits = logits.masked_fill(hidden, NOTHING)
        return TowerOutput(logits=logits)

    def _users(
        self, vectors: torch.Tensor, input_ids: torch.Tensor, ages: torch.Tensor, ratings: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """[rows, dim] of length 1, and the mean attention of the heads [rows, places]."""
        there = input_ids > 0
        after = there.float().flip(1).cumsum(1).flip(1) - 1  # items that came after this one
        scores = vectors @ self.taste.T
        scores = scores - softplus(self.by_days) * torch.log1p(ages)[..., None]
        scores = scores - softplus(self.by_places) * torch.log1p(after.clamp(min=0))[..., None]
        scores = scores + self.by_rating * ratings[..., None]
        scores = scores.masked_fill(~there[..., None], NOTHING)
        attention = scores.softmax(1) * there[..., None]
        heads = attention.transpose(1, 2) @ vectors  # [rows, heads, dim]
        mixed = heads.mean(1) + self.mix(heads.flatten(1))
        some = there.any(1, keepdim=True)
        return normalize(torch.where(some, mixed, self.nobody.expand_as(mixed)) + 1e-6, dim=-1), attention.mean(2)

    def _tables(self) -> tuple[torch.Tensor, torch.Tensor]:
        """All items' vectors, plain and as they are scored by: made once for weights that stay as they are."""
        if self.training or torch.compiler.is_exporting():
            return self._made_tables()
        own, projected = self.residual_embedding.weight, self.project.weight
        parts: list[torch.Tensor] = [self.text, self.warm, own, projected, self.item_bias, self.log_scale]
        key = tuple((p.data_ptr(), p._version, p.device) for p in parts)
        if self._made is None or self._made[0] != key:
            with torch.inference_mode(False), torch.no_grad():
                self._made = (key, self._made_tables())
        return self._made[1]

    def _made_tables(self) -> tuple[torch.Tensor, torch.Tensor]:
        table, bias = self.vectors()
        return table, torch.cat([table * self.log_scale.exp(), bias[:, None]], dim=1)


class Loader:
    """What ``models.build`` and the runtime torch call as they call an auto class."""

    @staticmethod
    def from_pretrained(path: str | Path, *, config: Any = None, **options: Any) -> Any:
        """A saved pair of towers; or fresh ones on a text encoder, which goes along as ``text_encoder``.

        Args:
            path: a folder of either kind.
            config: the encoder's, with the towers' sizes under ``two_towers``; None: the folder's own is read.
        """
        told = bool(options.pop("output_loading_info", False))
        options.pop("ignore_mismatched_sizes", None)
        sizes = getattr(config, "two_towers", None)
        if sizes is None:
            options.pop("trust_remote_code", None)
            options.pop("dtype", None)
            return TwoTowers.from_pretrained(path, output_loading_info=told, **options)
        encoder = AutoModel.from_pretrained(path, **options).eval().requires_grad_(False)
        model = TwoTowers(TwoTowersConfig(width=encoder.config.hidden_size, **sizes))
        object.__setattr__(model, "text_encoder", encoder)  # no part of its weights
        nothing: dict[str, list[str]] = {"missing_keys": [], "unexpected_keys": [], "mismatched_keys": []}
        return (model, nothing) if told else model


AutoConfig.register(TwoTowersConfig.model_type, TwoTowersConfig, exist_ok=True)
AutoModel.register(TwoTowersConfig, TwoTowers, exist_ok=True)
