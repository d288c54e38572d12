"""What vLLM 0.33 promises to those who call it, kept by a small engine over transformers, on the CPU.

It is no part of vLLM and shares no code with it. The adapter is written to this protocol: ``LLM``, ``SamplingParams``,
``TokensPrompt``, ``RequestOutput``, and the engine's ``add_request``, ``step`` and ``abort_request``. Every promise
that it relies on is computed here, so that its answers can be compared with torch's: what ends a text and when,
what is chosen of which logits, whose log-probabilities are told, and what is refused.
"""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, TypedDict

import pytest
import torch

AT_ONCE = 3
"""Texts in a batch; others wait for a place."""
EVERY = 1
"""Tokens of a text between two outputs of it (vLLM's stream_interval)."""
ROOM: int | None = None
"""Tokens that the GPU has room for."""
OPENED: list[dict[str, Any]] = []
"""Keyword arguments of every engine that was opened."""
ENGINE = {
    "model", "tokenizer", "dtype", "max_model_len", "trust_remote_code", "load_format", "generation_config",
    "logprobs_mode", "seed", "gpu_memory_utilization", "enable_lora", "enforce_eager", "tensor_parallel_size",
}  # fmt: skip
"""Arguments of the engine, as far as they are kept here."""


class VLLMValidationError(ValueError):
    """A parameter is out of its range."""


class RequestOutputKind(Enum):
    CUMULATIVE = 0
    DELTA = 1
    FINAL_ONLY = 2


class TokensPrompt(TypedDict):
    prompt_token_ids: list[int]


@dataclass
class Logprob:
    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclass
class SamplingParams:
    n: int = 1
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool = False
    max_tokens: int | None = 16
    min_tokens: int = 0
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    detokenize: bool = True
    skip_special_tokens: bool = True
    include_stop_str_in_output: bool = False
    output_kind: RequestOutputKind = RequestOutputKind.CUMULATIVE

    def __post_init__(self) -> None:
        self.stop = [self.stop] if isinstance(self.stop, str) else list(self.stop or [])
        self.stop_token_ids = list(dict.fromkeys(self.stop_token_ids or []))
        self.seed = None if self.seed == -1 else self.seed
        if 0 < self.temperature < 0.01:
            self.temperature = 0.01
        wrong = {
            "n": self.n != 1,  # of vLLM's own; the adapter asks for no more
            "presence_penalty": not -2 <= self.presence_penalty <= 2,
            "frequency_penalty": not -2 <= self.frequency_penalty <= 2,
            "repetition_penalty": not (self.repetition_penalty > 0 and math.isfinite(self.repetition_penalty)),
            "temperature": not 0 <= self.temperature <= 2,
            "top_p": not 0 < self.top_p <= 1,
            "top_k": type(self.top_k) is not int or self.top_k < -1,
            "max_tokens": self.max_tokens is not None and self.max_tokens < 1,
            "min_tokens": not 0 <= self.min_tokens <= (self.max_tokens or sys.maxsize),
            "stop_token_ids": any(type(token) is not int for token in self.stop_token_ids),
            "stop": not all(self.stop) or bool(self.stop and not self.detokenize),
        }
        if found := [name for name, bad in wrong.items() if bad]:
            raise VLLMValidationError(f"{', '.join(found)}: {self}")
        if self.temperature < 1e-5:
            self.top_p, self.top_k, self.min_p = 1.0, 0, 0.0


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: Sequence[int]
    cumulative_logprob: float | None = None
    logprobs: Any = None
    finish_reason: str | None = None
    stop_reason: int | str | None = None


@dataclass
class RequestOutput:
    request_id: str
    prompt_token_ids: list[int]
    prompt_logprobs: list[dict[int, Logprob] | None] | None
    outputs: list[CompletionOutput]
    finished: bool
    num_cached_tokens: int | None = None


@dataclass(eq=False)
class Request:
    """A text under way."""

    name: str
    prompt: list[int]
    params: SamplingParams
    draws: torch.Generator | None
    ids: list[int] = field(default_factory=list)
    text: str = ""
    told: int = 0
    likely: list[dict[int, Logprob] | None] | None = None
    reason: str | None = None
    stop_reason: int | str | None = None
    stream: Any = None


class LLMEngine:
    """Requests go in, outputs come out step by step."""

    def __init__(self, model: Any, tokenizer: Any, length: int, seed: int) -> None:
        self.model_config = SimpleNamespace(max_model_len=length)
        self._model, self._tokenizer = model, tokenizer
        self._requests: dict[str, Request] = {}
        self._draws = torch.Generator().manual_seed(seed)

    def get_num_unfinished_requests(self) -> int:
        return len(self._requests)

    def has_unfinished_requests(self) -> bool:
        return bool(self._requests)

    def add_request(self, request_id: str, prompt: TokensPrompt, params: SamplingParams) -> str:
        if not isinstance(request_id, str):
            raise TypeError(f"request_id must be a string, got {type(request_id)}")
        ids, most = prompt["prompt_token_ids"], self.model_config.max_model_len
        if not ids or not all(type(token) is int for token in ids):
            raise ValueError(f"The decoder prompt cannot be empty, and holds ints: {ids}")
        if len(ids) >= most:
            raise VLLMValidationError(f"The decoder prompt (length {len(ids)}) is longer than {most}")
        draws = None if params.seed is None else torch.Generator().manual_seed(params.seed)
        made = Request(request_id, list(ids), copy.deepcopy(params), draws)
        if params.detokenize:
            from tokenizers.decoders import DecodeStream

            made.stream = DecodeStream(skip_special_tokens=params.skip_special_tokens)
            for token in ids:
                made.stream.step(self._tokenizer._tokenizer, token)
        self._requests[request_id] = made
        return request_id

    def abort_request(self, request_ids: list[str]) -> None:
        for name in request_ids:
            self._requests.pop(name, None)

    def step(self) -> list[RequestOutput]:
        assert self._requests, "vLLM would wait for ever"
        outputs = []
        for request in list(self._requests.values())[:AT_ONCE]:
            self._advance(request)
            if request.reason:
                del self._requests[request.name]
            if request.reason or len(request.ids) - request.told >= EVERY:
                outputs += self._output(request)
        return outputs

    def _advance(self, request: Request) -> None:
        with torch.inference_mode():
            logits = self._model(torch.tensor([request.prompt + request.ids])).logits[0].float()
        if request.params.prompt_logprobs is not None and request.likely is None:
            request.likely = likely(logits, request.prompt, request.params.prompt_logprobs)
        token = chosen(logits[-1].clone(), request, self._draws)
        request.ids.append(token)
        self._stop(request, token)

    def _stop(self, request: Request, token: int) -> None:
        params, enough = request.params, len(request.ids) >= request.params.min_tokens
        ends = [*(params.stop_token_ids or []), *([] if params.ignore_eos else [self._tokenizer.eos_token_id])]
        full = len(request.prompt) + len(request.ids) >= self.model_config.max_model_len
        if enough and token in ends:
            request.reason, request.stop_reason = "stop", token
        elif enough and (full or len(request.ids) >= (params.max_tokens or sys.maxsize)):
            request.reason = "length"
        if request.stream is None or request.stop_reason is not None:
            return
        before = len(request.text)
        request.text += request.stream.step(self._tokenizer._tokenizer, token) or ""
        for stop in params.stop or []:
            place = request.text.find(stop, max(0, before - len(stop) + 1))
            if enough and place >= 0:
                request.reason, request.stop_reason, request.text = "stop", stop, request.text[:place]
                return

    def _output(self, request: Request) -> list[RequestOutput]:
        kind = request.params.output_kind
        if kind is RequestOutputKind.FINAL_ONLY and not request.reason:
            return []
        ids = request.ids[request.told :] if kind is RequestOutputKind.DELTA else request.ids
        request.told = len(request.ids)
        written = CompletionOutput(
            0, request.text, list(ids), finish_reason=request.reason, stop_reason=request.stop_reason
        )
        return [RequestOutput(request.name, request.prompt, request.likely, [written], request.reason is not None, 0)]


class LLM:
    """A model's folder, opened."""

    def __init__(self, model: str, **options: Any) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        if unknown := set(options) - ENGINE:
            raise TypeError(f"EngineArgs.__init__() got an unexpected keyword argument {sorted(unknown)}")
        OPENED.append({"model": model, **options})
        if not Path(model, "config.json").is_file():
            raise ValueError(f"Invalid repository ID or local directory specified: {model!r}")
        kind = getattr(torch, options.get("dtype", "float16"))
        local = {"local_files_only": True, "trust_remote_code": options.get("trust_remote_code", False)}
        loaded = AutoModelForCausalLM.from_pretrained(model, dtype=kind, use_safetensors=True, **local).eval()
        tokenizer = AutoTokenizer.from_pretrained(options.get("tokenizer") or model, **local)
        own, asked = loaded.config.max_position_embeddings, options.get("max_model_len")
        if asked is not None and asked > own:
            raise ValueError(f"User-specified max_model_len ({asked}) is greater than the derived {own}")
        fits = min(own, ROOM or own) if asked == -1 else asked or own
        if ROOM is not None and fits > ROOM:
            raise ValueError(f"To serve at least one request with the model's max seq len ({fits}) is too much")
        self.llm_engine = LLMEngine(loaded, tokenizer, fits, options.get("seed", 0))
        self._count = 0

    def generate(
        self,
        prompts: Sequence[TokensPrompt],
        sampling_params: SamplingParams | Sequence[SamplingParams],
        *,
        use_tqdm: bool = True,
    ) -> list[RequestOutput]:
        each = sampling_params if isinstance(sampling_params, Sequence) else [sampling_params] * len(prompts)
        if len(each) != len(prompts):
            raise ValueError("The lengths of prompts and params must be the same.")
        if use_tqdm:
            print("Processed prompts: 100%")
        names = []
        for prompt, params in zip(prompts, each, strict=True):
            final = copy.deepcopy(params)
            final.output_kind = RequestOutputKind.FINAL_ONLY
            names.append(self.llm_engine.add_request(str(self._count), prompt, final))
            self._count += 1
        done: dict[str, RequestOutput] = {}
        while self.llm_engine.has_unfinished_requests():
            done |= {output.request_id: output for output in self.llm_engine.step() if output.finished}
        return [done[name] for name in names]


def likely(logits: torch.Tensor, ids: Sequence[int], others: int) -> list[dict[int, Logprob] | None]:
    """Of each token of a prompt its log-probability by the raw logits, and of so many others; None of the first."""
    logs = torch.log_softmax(logits, -1)
    found: list[dict[int, Logprob] | None] = [None]
    for place, token in enumerate(ids[1:]):
        row = logs[place]
        best = row.topk(others).indices.tolist() if others else []
        found.append({i: Logprob(float(row[i]), int((row > row[i]).sum()) + 1) for i in [token, *best]})
    return found


def chosen(logits: torch.Tensor, request: Request, shared: torch.Generator) -> int:
    """The next token, in vLLM's order: least length, penalties, temperature, top-k, top-p, a draw."""
    params, ids = request.params, request.ids
    if len(ids) < params.min_tokens:
        logits[list(params.stop_token_ids or [])] = -torch.inf
    seen = torch.tensor(sorted({*request.prompt, *ids}))
    held = logits[seen]
    logits[seen] = torch.where(held > 0, held / params.repetition_penalty, held * params.repetition_penalty)
    for token in set(ids):
        logits[token] -= params.presence_penalty + params.frequency_penalty * ids.count(token)
    if params.temperature < 1e-5:
        return int(logits.argmax())
    logits /= params.temperature
    if params.top_k > 0:
        logits[logits < logits.topk(params.top_k).values[-1]] = -torch.inf
    chances, order = torch.softmax(logits, -1).sort(descending=True)
    chances[chances.cumsum(0) - chances >= params.top_p] = 0
    return int(order[torch.multinomial(chances, 1, generator=request.draws or shared)])


def install(patch: pytest.MonkeyPatch, names: Iterable[str] = ("LLM", "SamplingParams", "TokensPrompt")) -> None:
    """``import vllm`` finds this, until the patch is undone; and a GPU is there."""
    top, params = ModuleType("vllm"), ModuleType("vllm.sampling_params")
    for name in names:
        setattr(top, name, globals()[name])
    top.__version__ = "0.33.0"  # type: ignore[attr-defined]
    params.SamplingParams, params.RequestOutputKind = SamplingParams, RequestOutputKind  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "vllm", top)
    patch.setitem(sys.modules, "vllm.sampling_params", params)
    patch.setattr("tunesmith.bundle.runtimes.vllm.has_gpu", lambda: True)
