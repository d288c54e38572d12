"""Speech to text by Whisper: greedy, in stretches of 30 s, many at once.

Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tunesmith.core.errors import ModelError
from tunesmith.models.encoders.spectrogram import WHISPER_RATE, whisper_mel
from tunesmith.models.load import quiet
from tunesmith.models.reference import ModelReference, resolve

STRETCH = 30 * WHISPER_RATE
LOOKED = 5 * WHISPER_RATE
"""Samples at a stretch's end among which the quietest place is looked for, to cut there."""
MOST_TOKENS = 224
TOGETHER = 8
START, TRANSCRIBE, NO_TIMES, END = "<|startoftranscript|>", "<|transcribe|>", "<|notimestamps|>", "<|endoftext|>"


class Speech:
    """A Whisper model that writes what it hears.

    Args:
        name: a packaged name, a hub id or a folder.
        language: ISO 639 code; None: heard from each stretch.

    Raises:
        ModelError: it is no Whisper, or does not know the language.
    """

    def __init__(self, name: str = "whisper-base", language: str | None = None, device: str = "cpu") -> None:
        from tokenizers import Tokenizer
        from transformers import WhisperForConditionalGeneration

        self.reference: ModelReference = resolve(name)
        folder = Path(self.reference.path)
        if json.loads((folder / "config.json").read_text("utf-8")).get("model_type") != "whisper":
            raise ModelError(f'"{name}" is no Whisper: it writes nothing of what it hears.', "Take whisper-base.")
        with quiet():
            model: Any = WhisperForConditionalGeneration.from_pretrained(folder, local_files_only=True)
        self.model = model.eval().to(device)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.device = device
        self.mels = int(model.config.num_mel_bins)
        first, last = self._id(START) + 1, self._id("<|translate|>")
        spoken = range(first, min(last, self._id(TRANSCRIBE)))
        self.languages = {str(self.tokenizer.id_to_token(i))[2:-2]: i for i in spoken}
        if language is not None and language not in self.languages:
            raise ModelError(f'"{name}" does not know the language "{language}".', "Give its ISO 639 code: en, zh, de.")
        self.language = language
        own = _settings(folder)
        self.never = torch.tensor(own.get("suppress_tokens") or [], dtype=torch.long, device=device)
        self.never_first = torch.tensor(own.get("begin_suppress_tokens") or [], dtype=torch.long, device=device)

    def texts(self, waves: Sequence[np.ndarray]) -> list[str]:
        """What is said in each wave (float32 [samples], 16 kHz); "" where nothing is."""
        pieces = [(i, piece) for i, wave in enumerate(waves) for piece in stretches(wave)]
        found: list[list[str]] = [[] for _ in waves]
        for start in range(0, len(pieces), TOGETHER):
            some = pieces[start : start + TOGETHER]
            for (i, _), text in zip(some, self._written([piece for _, piece in some]), strict=True):
                found[i].append(text.strip())
        return [" ".join(filter(None, texts)) for texts in found]

    @torch.inference_mode()
    def _written(self, pieces: Sequence[np.ndarray]) -> list[str]:
        mels = np.stack([whisper_mel(np.pad(piece, (0, STRETCH - len(piece))), self.mels) for piece in pieces])
        features = torch.from_numpy(mels.transpose(0, 2, 1)).to(self.device)
        heard = self.model.model.encoder(features)
        begin = torch.full((len(pieces), 1), self._id(START), device=self.device)
        spoken = self._languages(heard, begin)
        fixed = torch.tensor([[self._id(TRANSCRIBE), self._id(NO_TIMES)]], device=self.device).expand(len(pieces), -1)
        ids = torch.cat([begin, spoken, fixed], dim=1)
        prompt, end, past = ids.shape[1], self._id(END), None
        done = torch.zeros(len(pieces), dtype=torch.bool, device=self.device)
        step = ids
        while not bool(done.all()) and ids.shape[1] - prompt < MOST_TOKENS:
            out = self.model(encoder_outputs=heard, decoder_input_ids=step, past_key_values=past, use_cache=True)
            past, logits = out.past_key_values, out.logits[:, -1]
            logits[:, self.never] = -torch.inf
            if ids.shape[1] == prompt:
                logits[:, self.never_first] = -torch.inf
            logits[:, end + 1 :] = -torch.inf  # neither languages nor times
            step = torch.where(done, end, logits.argmax(-1)).unsqueeze(1)
            done |= step.squeeze(1) == end
            ids = torch.cat([ids, step], dim=1)
        return [self.tokenizer.decode(row, skip_special_tokens=True) for row in ids[:, prompt:].tolist()]

    def _languages(self, heard: Any, begin: torch.Tensor) -> torch.Tensor:
        """The token of each piece's language, [pieces, 1]."""
        if self.language is not None:
            return torch.full_like(begin, self.languages[self.language])
        known = torch.tensor(list(self.languages.values()), device=self.device)
        logits = self.model(encoder_outputs=heard, decoder_input_ids=begin).logits[:, -1, known]
        return known[logits.argmax(-1)].unsqueeze(1)

    def _id(self, token: str) -> int:
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise ModelError(f'The tokenizer of "{self.reference.name}" has no {token}.', "Take whisper-base.")
        return int(found)


def stretches(wave: np.ndarray) -> Iterator[np.ndarray]:
    """A wave in pieces of 30 s at most, each cut at the quietest place of its last 5 s."""
    while len(wave) > STRETCH:
        end = wave[STRETCH - LOOKED : STRETCH]
        loud = np.convolve(np.abs(end), np.ones(1600, np.float32), "same")  # over a tenth of a second
        cut = STRETCH - LOOKED + int(loud.argmin())
        yield wave[:cut]
        wave = wave[cut:]
    yield wave


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "generation_config.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found
