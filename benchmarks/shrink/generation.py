"""Generation: tokens a second, memory and perplexity of a tuned SmolLM2, against plain ``transformers.generate``.

    python benchmarks/shrink/generation.py --data FOLDER
    python benchmarks/shrink/generation.py --data FOLDER --rounds 5 --tokens 256

One bundle of the task dialogue (LoRA on instruct_demo, merged), and its forms. Each contender writes the same number of
tokens after the same held-out questions, one sequence and 8 at once, greedily, and must not end earlier. A process of
its own for each, in turns, ``--rounds`` times; medians. Nothing is warm but the libraries: other questions are answered
first. Memory is the process's own: the most that was resident at any time, and what is when all is written.

Perplexity is of held-out answers, given token by token; its rise against fp32 is paired, with an interval.
``tunesmith shrink --to auto`` with its default limit (1%) then says what it would ship.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import parents
from parents import harness

NAME = "shrink_generation"
FORMS = ("onnx", "int8", "int4-mixed", "int4")
PLAIN = ("transformers fp32", "transformers bf16")
OURS = ("torch fp32", "torch bf16")
CONTENDERS = (*PLAIN, *OURS, *FORMS)
LABELS = {
    "transformers fp32": "`transformers.generate`, fp32", "transformers bf16": "`transformers.generate`, bf16",
    "torch fp32": "ours, torch fp32", "torch bf16": "ours, torch bf16", "onnx": "ours, `onnx` (fp32)",
    "int8": "ours, `int8`", "int4-mixed": "ours, `int4-mixed`", "int4": "ours, `int4`",
}  # fmt: skip
TEXTS = (1, 8)
Write = Callable[[Sequence[Sequence[int]], int], list[list[int]]]
"""(prompts, tokens) -> what was written after each."""


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child."""
    return {"tune": tuned, "form": formed, "search": searched, "bf16": in_bf16, "speed": speed}[job["do"]](job)


def tuned(job: dict[str, Any]) -> dict[str, Any]:
    """The parent, of the first rows; the last ones are held out."""
    place = Path(job["place"])
    place.mkdir(parents=True, exist_ok=True)
    rows = json.loads(Path(job["data"], "instruct_demo", "alpaca_en.json").read_text("utf-8"))
    train, held, test = job["rows"]
    parts = {"train": rows[:train], "validation": rows[train : train + held], "test": rows[-test:]}
    for name, part in parts.items():
        (place / f"{name}.json").write_text(json.dumps(part, ensure_ascii=False), "utf-8")
    data = [str(place / "train.json"), *(f"data.{name}={place / name}.json" for name in ("validation", "test"))]
    made = harness.verb(
        "tune", *data, "model=smollm2", f"bundle={place / 'bundle'}", "training.epochs=1", "task.max_new_tokens=32",
        "evaluation.baselines=false", *job["settings"],
    )  # fmt: skip
    return {"metrics": made["metrics"], "before": made["before"]}


def formed(job: dict[str, Any]) -> dict[str, Any]:
    """A form of the parent, whether it would ship or not."""
    from tunesmith.compression import WRITER_FORMS

    form, folder = WRITER_FORMS.make(job["form"]), Path(job["place"], job["form"])
    started = time.perf_counter()
    form.write(Path(job["place"], "bundle"), folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"seconds": time.perf_counter() - started, "bytes": size}


def searched(job: dict[str, Any]) -> dict[str, Any]:
    """``tunesmith shrink``."""
    return parents.shrunk(job)


def in_bf16(job: dict[str, Any]) -> dict[str, Any]:
    """What bf16 costs: perplexity of the test answers in it, and in fp32, both by torch."""
    import torch

    from tunesmith.bundle.predictor import Predictor
    from tunesmith.bundle.read import read_bundle
    from tunesmith.bundle.runtimes.torch import TorchRuntime, load_model
    from tunesmith.evaluation.rise import risen
    from tunesmith.tasks.likelihood import likelihoods

    bundle = read_bundle(Path(job["place"], "bundle"), verify=False)
    rows = [row for row in _rows(job["place"]) if row]
    model = load_model(bundle).eval()
    evidence = []
    for kind in (torch.float32, torch.bfloat16):
        runtime = TorchRuntime(model.to(kind))
        predictor = Predictor(bundle.task, bundle.processor, runtime, max_length=bundle.manifest.max_length)
        features = predictor.encode(rows, targets=True)
        evidence.append(likelihoods(predictor.score(features), features, len(rows)))
    found = evidence[1]
    perplexity = float(2.718281828459045 ** (-found["log_likelihood"].sum() / found["target_tokens"].sum()))
    return {"perplexity": perplexity, "rise": risen(*evidence)}


def speed(job: dict[str, Any]) -> dict[str, Any]:
    """Write, and look at the clock."""
    started = time.perf_counter()
    write = _writer(job)
    loaded = time.perf_counter() - started
    prompts, others = job["prompts"], job["others"]
    write(others, 4)
    marks = [time.perf_counter()]
    write(prompts[: job["texts"]][::-1] if job["texts"] > 1 else others[:1], 1)
    marks.append(time.perf_counter())
    texts = write(prompts[: job["texts"]], job["tokens"])
    marks.append(time.perf_counter())
    assert all(len(text) == job["tokens"] for text in texts), "it ended too early"
    return {
        "load": loaded,
        "seconds": marks[2] - marks[1],
        "tokens": sum(map(len, texts)),
        "texts": [hashlib.sha256(str(text).encode()).hexdigest()[:16] for text in texts],  # to compare, not to read
        "now_mib": _resident(),
        "most_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _writer(job: dict[str, Any]) -> Write:
    """A contender, loaded."""
    name, place = job["contender"], Path(job["place"])
    if name in PLAIN:
        return _plain(place / "bundle", name.split()[1])
    if name in OURS:
        from tunesmith.bundle.read import read_bundle
        from tunesmith.bundle.runtimes.torch import load_model
        from tunesmith.models.decoder.decoder import Decoder

        model = load_model(read_bundle(place / "bundle", verify=False)).eval()
        decoder: Any = Decoder(model, rows=job["texts"], length=job["length"], precision=name.split()[1], own=True)
    else:
        from tunesmith.bundle.runtimes.onnx_writer import OnnxWriter

        runtime = OnnxWriter.of(place / name / "onnx" / "model.onnx", place / "bundle", job["precision"])
        decoder = runtime.decoder(rows=job["texts"], length=job["length"])
    from tunesmith.core.contracts import Decoding
    from tunesmith.models.decoder.continuous import written

    def write(prompts: Sequence[Sequence[int]], tokens: int) -> list[list[int]]:
        decoding = Decoding(max_new_tokens=tokens, min_new_tokens=tokens)
        return [one.ids for one in written(decoder, prompts, decoding)]

    return write


def _plain(folder: Path, precision: str) -> Write:
    import torch
    from transformers import AutoModelForCausalLM

    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=kind).eval()

    def write(prompts: Sequence[Sequence[int]], tokens: int) -> list[list[int]]:
        longest = max(map(len, prompts))
        ids = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        options: Any = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False, "pad_token_id": 0}
        with torch.inference_mode():
            found = model.generate(input_ids=ids, attention_mask=mask, **options)
        return [row[longest:].tolist() for row in found]

    return write


def _resident() -> float:
    """MiB of this process now; NaN where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    except (OSError, IndexError):
        return float("nan")
    return pages * resource.getpagesize() / 2**20


def _rows(place: str) -> list[dict[str, Any]]:
    from tunesmith.data.shapes.dialogue import DialogueShape

    rows = json.loads(Path(place, "test.json").read_text("utf-8"))
    return [row for cells in rows for row in DialogueShape().read(cells, target=True)]


def asked(place: Path) -> list[list[int]]:
    """Test questions as the bundle cuts them, those of ordinary length."""
    from tunesmith.bundle.read import read_bundle
    from tunesmith.bundle.rows import inputs_only

    bundle = read_bundle(place / "bundle", verify=False)
    predictor = bundle.predictor(device="cpu")
    features = predictor.encode(inputs_only(bundle.task, _rows(str(place))))
    return [one["input_ids"].tolist() for one in features if 20 <= len(one["input_ids"]) <= 128][:16]


def page(kept: dict[str, Any]) -> list[str]:
    """The page."""
    runs, forms, search = kept["runs"], kept["forms"], kept["search"]["shrink"]
    candidates = {one["name"]: one for one in search["candidates"]}
    scores = {
        name: (one["test"]["value"], {"value": one["test"]["loss"], "low": one["test"]["loss_low"],
                                      "high": one["test"]["loss_high"]}, one["test"]["agreement"])
        for name, one in candidates.items()
    }  # fmt: skip
    scores["torch fp32"] = scores["transformers fp32"] = (scores["torch"][0], None, 1.0)
    bf16 = kept["bf16"]
    scores["torch bf16"] = scores["transformers bf16"] = (bf16["perplexity"], bf16["rise"], None)
    base = {n: _rate(runs[f"{PLAIN[0]} {n}"]) for n in TEXTS}
    first = {n: runs[f"{PLAIN[0]} {n}"][0]["texts"] for n in TEXTS}
    header = ["contender", "tokens/s, 1", "against plain fp32", "tokens/s, 8", "against plain fp32", "peak MiB, 1",
              "peak MiB, 8", "at the end, 8", "weights, MiB", "perplexity", "rise", "same next tokens",
              "texts as plain fp32, of 8"]  # fmt: skip
    rows, best = [], {n: 0.0 for n in TEXTS}
    for name in CONTENDERS:
        if not all(runs.get(f"{name} {n}") for n in TEXTS):
            continue
        rates = {n: _rate(runs[f"{name} {n}"]) for n in TEXTS}
        if name not in PLAIN:
            best = {n: max(best[n], rates[n] / base[n]) for n in TEXTS}
        one, eight = (runs[f"{name} {n}"] for n in TEXTS)
        value, rise, same = scores[name]
        alike = sum(a == b for a, b in zip(first[8], eight[0]["texts"], strict=True))
        rows.append([
            LABELS[name], f"{rates[1]:.1f}", f"{rates[1] / base[1]:.1f}x", f"{rates[8]:.1f}",
            f"{rates[8] / base[8]:.1f}x", _mib(one, "most_mib"), _mib(eight, "most_mib"), _mib(eight, "now_mib"),
            f"{forms[name]['bytes'] / 2**20:.0f}" if name in forms else "513" if "fp32" in name else "257",
            f"{value:.3f}", "-" if rise is None else f"{rise['value']:+.2%} [{rise['low']:+.2%}, {rise['high']:+.2%}]",
            "-" if same is None else f"{same:.1%}", alike,
        ])  # fmt: skip
    counts = kept["settings"]
    return [
        f"SmolLM2-135M-Instruct, tuned on {counts['rows'][0]} rows of instruct_demo (LoRA, one epoch, merged). "
        f"{counts['tokens']} tokens after held-out questions, greedily; medians of "
        f"{min(len(found) for found in runs.values())} processes each, reading the questions included. Peak: the most "
        "that was resident, loading included; of torch that is twice the weights while they are repacked.",
        "",
        *harness.table(header, rows),
        "",
        f"The best of ours is {best[1]:.1f} times as fast as plain `transformers.generate` in fp32 with one sequence, "
        f"{best[8]:.1f} times with 8.",
        "",
        "## What `tunesmith shrink --to auto` ships",
        "",
        f"`tunesmith shrink BUNDLE --max-loss {search['max_loss']:g} --test-all`: {search['words']}",
        "",
        f"Perplexity over {search['rows']['test']} test rows; paired rises, 95% intervals. bf16 is scored by torch.",
        "",
        *harness.context_lines(kept),
        *harness.busy_note([run for found in runs.values() for run in found]),
    ]


def _rate(runs: Sequence[dict[str, Any]]) -> float:
    return statistics.median(run["tokens"] / run["seconds"] for run in runs)


def _mib(runs: Sequence[dict[str, Any]], key: str) -> str:
    return f"{statistics.median(run[key] for run in runs):.0f}"


def main() -> None:
    """The command line."""
    given = options()
    path = given.results / f"{NAME}.json"
    settings = {"rows": given.rows, "tokens": given.tokens, "settings": given.set}
    kept: dict[str, Any] = harness.kept(path, {})
    place = given.work / "generation"
    if kept.get("settings") != settings:
        kept = {**harness.context(), "settings": settings, "runs": {}, "forms": {}}
    job: dict[str, Any] = {"place": str(place), "data": str(given.data)}
    if not (place / "bundle" / "tunesmith.json").is_file():
        kept["tuned"] = harness.child(__file__, {**job, "do": "tune", "rows": given.rows, "settings": given.set})
    for form in FORMS:
        if form not in kept["forms"] or not (place / form).is_dir():
            kept["forms"][form] = harness.child(__file__, {**job, "do": "form", "form": form})
    if "search" not in kept:
        words = ["--to", "auto", "--test-all"]
        search = {"do": "search", "parent": str(place / "bundle"), "into": "picked", "words": words}
        kept["search"] = harness.child(__file__, search)
    if "bf16" not in kept:
        kept["bf16"] = harness.child(__file__, {**job, "do": "bf16"})
    questions = asked(place)
    job |= {"do": "speed", "prompts": questions[:8], "others": questions[8:], "tokens": given.tokens}
    job["length"] = max(map(len, questions)) + given.tokens + 8
    for turn in range(given.rounds):
        for name in CONTENDERS:
            for texts in TEXTS:
                runs = kept["runs"].setdefault(f"{name} {texts}", [])
                if len(runs) <= turn:
                    precision = "fp32" if name == "onnx" else name.split("-")[0]
                    one = {**job, "contender": name, "texts": texts, "precision": precision}
                    runs.append(harness.child(__file__, one))
        harness.write(given.results, NAME, "Shrink: generation", page(kept), kept)


def options() -> argparse.Namespace:
    """The command line's."""
    parser = harness.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=128, help="written by each sequence (128)")
    parser.add_argument("--rows", type=int, nargs=3, default=[600, 60, 100], metavar=("TRAIN", "VALIDATION", "TEST"))
    parser.add_argument("--set", nargs="*", default=[], help="overrides for the parent, training.batch_size=16 ...")
    parser.add_argument("--work", type=Path, default=Path("out/shrink"), help="where the parent is kept (out/shrink)")
    given = harness.parse(parser)
    if given.quick:
        given.rounds, given.tokens, given.rows = 1, 8, [16, 8, 24]
        given.set = ["training.max_steps=2", *given.set]
    given.work = given.work.resolve() / ("quick" if given.quick else "")
    return given


if __name__ == "__main__":
    harness.entry(work, main)
