"""Compute a causal model with vLLM, on a GPU: what writes many texts at once, and scores them.

vLLM gets token ids, made by the bundle's own template and tokenizer, and gives token ids: its own chat templates,
default settings and ends are left out. https://docs.vllm.ai
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tunesmith.bundle.layout import BASE, CONFIG, MEMBERS, ROUTES
from tunesmith.bundle.predictor import MANY_TOKENS
from tunesmith.bundle.runtimes.onnx_writer import limits_of
from tunesmith.bundle.runtimes.vllm_options import (
    TORCH,
    engine_options,
    places_of,
    rows_of,
    sampling_options,
    score_options,
    unable,
)
from tunesmith.core.contracts import Batch, Decoding
from tunesmith.core.errors import BundleError, ModelError, RecipeError
from tunesmith.core.extras import need

if TYPE_CHECKING:
    from tunesmith.bundle.read import Bundle
    from tunesmith.bundle.runtimes.vllm_decoder import VllmDecoder

APART = {MEMBERS: "is an ensemble", ROUTES: "learned apart", BASE: "keeps its method's parts beside the model"}
"""What is in a bundle that holds no one plain model -> what that is."""
QUIET = {"VLLM_LOGGING_STREAM": "ext://sys.stderr", "VLLM_NO_USAGE_STATS": "1"}
"""Its log must not stand between our answers on stdout; what is asked here is nobody else's. Who sets them wins."""


class VllmRuntime:
    """A plain causal model's folder as a runtime: it scores, and it writes. It gives no logits.

    A seed is each text's own: it gives the same text again, and another one than in torch. Texts come whole from
    ``generate``, and token by token from ``decoder``.

    Args:
        engine: a ``vllm.LLM``.
        ends: tokens that end any text.
    """

    name: ClassVar[str] = "vllm"
    summary: ClassVar[str] = "vLLM on a GPU: many texts of a causal model at once"
    together = MANY_TOKENS
    device: ClassVar[str] = "cuda"

    def __init__(self, engine: Any, ends: Iterable[int] = ()) -> None:
        self.engine, self.ends = engine, frozenset(ends)
        self.length: int = engine.llm_engine.model_config.max_model_len
        """Tokens that a text may have, its prompt included."""

    @classmethod
    def open(cls, bundle: Bundle, *, device: str = "auto", precision: str = "fp32") -> VllmRuntime:
        """The model of a bundle.

        Raises:
            RecipeError: its model does not write, or in a way that vLLM has not; there is no GPU, or no such precision.
            BundleError: it holds no plain model, or vLLM does not know its kind.
            ExtraMissing: vllm is not installed.
        """
        refuse_other(bundle)
        vllm = package()
        refuse_without_gpu(device)
        options = engine_options(bundle.path, precision)
        try:
            engine = vllm.LLM(**options, seed=secrets.randbelow(2**31))
        except Exception as error:  # its errors have no common class but Exception
            raise BundleError(
                f"vLLM {vllm.__version__} cannot open {bundle.path}: {' '.join(str(error).split()):.300}",
                f"Its log says more. {TORCH}",
            ) from error
        _, ends = limits_of(bundle.path)
        return cls(engine, ends)

    def forward(self, batch: Batch) -> dict[str, np.ndarray]:
        """Not to be had: raises RecipeError."""
        raise RecipeError("The runtime vllm writes and scores; it gives no logits.", TORCH)

    def generate(self, batch: Batch, decoding: Decoding) -> list[np.ndarray]:
        """The ids written after each row's. A text ends with the token that completes a stop string.

        Each is drawn by a seed of its own.

        Raises:
            RecipeError: vLLM cannot write so.
            ModelError: a prompt is empty, or leaves no room for a token.
        """
        prompts = rows_of(batch)
        params = [self.params(decoding.at(place), len(prompt)) for place, prompt in enumerate(prompts)]
        return [np.array(one.outputs[0].token_ids, np.int64) for one in self._asked(prompts, params)]

    def score(self, batch: Batch) -> list[np.ndarray]:
        """The natural log-probability of each row's ``labels`` that are not -100: float32, [labels].

        Raises:
            RecipeError: the rows have a mask of their own.
            ModelError: a row fills the model: vLLM wants room for a token after what it scores.
        """
        places = [places_of(row) for row in rows_of(batch, "labels")]
        rows = [row[: there[-1] + 1] if there else [] for row, there in zip(rows_of(batch), places, strict=True)]
        asked = [row for row in rows if row]
        told = iter(self._asked(asked, [self._params(score_options(), len(row)) for row in asked]))
        found = []
        for row, there in zip(rows, places, strict=True):
            logs = next(told).prompt_logprobs if row else []
            found.append(np.array([logs[place][row[place]].logprob for place in there], np.float32))
        return found

    def decoder(self, *, rows: int, length: int | None = None) -> VllmDecoder:
        """What writes many texts, token by token. It takes the engine over: nothing else may be asked meanwhile.

        Args:
            rows: texts at once.
            length: tokens that a text may have, its prompt included; None: as many as the model takes.
        """
        from tunesmith.bundle.runtimes.vllm_decoder import VllmDecoder

        return VllmDecoder(self, rows, min(self.length, length or self.length))

    def params(self, decoding: Decoding, read: int, length: int | None = None, **more: Any) -> Any:
        """``vllm.SamplingParams`` of a text after a prompt of ``read`` tokens."""
        most = self.length if length is None else length
        return self._params(sampling_options(decoding, self.ends, most - read) | more, read, most)

    def _params(self, options: dict[str, Any], read: int, length: int | None = None) -> Any:
        most = (self.length if length is None else length) - 1
        if not 0 < read <= most:
            raise ModelError(f"The prompt has {read} tokens; vLLM reads 1 to {most} here.", "Give a shorter one.")
        return package().SamplingParams(**options)

    def _asked(self, prompts: Sequence[list[int]], params: Sequence[Any]) -> Any:
        if not prompts:
            return []
        tokens = package().TokensPrompt
        asked = [tokens(prompt_token_ids=prompt) for prompt in prompts]
        return self.engine.generate(asked, list(params), use_tqdm=False)


def package() -> Any:
    """The package ``vllm``; raises ExtraMissing where it is not installed."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    return need("vllm", purpose="the runtime vllm, which computes on a GPU")


def refuse_other(bundle: Bundle) -> None:
    """Raise where a bundle is no plain causal model, or writes as vLLM cannot."""
    if not getattr(bundle.task, "causal", False):
        raise RecipeError(
            f"The runtime vllm is for causal models that write; {bundle.path} is of the task {bundle.task.name}.", TORCH
        )
    for folder, what in APART.items():
        if (bundle.path / folder).is_dir():
            raise BundleError(f"{bundle.path} {what}; the runtime vllm reads one plain model.", TORCH)
    if not (bundle.path / CONFIG).is_file() or not any(bundle.path.glob("model*.safetensors")):
        made = bundle.manifest.runtime.name
        raise BundleError(f"{bundle.path} has no weights, but a graph for {made}.", "Give the bundle that was shrunk.")
    decoding: Decoding = bundle.task.decoding  # type: ignore[attr-defined]
    if why := unable(decoding):
        raise RecipeError(f"{bundle.path}: the runtime vllm {why}.", f"Set it otherwise, or: {TORCH}")


def refuse_without_gpu(device: str) -> None:
    """Raise RecipeError where there is no GPU, or another device is asked for."""
    if device not in ("auto", "cuda", "cuda:0"):
        raise RecipeError(
            f"The runtime vllm computes on the first GPU, not on {device}.", "Choose one by CUDA_VISIBLE_DEVICES."
        )
    if not has_gpu():
        raise RecipeError("The runtime vllm computes on a GPU, and torch finds none here.", TORCH)


def has_gpu() -> bool:
    """Whether torch finds one."""
    import torch

    return torch.cuda.is_available()
