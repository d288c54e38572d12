"""Pictures and sounds: what can be used is read, and each thing that cannot says which it is and why."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tunesmith.data.media.limits import Limits, MediaProblem
from tunesmith.data.media.picture import check_picture, picture
from tunesmith.data.media.place import content, inline_bytes, settled
from tunesmith.data.media.sound import check_sound, sound

soundfile = pytest.importorskip("soundfile")


@pytest.fixture
def red(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    Image.new("RGB", (30, 20), (255, 0, 0)).save(path)
    return path


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    wave = np.sin(np.arange(8000) / 8000 * 440 * 2 * np.pi)
    soundfile.write(path, np.stack([wave, wave], axis=1), 8000)
    return path


def png_claiming(width: int, height: int) -> bytes:
    """A whole PNG of a few bytes whose header promises as many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )


def test_a_picture_is_read_whole_and_brought_to_size(red: Path) -> None:
    assert picture(str(red)).shape == (20, 30, 3)
    small = picture(str(red), 8)
    assert small.shape == (8, 8, 3) and small.dtype == np.uint8 and (small == [255, 0, 0]).all()


@pytest.mark.parametrize(
    ("mode", "colour", "wanted"),
    [
        ("L", 128, 128), ("RGBA", (0, 0, 0, 0), 255), ("P", 0, 0), ("1", 1, 255), ("CMYK", (0, 0, 0, 255), 0),
        ("I;16", 65535, 255), ("LA", (0, 0), 255),
    ],
)  # fmt: skip
def test_every_kind_of_picture_becomes_red_green_and_blue(tmp_path: Path, mode: str, colour: Any, wanted: int) -> None:
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    Image.new(mode, (4, 4), colour).save(path)
    assert (np.abs(picture(str(path)).astype(int) - wanted) <= 1).all()


def test_floating_point_goes_from_0_to_1(tmp_path: Path) -> None:
    for top, name in ((1.0, "one.tif"), (255.0, "bytes.tif"), (65535.0, "words.tif")):
        Image.fromarray(np.array([[0, top / 2], [top / 4, top]], np.float32)).save(tmp_path / name)
        assert np.abs(picture(str(tmp_path / name))[..., 0].astype(int) - [[0, 127], [63, 255]]).max() <= 1
    Image.fromarray(np.array([[0, np.nan]], np.float32)).save(tmp_path / "nan.tif")
    with pytest.raises(MediaProblem, match="pixels that are no numbers"):
        picture(str(tmp_path / "nan.tif"))


def test_a_picture_stands_as_its_camera_says(tmp_path: Path) -> None:
    pixels = Image.new("RGB", (40, 20))
    exif = pixels.getexif()
    exif[0x0112] = 6
    pixels.save(tmp_path / "a.jpg", exif=exif)
    assert picture(str(tmp_path / "a.jpg")).shape == (40, 20, 3)


def test_a_jpeg_with_a_preview_behind_it_is_a_jpeg(tmp_path: Path) -> None:
    Image.new("RGB", (40, 20), (250, 0, 0)).save(
        tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[Image.new("RGB", (8, 4))]
    )
    assert picture(str(tmp_path / "a.jpg")).shape == (20, 40, 3)


def test_a_sound_of_an_odd_rate_has_no_more_samples_than_others(tmp_path: Path) -> None:
    """Half an hour at 655,350 Hz is 4.7 GB."""
    soundfile.write(tmp_path / "a.wav", np.zeros(2000), 655_350)
    check_sound(str(tmp_path / "a.wav"))
    with pytest.raises(MediaProblem, match="has 2,000 samples, 655,350 a second; 1,000 are taken"):
        sound(str(tmp_path / "a.wav"), limits=Limits(samples=1000))


def test_a_sound_is_of_one_channel_and_rate(tone: Path) -> None:
    wave = sound(str(tone), 16_000)
    assert wave.shape == (16_000,) and wave.dtype == np.float32 and 0.9 < wave.max() <= 1.1
    assert sound(str(tone), None).shape == (8000,)


def test_inline_data_is_read_as_a_file(red: Path) -> None:
    url = f"data:image/png;base64,{base64.b64encode(red.read_bytes()).decode()}"
    assert settled(url, None) == url and (picture(url) == picture(str(red))).all()
    for broken in ("data:image/png,abc", "data:image/png;base64,%%%", "data:image/png;base64,"):
        with pytest.raises(MediaProblem, match="inline data"):
            inline_bytes(broken)
    with pytest.raises(MediaProblem, match="MB"):
        inline_bytes("data:;base64," + "A" * 2000, Limits(bytes=100))


def refused(value: str, folder: Path, check: Any = check_picture) -> str:
    with pytest.raises(MediaProblem) as found:
        check(settled(value, folder))
    return str(found.value)


def test_a_path_is_inside_its_folder_and_a_file(red: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "link.png").symlink_to(red)
    (inner / "empty.png").touch()
    os.mkfifo(inner / "pipe.png")
    assert settled("red.png", tmp_path) == str(red)
    assert settled(str(red), tmp_path) == str(red)
    for outside in ("../red.png", str(red), "link.png", "x/../../red.png"):
        assert "outside the data folder" in refused(outside, inner)
    assert "No such file" in refused("no.png", inner)
    assert "is empty" in refused("empty.png", inner)
    assert "is no file" in refused("pipe.png", inner) and "is no file" in refused(".", inner)
    assert "path is empty" in refused(" ", inner) and "zero byte" in refused("a\0.png", inner)
    assert "address" in refused("https://example.com/a.png", inner)
    with pytest.raises(MediaProblem, match="MB"):
        settled("red.png", tmp_path, Limits(bytes=10))
    with pytest.raises(MediaProblem, match="MB"):
        content(str(red), Limits(bytes=10))


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    for width, height in ((20_000, 10_000), (60_000, 60_000), (40_000, 2)):
        (tmp_path / "bomb.png").write_bytes(png_claiming(width, height))
        assert "megapixels" in refused("bomb.png", tmp_path)


def test_what_is_damaged_or_of_another_kind_is_refused(red: Path, tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    for kind in ("png", "jpeg", "webp", "gif", "bmp", "tiff"):
        whole = io.BytesIO()
        noise.save(whole, kind)
        (tmp_path / f"cut.{kind}").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
        assert "cut." in refused(f"cut.{kind}", tmp_path)
    red.rename(tmp_path / "red.jpg")
    assert "PNG by its content, not .jpg" in refused("red.jpg", tmp_path)
    (tmp_path / "text.png").write_text("not a picture")
    assert "is no picture" in refused("text.png", tmp_path)
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    assert "is no picture" in refused("a.png", tmp_path), "no interpreter is started"


def test_sounds_that_cannot_be_used_say_why(tone: Path, tmp_path: Path) -> None:
    whole = tone.read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    assert "cut off" in refused("cut.wav", tmp_path, check_sound)
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 8000)
    assert "no samples" in refused("none.wav", tmp_path, check_sound)
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan), 8000, subtype="FLOAT")
    assert "no numbers" in refused("nan.wav", tmp_path, check_sound)
    tone.rename(tmp_path / "tone.flac")
    assert "WAV by its content, not .flac" in refused("tone.flac", tmp_path, check_sound)
    (tmp_path / "text.wav").write_text("not a sound")
    assert "no sound that can be read" in refused("text.wav", tmp_path, check_sound)
    soundfile.write(tmp_path / "slow.wav", np.zeros(10), 100)
    assert "100 samples a second" in refused("slow.wav", tmp_path, check_sound)
    soundfile.write(tmp_path / "long.wav", np.zeros(30), 1000)
    with pytest.raises(MediaProblem, match="lasts"):
        sound(str(tmp_path / "long.wav"), limits=Limits(seconds=0.01))


def test_random_bytes_never_crash(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    good = io.BytesIO()
    Image.new("RGB", (20, 20)).save(good, "png")
    for _ in range(60):
        raw = bytearray(good.getvalue())
        for place in draw.integers(0, len(raw), 4):
            raw[place] = int(draw.integers(0, 256))
        (tmp_path / "a.png").write_bytes(raw)
        with contextlib.suppress(MediaProblem):
            assert picture(str(tmp_path / "a.png")).ndim == 3
