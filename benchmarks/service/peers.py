"""The servers that ours is measured against: what everybody writes first, and LitServe with its batching.

    python benchmarks/service/peers.py naive --bundle out/bank --port 8001
    LITSERVE_PYTHON benchmarks/service/peers.py litserve --bundle out/bank --port 8001 --batch 64 --wait 0.005
    LITSERVE_PYTHON benchmarks/service/peers.py litserve --bundle out/bank-int8 --runtime onnx --port 8001

Both answer ``POST /predict`` with ``{"text": ...}``, and import nothing of tunesmith: a bundle is a plain folder of
transformers, and a shrunk one an .onnx file beside a tokenizer.json. LitServe is run by the python of an environment
that has it (pip install litserve==0.2.19 torch transformers onnxruntime). It leaves its workers behind on SIGTERM:
whoever starts it ends its process group.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
Answerer = Callable[[list[str]], list[dict[str, Any]]]


def naive(given: argparse.Namespace) -> None:
    """FastAPI, a ``def`` endpoint, ``transformers.pipeline``. No access log, which is kinder than the default."""
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel
    from transformers import pipeline

    app = FastAPI()
    classify = pipeline("text-classification", model=str(given.bundle), truncation=True)

    class Asked(BaseModel):
        text: str

    def predict(asked: Asked) -> dict[str, Any]:
        return dict(classify(asked.text)[0])

    predict.__annotations__["asked"] = Asked  # a class inside a function has no name that FastAPI can look up
    app.post("/predict")(predict)
    app.get("/health")(lambda: "ok")
    uvicorn.run(app, host=HOST, port=given.port, log_level="warning")


def torch_answerer(bundle: Path, threads: int) -> Answerer:
    """Texts in, labels and scores out: the model in torch, all texts in one padded batch."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    if threads:
        torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(bundle)
    model = AutoModelForSequenceClassification.from_pretrained(bundle).eval()

    def answers(texts: list[str]) -> list[dict[str, Any]]:
        inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            best = model(**inputs).logits.softmax(-1).max(-1)
        names = model.config.id2label
        return [
            {"label": names[i], "score": score}
            for i, score in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    return answers


def onnx_answerer(bundle: Path, threads: int) -> Answerer:
    """The same of an .onnx file by ONNX Runtime, with the tokenizers library alone."""
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
    options.inter_op_num_threads = 1
    graph = next(bundle.rglob("*.onnx"))
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    wanted = [one.name for one in session.get_inputs()]
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    tokenizer.enable_padding()
    tokenizer.enable_truncation(512)
    labels = json.loads((bundle / "config.json").read_text("utf-8"))["id2label"]
    parts = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}

    def answers(texts: list[str]) -> list[dict[str, Any]]:
        cut = tokenizer.encode_batch_fast(texts)
        fed = {name: np.array([getattr(one, parts[name]) for one in cut], dtype=np.int64) for name in wanted}
        logits = session.run(["logits"], fed)[0].astype(np.float32)
        shares = np.exp(logits - logits.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        best = shares.argmax(-1)
        return [{"label": labels[str(i)], "score": float(row[i])} for i, row in zip(best, shares, strict=True)]

    return answers


def litserve(given: argparse.Namespace) -> None:
    """LitServe, which only its own environment can import."""
    import lit_server

    lit_server.run(given)


def options() -> argparse.Namespace:
    """The command line's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=["naive", "litserve"])
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--runtime", choices=["torch", "onnx"], default="torch")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--wait", type=float, default=0.005, help="seconds that LitServe waits to fill a batch")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="of a worker (default: torch's own; all cores)")
    parser.add_argument("--fast-queue", action="store_true", help="LitServe's queue over ZeroMQ")
    return parser.parse_args()


if __name__ == "__main__":
    chosen = options()
    {"naive": naive, "litserve": litserve}[chosen.peer](chosen)
