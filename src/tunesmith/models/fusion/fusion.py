"""What every fusion is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn


class Fusion(nn.Module):
    """Vectors of several modalities -> one vector.

    Args:
        widths: modality -> width of its vectors; the order is that of ``present``.
        hidden: width inside, where there is one.
        dropout: share of numbers that training leaves out.
    """

    parts: ClassVar[bool] = False
    """Whether it reads the vectors of a modality's parts beside the one of the whole."""
    width: int
    """Of what it returns."""

    def __init__(self, widths: Mapping[str, int], hidden: int, dropout: float) -> None:
        super().__init__()
        self.names = list(widths)
        self.dropout = nn.Dropout(dropout)

    @abstractmethod
    def forward(self, states: Mapping[str, torch.Tensor], present: torch.Tensor) -> torch.Tensor:
        """[batch, width].

        Args:
            states: modality -> [batch, 1 + parts, its width]; 0 where it is missing.
            present: 1 where a row has a modality, float [batch, modalities].
        """


class Projected(nn.Module):
    """All modalities' vectors in one width, with a vector that says whose each is.

    Args:
        widths: modality -> its width.
        hidden: the one width.
    """

    def __init__(self, widths: Mapping[str, int], hidden: int) -> None:
        super().__init__()
        self.names = list(widths)
        self.maps = nn.ModuleDict({n: nn.Sequential(nn.LayerNorm(w), nn.Linear(w, hidden)) for n, w in widths.items()})
        self.whose = nn.Parameter(torch.randn(len(widths), hidden) * 0.02)

    def forward(
        self, states: Mapping[str, torch.Tensor], present: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Tokens [batch, all, hidden]; which are there, bool [batch, all]; whose they are, int [all]."""
        tokens = [self.maps[name](states[name]) + self.whose[i] for i, name in enumerate(self.names)]
        counts = [made.shape[1] for made in tokens]
        owner = torch.repeat_interleave(
            torch.arange(len(counts), device=present.device), torch.tensor(counts, device=present.device)
        )
        return torch.cat(tokens, dim=1), present[:, owner] > 0, owner


class Attention(nn.Module):
    """Multi-head attention and a feed-forward part, each normalised before and added (Xiong et al. 2020).

    Args:
        hidden: width.
        heads: they divide it.
        dropout: of what is added.
    """

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_asks, self.norm_told = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.query, self.key, self.value = (nn.Linear(hidden, hidden) for _ in range(3))
        self.out = nn.Linear(hidden, hidden)
        self.norm_after = nn.LayerNorm(hidden)
        self.up, self.down = nn.Linear(hidden, 2 * hidden), nn.Linear(2 * hidden, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, asks: torch.Tensor, told: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
        """Asks [batch, n, hidden] read told [batch, m, hidden] where allowed, bool [batch, n or 1, m]."""
        from torch.nn.functional import gelu, scaled_dot_product_attention

        ask, tell = self.norm_asks(asks), self.norm_told(told)
        q, k, v = (self._apart(made) for made in (self.query(ask), self.key(tell), self.value(tell)))
        read = scaled_dot_product_attention(q, k, v, attn_mask=allowed.unsqueeze(1))
        states = asks + self.dropout(self.out(read.transpose(1, 2).flatten(2)))
        added: torch.Tensor = states + self.dropout(self.down(gelu(self.up(self.norm_after(states)))))
        return added

    def _apart(self, states: torch.Tensor) -> torch.Tensor:
        apart: torch.Tensor = states.reshape(*states.shape[:-1], self.heads, -1).transpose(1, 2)
        return apart
