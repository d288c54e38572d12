"""The network that courses use on IMDB: embedding 64, Conv1D 128 x 5, max-pool 4, LSTM 32, on 100 words.

As in Keras: the last 100 words of a text are kept, shorter texts are filled in front, the most frequent words of
the training rows have an id, all others share one.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

WORD = re.compile(r"[a-z0-9']+")
PAD, UNKNOWN = 0, 1


class CnnLstm(nn.Module):
    """Word ids [batch, length] -> logits [batch]."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 64)
        self.convolution = nn.Conv1d(64, 128, 5)
        self.lstm = nn.LSTM(128, 32, batch_first=True)
        self.output = nn.Linear(32, 1)
        nn.init.uniform_(self.embedding.weight, -0.05, 0.05)  # as Keras

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """[batch, length] -> [batch]."""
        states = functional.relu(self.convolution(self.embedding(ids).mT))
        _, (last, _) = self.lstm(functional.max_pool1d(states, 4).mT)
        return self.output(last[0]).squeeze(-1)


def vocabulary(texts: Sequence[str], size: int) -> dict[str, int]:
    """The most frequent words -> ids from 2 on."""
    counts = Counter(word for text in texts for word in WORD.findall(text.lower()))
    return {word: i for i, (word, _) in enumerate(counts.most_common(size - 2), 2)}


def encoded(texts: Sequence[str], words: Mapping[str, int], length: int) -> torch.Tensor:
    """[texts, length], int64."""
    made = np.full((len(texts), length), PAD, dtype=np.int64)
    for i, text in enumerate(texts):
        ids = [words.get(word, UNKNOWN) for word in WORD.findall(text.lower())][-length:]
        if ids:
            made[i, -len(ids) :] = ids
    return torch.from_numpy(made)


def run(
    train: Sequence[Mapping[str, str]],
    dev: Sequence[Mapping[str, str]],
    test: Sequence[Mapping[str, str]],
    *,
    words: int = 20_000,
    length: int = 100,
    epochs: int = 10,
    batch_size: int = 64,
    seed: int = 13,
) -> dict[str, Any]:
    """Train with Adam on binary cross-entropy; measure after the last epoch, and at the epoch best on ``dev``.

    Returns:
        ``probabilities`` and ``best_probabilities`` of "positive" on the test rows, seconds, parameters.
    """
    torch.manual_seed(seed)
    start = time.perf_counter()
    known = vocabulary([row["text"] for row in train], words)
    ids = {name: encoded([r["text"] for r in rows], known, length) for name, rows in _named(train, dev, test)}
    labels = {name: _targets(rows) for name, rows in _named(train, dev, test)}
    model = CnnLstm(words)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    curve: list[float] = []
    predict_seconds, dev_seconds, best = 0.0, 0.0, np.zeros(0)
    for _ in range(epochs):
        model.train()
        for chosen in torch.randperm(len(train)).split(batch_size):
            loss = functional.binary_cross_entropy_with_logits(model(ids["train"][chosen]), labels["train"][chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        begun = time.perf_counter()
        curve.append(float(((_predicted(model, ids["dev"]) > 0.5) == labels["dev"].bool().numpy()).mean()))
        dev_seconds += time.perf_counter() - begun
        begun = time.perf_counter()
        probabilities = _predicted(model, ids["test"])
        predict_seconds += time.perf_counter() - begun
        if curve[-1] == max(curve):
            best = probabilities
    return {
        "probabilities": probabilities,
        "best_probabilities": best,
        "dev_accuracy": curve,
        "fit": time.perf_counter() - start - predict_seconds - dev_seconds,
        "predict": predict_seconds / epochs,
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def _named(*parts: Any) -> list[tuple[str, Any]]:
    return list(zip(("train", "dev", "test"), parts, strict=True))


def _targets(rows: Sequence[Mapping[str, str]]) -> torch.Tensor:
    return torch.tensor([float(row["label"] == "positive") for row in rows])


def _predicted(model: CnnLstm, ids: torch.Tensor) -> np.ndarray:
    model.eval()
    with torch.inference_mode():
        made: np.ndarray = torch.cat([torch.sigmoid(model(part)) for part in ids.split(256)]).numpy()
    return made
