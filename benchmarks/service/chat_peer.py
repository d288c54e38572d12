"""What everybody writes first: ``generate`` with a TextIteratorStreamer in a thread, behind FastAPI.

    python benchmarks/service/chat_peer.py --model FOLDER --precision fp32 --port 8001

It streams events in the shape of OpenAI's, and imports nothing of tunesmith: a bundle is a plain folder.
"""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"


def main() -> None:
    """Serve until killed."""
    import torch
    import uvicorn
    from fastapi import FastAPI, Request
    from fastapi.responses import StreamingResponse
    from transformers import AutoModelForCausalLM, AutoTokenizer, TextIteratorStreamer

    given = options()
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[given.precision]
    model = AutoModelForCausalLM.from_pretrained(given.model, dtype=kind).eval()
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    app = FastAPI()

    def events(asked: dict[str, Any]) -> Iterator[str]:
        made = {"add_generation_prompt": True, "return_tensors": "pt", "return_dict": True}
        inputs = tokenizer.apply_chat_template(asked["messages"], **made)
        streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        lengths = {"max_new_tokens": asked["max_tokens"], "min_new_tokens": asked["min_tokens"], "do_sample": False}
        threading.Thread(target=model.generate, kwargs={**inputs, "streamer": streamer, **lengths}).start()
        for piece in streamer:
            if piece:
                yield f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': piece}}]})}\n\n"
        yield "data: [DONE]\n\n"

    async def chat(request: Any) -> Any:
        return StreamingResponse(events(await request.json()), media_type="text/event-stream")

    chat.__annotations__["request"] = Request
    app.post("/v1/chat/completions")(chat)
    app.get("/health")(lambda: "ok")
    uvicorn.run(app, host=HOST, port=given.port, log_level="warning")


def options() -> argparse.Namespace:
    """The command line's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--port", type=int, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
