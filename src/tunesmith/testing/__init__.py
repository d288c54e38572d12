"""What the author of a plug-in needs for tests: tiny models and learnable rows, made in a moment, without a network.

    from tunesmith.testing import tiny_bert, toy_rows

    def test_my_method(tmp_path):
        rows = toy_rows("en", 64, seed=1)
        folder = tiny_bert(tmp_path / "model", texts=[row["text"] for row in rows])

Every model is a plain Hugging Face folder with random weights from a seed and a fast tokenizer that was trained on
the given texts. It goes where a model's name goes: ``model: path/to/folder``. This module is public and kept stable.
"""

from tunesmith.testing.media import picture_url, tiny_audio, tiny_image, tiny_whisper, tone_url
from tunesmith.testing.talks import toy_talks
from tunesmith.testing.tiny import (
    tiny_bert,
    tiny_distilbert,
    tiny_gpt2,
    tiny_llama,
    tiny_roberta,
    tiny_t5,
)
from tunesmith.testing.toy import toy_documents, toy_rows

__all__ = [
    "picture_url",
    "tiny_audio",
    "tiny_bert",
    "tiny_distilbert",
    "tiny_gpt2",
    "tiny_image",
    "tiny_llama",
    "tiny_roberta",
    "tiny_t5",
    "toy_documents",
    "tiny_whisper",
    "tone_url",
    "toy_rows",
    "toy_talks",
]
