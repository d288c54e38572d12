"""How fast frozen encoders make vectors: pictures a second, and seconds of sound a second, against a plain loop.

    python benchmarks/media_features.py --data FOLDER

The plain loop is what a page of transformers shows: a file is opened, its processor makes tensors, batches of 16 go
through the model in fp32. Both read the same files, from the same weights, with nothing kept from before; contenders
take turns, and the best of all rounds counts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import harness

SETS = {
    "pictures of 224 x 224": {"folder": "fashion_multimodal", "column": "image", "modality": "image"},
    "pictures of 32 x 32": {"folder": "cifar10_small", "column": "image", "modality": "image"},
    "spoken words, whisper-base": {"folder": "spoken_digits", "column": "audio", "modality": "audio"},
    "sounds of 25 s, whisper-base": {"folder": "spoken_digits", "column": "audio", "modality": "audio", "joined": 25.0},
}
CONTENDERS = {"plain": "a plain loop over transformers' processor and model", "ours": "Tunesmith"}
BATCH = 16


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: the files' vectors, and how long they took; loading the model is not counted."""
    import torch

    torch.set_num_threads(job["threads"])
    told = SETS[job["set"]]
    folder = Path(job["data"], told["folder"])
    paths = [str(folder / row[told["column"]]) for row in harness.rows_of(folder / "manifest.csv", job["files"])]
    with tempfile.TemporaryDirectory() as place:
        if told.get("joined"):
            paths = joined(paths, Path(place), told["joined"], job["sounds"])
        seconds = sum(map(length, paths)) if told["modality"] == "audio" else 0.0
        make = {"plain": plain, "ours": ours}[job["contender"]]
        taken, vectors = make(paths, told["modality"])
    return {"files": len(paths), "seconds_of_sound": seconds, "taken": taken, "mean": float(vectors.mean())}


def ours(paths: list[str], modality: str) -> tuple[float, Any]:
    """Our way, without a cache."""
    import numpy as np

    from tunesmith.models.encoders.kept import states_of
    from tunesmith.models.encoders.load import load_encoder
    from tunesmith.models.reference import resolve

    name = "efficientnet-lite0" if modality == "image" else "whisper-base"
    encoder = load_encoder(resolve(name).path, modality)
    list(states_of(encoder, paths[:2], None))
    start = time.perf_counter()
    found = np.stack([states[0] for states in states_of(encoder, paths, None)])  # type: ignore[index]
    return time.perf_counter() - start, found


def plain(paths: list[str], modality: str) -> tuple[float, Any]:
    """A loop as documentation shows it."""
    import numpy as np
    import torch

    from tunesmith.models.encoders.load import load_encoder
    from tunesmith.models.reference import resolve

    found = []
    if modality == "image":
        from PIL import Image
        from transformers import ViTImageProcessor

        # transformers has no EfficientNet-Lite: the same network by its plain definition, behind its image processor.
        network = load_encoder(resolve("efficientnet-lite0").path, "image")
        processor: Any = ViTImageProcessor(
            size={"height": 224, "width": 224}, image_mean=[0.5] * 3, image_std=[0.5] * 3, resample=3
        )

        def vectors(chosen: list[str]) -> Any:
            pixels = processor([Image.open(path).convert("RGB") for path in chosen], return_tensors="pt")[
                "pixel_values"
            ]
            x = network.stem(pixels)
            for block in network.blocks:
                x = block(x)
            return network.last(x).mean((2, 3))
    else:
        import soundfile
        import soxr
        from transformers import WhisperFeatureExtractor, WhisperModel

        model: Any = WhisperModel.from_pretrained(resolve("whisper-base").path).eval()
        extractor = WhisperFeatureExtractor(feature_size=80)

        def vectors(chosen: list[str]) -> Any:
            waves = []
            for path in chosen:
                wave, rate = soundfile.read(path, dtype="float32")
                waves.append(soxr.resample(wave, rate, 16_000))
            features = extractor(waves, sampling_rate=16_000, return_tensors="pt")["input_features"]
            return model.encoder(features).last_hidden_state.mean(1)

    with torch.inference_mode():
        vectors(paths[:2])
        start = time.perf_counter()
        for i in range(0, len(paths), BATCH):
            found.append(vectors(paths[i : i + BATCH]).numpy())
        return time.perf_counter() - start, np.concatenate(found)


def joined(paths: list[str], place: Path, seconds: float, many: int) -> list[str]:
    """So many sounds of about this length, made of the words one after the other."""
    import numpy as np
    import soundfile

    made, waves, total = [], [], 0.0
    for path in paths * 100:
        wave, rate = soundfile.read(path, dtype="float32")
        waves.append(wave)
        total += len(wave) / rate
        if total >= seconds:
            made.append(str(place / f"{len(made)}.wav"))
            soundfile.write(made[-1], np.concatenate(waves), rate)
            waves, total = [], 0.0
        if len(made) == many:
            break
    return made


def length(path: str) -> float:
    """Seconds of a sound."""
    import soundfile

    return float(soundfile.info(path).duration)


def main() -> None:
    """The command line."""
    parser = harness.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--files", type=int, default=400, help="of each set")
    parser.add_argument("--sounds", type=int, default=16, help="of 25 s")
    parser.add_argument("--rounds", type=int, default=3)
    given = harness.parse(parser)
    if given.quick:
        given.files, given.sounds, given.rounds = 20, 2, 1
    run = harness.context()
    kept = harness.kept(given.results / "media_features.json", {})
    threads = run["machine"]["cores"]
    for name in given.only:
        rounds = few(given, name)
        kept[name] = {**{who: [] for who in CONTENDERS}, **run}
        for _ in range(rounds):
            for who in CONTENDERS:
                job = {"set": name, "contender": who, "data": str(given.data), "threads": threads}
                job |= {"files": given.files, "sounds": given.sounds}
                kept[name][who].append(harness.child(__file__, job))
        harness.write(given.results, "media_features", "Vectors of pictures and sounds", page(kept), kept)


def few(given: argparse.Namespace, name: str) -> int:
    """A plain loop over Whisper pads each word to 30 s: fewer words, and one round, are minutes enough."""
    return 1 if name == "spoken words, whisper-base" else int(given.rounds)


def page(kept: dict[str, Any]) -> list[str]:
    """A table."""
    rows = []
    for name in [name for name in SETS if name in kept]:
        cells = []
        for who in CONTENDERS:
            best = min(kept[name][who], key=lambda one: one["taken"])
            amount = best["seconds_of_sound"] or best["files"]
            cells.append((amount / best["taken"], best))
        unit = "s of sound/s" if cells[0][1]["seconds_of_sound"] else "pictures/s"
        figures = [f"{rate:,.1f}" for rate, _ in cells]
        rows.append([f"{name} ({cells[0][1]['files']} files)", unit, *figures, f"{cells[1][0] / cells[0][0]:.1f} x"])
    lines = harness.table(["files", "unit", *CONTENDERS.values(), "ours to plain"], rows)
    return [*lines, "", *harness.parts_lines({name: one for name, one in kept.items()})]


if __name__ == "__main__":
    harness.entry(work, main)
