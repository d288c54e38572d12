"""Encoders of pictures and sounds: shapes, padding that changes nothing, packages, what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith import testing
from tunesmith.core.errors import ModelError
from tunesmith.data.media.limits import MediaProblem
from tunesmith.models.encoders.encoder import PIECES, segments
from tunesmith.models.encoders.kept import shelf, states_of
from tunesmith.models.encoders.load import load_encoder
from tunesmith.models.encoders.spectrogram import filters, whisper_mel
from tunesmith.models.packaged.efficientnet_lite0 import EFFICIENTNET_LITE0
from tunesmith.models.packaged.ge2e import GE2E

pytest.importorskip("soundfile")
KINDS = {"image": testing.tiny_image, "ge2e": testing.tiny_audio, "whisper": testing.tiny_whisper}


@pytest.fixture(params=list(KINDS))
def encoder(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    folder = KINDS[request.param](tmp_path / "e")
    return load_encoder(str(folder), "image" if request.param == "image" else "audio")


def urls(encoder: Any) -> list[str]:
    if encoder.modality == "image":
        return [testing.picture_url((i * 40, 10, 200)) for i in range(5)]
    return [testing.tone_url(300 + 200 * i, seconds) for i, seconds in enumerate((0.1, 0.53, 2.9, 1.0, 0.02))]


@pytest.mark.parametrize("parts", [0, PIECES])
def test_a_value_has_the_same_vectors_whatever_is_beside_it(encoder: Any, parts: int) -> None:
    values = urls(encoder)
    together = list(states_of(encoder, values, None, parts=parts))
    for value, states in zip(values, together, strict=True):
        (alone,) = states_of(encoder, [value], None, parts=parts)
        assert states.shape == (1 + parts, encoder.width)  # type: ignore[union-attr]
        assert np.allclose(states, alone, atol=1e-5)  # type: ignore[arg-type]
    assert not np.allclose(together[0], together[1], atol=1e-4)  # type: ignore[arg-type]


def test_quick_is_the_same_function(tmp_path: Path) -> None:
    encoder = load_encoder(str(testing.tiny_image(tmp_path / "e")), "image")
    for layer in encoder.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.running_mean, -1, 1)  # type: ignore[arg-type]
            torch.nn.init.uniform_(layer.running_var, 0.5, 2)  # type: ignore[arg-type]
    pixels = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.allclose(encoder(pixels), encoder.quick()(pixels), atol=1e-4)
        assert encoder.stem.norm is not None


def test_what_was_computed_is_kept_by_content(encoder: Any, tmp_path: Path) -> None:
    kept = shelf(tmp_path / "shelf", "weights")
    values = [*urls(encoder), "/no/such/file.png", urls(encoder)[0]]
    first = list(states_of(encoder, values, kept))
    assert isinstance(first[5], MediaProblem) and np.array_equal(first[0], first[6])  # type: ignore[arg-type]
    encoder.forward = None  # nothing is computed again
    again = list(states_of(encoder, values, kept))
    assert all(np.array_equal(a, b) for a, b in zip(first[:5], again[:5], strict=True))  # type: ignore[arg-type]
    next((tmp_path / "shelf").rglob("*.npy")).write_bytes(b"half")
    with pytest.raises(TypeError):
        list(states_of(encoder, values, kept))


def test_segments_are_means_of_equal_parts() -> None:
    states = torch.arange(12.0).view(1, 6, 2)
    found = segments(states, torch.tensor([[1, 1, 1, 1, 0, 0]]), 2)
    assert found[0].tolist() == [[3.0, 4.0], [1.0, 2.0], [5.0, 6.0]]
    short = segments(states, torch.tensor([[1, 0, 0, 0, 0, 0]]), 2)
    assert short[0].tolist() == [[0.0, 1.0]] * 3


def test_whisper_tells_the_mean_of_all_layers(tmp_path: Path) -> None:
    from transformers import WhisperConfig, WhisperModel

    shape = json.loads((testing.tiny_whisper(tmp_path / "tiny") / "config.json").read_text("utf-8"))
    theirs: Any = WhisperModel(WhisperConfig(**{**shape, "encoder_layers": 3})).eval()
    theirs.save_pretrained(tmp_path / "three")
    ours = load_encoder(str(tmp_path / "three"), "audio")
    seen: list[torch.Tensor] = []
    for layer in theirs.encoder.layers:
        layer.register_forward_hook(
            lambda module, given, made: seen.append(made[0] if isinstance(made, tuple) else made)
        )
    frames = torch.randn(2, 120, 80)  # a whole window: theirs always reads one
    with torch.inference_mode():
        theirs.encoder(frames.transpose(1, 2))
        wanted = torch.stack([torch.nn.functional.layer_norm(x, (16,)).mean(1) for x in seen]).mean(0)
        assert len(seen) == 3 and torch.allclose(ours(frames)[:, 0], wanted, atol=1e-5)


def test_long_sounds_go_through_the_layers_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an hour at once is 60 stretches: 10 GB."""
    from tunesmith.models.encoders import whisper

    encoder: Any = load_encoder(str(testing.tiny_whisper(tmp_path / "tiny")), "audio")
    frames, lengths = torch.randn(2, 1000, 80), torch.tensor([1000, 130])
    with torch.inference_mode():
        wanted = encoder(frames, lengths)
        monkeypatch.setattr(whisper, "FRAMES", 240)
        seen: list[int] = []
        encoder.encoder.conv1.register_forward_hook(lambda module, given, made: seen.append(len(given[0])))
        assert torch.allclose(encoder(frames, lengths), wanted, atol=1e-5)
    assert max(seen) == 2 and sum(seen) <= 12, "and what lies behind a sound's end is not computed"


def test_waves_are_read_in_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    from tunesmith.models.encoders import general

    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
             "conv_dim": [8, 8], "conv_stride": [10, 8], "conv_kernel": [20, 16], "num_conv_pos_embeddings": 4,
             "num_conv_pos_embedding_groups": 2, "num_feat_extract_layers": 2, "do_stable_layer_norm": True,
             "feat_extract_norm": "layer"}  # fmt: skip
    Wav2Vec2Model(Wav2Vec2Config(**shape)).save_pretrained(tmp_path)  # type: ignore[arg-type]
    encoder = load_encoder(str(tmp_path), "audio")
    monkeypatch.setattr(general, "WINDOW", 1)
    longest: list[int] = []
    encoder.model.register_forward_pre_hook(lambda module, given: longest.append(given[0].shape[1]))
    values = [testing.tone_url(300, 2.001), testing.tone_url(500, 0.7), testing.tone_url(700, 1.5)]
    together = list(states_of(encoder, values, None, parts=PIECES))
    assert longest == [16_000, 16_000, 1600]
    (alone,) = states_of(encoder, values[:1], None, parts=PIECES)
    assert np.allclose(together[0], alone, atol=1e-4) and np.isfinite(together).all()  # type: ignore[arg-type]


def test_spectrograms_are_those_of_transformers() -> None:
    from transformers import WhisperFeatureExtractor

    wave = np.random.default_rng(0).standard_normal(480_000).astype(np.float32)
    wanted = WhisperFeatureExtractor(feature_size=80)(wave, sampling_rate=16_000, return_tensors="np")
    assert np.abs(whisper_mel(wave).T - wanted["input_features"][0]).max() < 2e-3
    assert filters(16_000, 400, 40).sum() > 0


@pytest.mark.parametrize(("model", "modality"), [(EFFICIENTNET_LITE0, "image"), (GE2E, "audio")])
def test_packages_are_converted(model: Any, modality: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not model.installed:
        pytest.skip(f"{model.package} is absent")
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path))
    encoder = load_encoder(str(model.folder()), modality)
    assert sum(p.numel() for p in encoder.parameters()) > 1_000_000
    (states,) = states_of(
        encoder, [testing.picture_url((200, 30, 30), 64) if modality == "image" else testing.tone_url(440)], None
    )
    assert np.isfinite(states).all() and float(np.std(states)) > 0.01  # type: ignore[arg-type]


def test_a_picture_is_read_by_the_stages_before_the_last_layer_too(tmp_path: Path) -> None:
    encoder = load_encoder(str(testing.tiny_image(tmp_path / "e")), "image")
    last = encoder.last.conv.out_channels
    torch.nn.init.zeros_(encoder.last.conv.weight)
    red, blue = states_of(encoder, [testing.picture_url((200, 0, 0)), testing.picture_url((0, 0, 200))], None)
    assert np.allclose(red[:, :last], blue[:, :last])  # type: ignore[index]
    beside = [red[:, last:], blue[:, last:]]  # type: ignore[index]
    assert beside[0].shape[1] == encoder.width - last > 0 and not np.allclose(*beside)


def test_a_model_of_another_modality_is_refused(tmp_path: Path) -> None:
    folder = testing.tiny_audio(tmp_path / "e")
    with pytest.raises(ModelError, match="reads audio, not image"):
        load_encoder(str(folder), "image")


@pytest.mark.parametrize("kind", ["SwinModel", "SiglipVisionModel", "ViTModel", "Dinov2WithRegistersModel"])
def test_a_square_of_states_has_no_class_token(kind: str, tmp_path: Path) -> None:
    """Its first patch was taken for the whole picture, and its parts were read from a wrong grid."""
    import transformers

    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
             "image_size": 32, "patch_size": 8}  # fmt: skip
    if kind == "SwinModel":
        shape = {"image_size": 48, "patch_size": 4, "embed_dim": 16, "depths": [1], "num_heads": [2], "window_size": 3}
    made = getattr(transformers, kind)
    made(made.config_class(**shape)).save_pretrained(tmp_path)
    encoder = load_encoder(str(tmp_path), "image")
    states: list[torch.Tensor] = []
    encoder.model.register_forward_hook(lambda module, given, found: states.append(found.last_hidden_state))
    size = encoder.takes.size
    pixels = torch.randint(0, 256, (1, size, size, 3), dtype=torch.uint8)
    with torch.inference_mode():
        made_of_it = encoder(pixels, pieces=PIECES)
        alone = encoder(pixels)
    (found,) = states[:1]
    extra = {"SwinModel": 0, "SiglipVisionModel": 0, "ViTModel": 1, "Dinov2WithRegistersModel": 5}[kind]
    side = round((found.shape[1] - extra) ** 0.5)
    assert side * side + extra == found.shape[1]
    whole = found[:, 0] if extra else found.mean(1)
    assert torch.allclose(made_of_it[:, 0], whole, atol=1e-6) and torch.allclose(alone[:, 0], whole, atol=1e-6)
    corner = found[:, extra:].reshape(side, side, -1)[: -(-side // 3), : -(-side // 3)].mean((0, 1))
    assert torch.allclose(made_of_it[0, 1], corner, atol=1e-5)


def test_models_that_read_no_waves_are_refused(tmp_path: Path) -> None:
    from transformers import ASTConfig, ASTModel

    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    ASTModel(ASTConfig(**shape, max_length=64, num_mel_bins=32)).save_pretrained(tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="does not read waves"):
        load_encoder(str(tmp_path), "audio")


@pytest.mark.parametrize("kind", ["ViTModel", "ResNetModel"])
def test_any_model_of_transformers_reads_pictures(kind: str, tmp_path: Path) -> None:
    import transformers

    shapes: dict[str, dict[str, Any]] = {
        "ViTModel": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
                     "image_size": 32, "patch_size": 8},
        "ResNetModel": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
    }  # fmt: skip
    made = getattr(transformers, kind)
    made(made.config_class(**shapes[kind])).save_pretrained(tmp_path)
    encoder = load_encoder(str(tmp_path), "image")
    (states,) = states_of(encoder, [testing.picture_url((1, 200, 3))], None, parts=PIECES)
    assert states.shape == (1 + PIECES, 16)  # type: ignore[union-attr]
