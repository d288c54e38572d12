"""``tokenizer.json`` read and written anew with fewer pieces: Unigram, WordPiece and BPE.

Why a kept text is cut as before, where all pieces of its cut are kept:

- *Unigram* takes the cut of the highest score. Cuts may fall away, the best one stays, and no other gets better. An
  unknown character scores 10 less than the least of all pieces, so a piece of the least score is always kept.
- *WordPiece* takes the longest piece that fits. Longer ones may fall away that did not fit. A word that ends as
  unknown must go the same way to its end, so that the pieces of that way are kept, too.
- *BPE* joins the pair of the best rank. All pairs that are joined on the way to a kept piece are kept; pairs that were
  never joined may fall away.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunesmith.core.errors import ModelError

File = dict[str, Any]
"""The content of a ``tokenizer.json``."""
KINDS = ("Unigram", "WordPiece", "BPE")
KEPT_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def read(processor: Any) -> File:
    """What the fast tokenizer would write.

    Raises:
        ModelError: its pieces are of a kind that cannot be left out one by one.
    """
    file: File = json.loads(processor.backend_tokenizer.to_str())
    if (kind := file["model"]["type"]) not in KINDS:
        raise ModelError(
            f"The tokenizer is of the kind {kind}; pieces are left out of {', '.join(KINDS)} only.",
            "Keep the whole vocabulary.",
        )
    return file


def pieces(file: File) -> dict[int, str]:
    """Id -> piece; those that were added to the vocabulary are in it."""
    vocab = file["model"]["vocab"]
    own = (
        {i: piece for i, (piece, _) in enumerate(vocab)}
        if isinstance(vocab, list)
        else {i: piece for piece, i in vocab.items()}
    )
    return {**own, **{token["id"]: token["content"] for token in file["added_tokens"]}}


def bare(file: File) -> dict[int, str]:
    """Id -> the text that a piece stands for, without signs for a word's start, end or middle; parts of characters
    (byte-level BPE) are left out.
    """
    model, found = file["model"], pieces(file)
    if "ByteLevel" in json.dumps([file["pre_tokenizer"], file["decoder"]]):
        back = {letter: byte for byte, letter in _byte_letters().items()}
        return {
            i: bytes(back[letter] for letter in piece if letter in back).decode("utf-8", "ignore").strip()
            for i, piece in found.items()
        }
    before, after = model.get("continuing_subword_prefix") or "", model.get("end_of_word_suffix") or ""
    return {i: piece.removeprefix(before).removesuffix(after).strip("▁") for i, piece in found.items()}


def always(file: File) -> set[int]:
    """Ids that no tokenizer of this kind can be without: added tokens, the unknown one, bytes, the least score."""
    model, vocab = file["model"], file["model"]["vocab"]
    kept = {token["id"] for token in file["added_tokens"]}
    if model["type"] == "Unigram":
        kept.add(min(range(len(vocab)), key=lambda i: vocab[i][1]))
        if model["unk_id"] is not None:
            kept.add(model["unk_id"])
    elif model.get("unk_token") in vocab:
        kept.add(vocab[model["unk_token"]])
    if model.get("byte_fallback"):
        kept |= {i for i, piece in pieces(file).items() if piece.startswith("<0x") and len(piece) == 6}
    return kept


def closed(file: File, kept: Iterable[int]) -> set[int]:
    """Pieces, and for BPE all those that are joined on the way to them."""
    found = set(kept)
    if file["model"]["type"] != "BPE":
        return found
    vocab: Mapping[str, int] = file["model"]["vocab"]
    ranks = {pair: rank for rank, pair in enumerate(_merges(file))}
    names = pieces(file)
    for i in list(found):
        found |= {vocab[part] for part in joined(names[i], ranks) if part in vocab}
    return found


def joined(piece: str, ranks: Mapping[tuple[str, str], int]) -> set[str]:
    """All pieces on the way from single characters to one piece.

    >>> sorted(joined("low", {("l", "o"): 0, ("lo", "w"): 1}))
    ['l', 'lo', 'low', 'o', 'w']
    """
    parts, seen = list(piece), set(piece)
    while len(parts) > 1:
        best = min(range(len(parts) - 1), key=lambda k: ranks.get((parts[k], parts[k + 1]), len(ranks)))
        if (parts[best], parts[best + 1]) not in ranks:
            break
        parts[best : best + 2] = [parts[best] + parts[best + 1]]
        seen.add(parts[best])
    return seen


def way_to_unknown(word: str, vocab: Mapping[str, int], prefix: str) -> set[int]:
    """The WordPiece pieces that a word goes through before it ends as unknown.

    >>> sorted(way_to_unknown("abz", {"a": 0, "ab": 1, "##b": 2}, "##"))
    [1]
    """
    seen, start = set(), 0
    while start < len(word):
        found = next(
            (end for end in range(len(word), start, -1) if _inside(word[start:end], start, prefix) in vocab), None
        )
        if found is None:
            break
        seen.add(vocab[_inside(word[start:found], start, prefix)])
        start = found
    return seen


def with_pieces(file: File, kept: Sequence[int]) -> File:
    """The same with only some pieces, numbered anew in their order.

    Args:
        kept: ids, rising.
    """
    made: File = json.loads(json.dumps(file))
    model, new = made["model"], {old: i for i, old in enumerate(kept)}
    vocab = model["vocab"]
    if isinstance(vocab, list):
        model["vocab"] = [vocab[i] for i in kept if i < len(vocab)]
        model["unk_id"] = new.get(model["unk_id"])
    else:
        model["vocab"] = {piece: new[i] for piece, i in sorted(vocab.items(), key=lambda item: item[1]) if i in new}
    if "merges" in model:
        left = model["vocab"]
        model["merges"] = [[a, b] for a, b in _merges(file) if a in left and b in left and a + b in left]
    for token in made["added_tokens"]:
        token["id"] = new[token["id"]]
    if made.get("padding"):
        made["padding"]["pad_id"] = new[made["padding"]["pad_id"]]
    _renumber(made["post_processor"], new)
    return made


def remade(processor: Any, file: File, kept: Sequence[int]) -> Any:
    """The tokenizer with only some pieces; all else of it stays."""
    from tunesmith.models.load import quiet, take_whole_texts

    new = {old: i for i, old in enumerate(kept)}
    with tempfile.TemporaryDirectory(prefix="tunesmith-") as scratch, quiet():
        folder = Path(scratch)
        processor.save_pretrained(folder)
        for path in folder.iterdir():
            # Files beside tokenizer.json hold the old pieces, and some classes would read those.
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in KEPT_FILES and not path.name.startswith("chat_template"):
                path.unlink()
        (folder / "tokenizer.json").write_text(json.dumps(with_pieces(file, kept), ensure_ascii=False), "utf-8")
        settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
        if "added_tokens_decoder" in settings:
            settings["added_tokens_decoder"] = {
                str(new[int(i)]): token for i, token in settings["added_tokens_decoder"].items() if int(i) in new
            }
        (folder / "tokenizer_config.json").write_text(json.dumps(settings, ensure_ascii=False), "utf-8")
        made = type(processor).from_pretrained(folder, local_files_only=True)
    made.model_max_length = processor.model_max_length
    take_whole_texts(made)
    return made


def _merges(file: File) -> list[tuple[str, str]]:
    """Pairs in the order of their ranks; older files write a pair as one text."""
    pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in file["model"]["merges"])
    return [(a, b) for a, b in pairs]


def _inside(part: str, start: int, prefix: str) -> str:
    return prefix + part if start else part


def _renumber(part: Any, new: Mapping[int, int]) -> None:
    """Ids within a post-processor: templates name them in ``ids``, BERT's and RoBERTa's in ``sep`` and ``cls``."""
    if not isinstance(part, dict):
        return
    for token in (part.get("special_tokens") or {}).values():
        token["ids"] = [new[i] for i in token["ids"]]
    for name in ("sep", "cls"):
        if isinstance(part.get(name), list):
            part[name][1] = new[part[name][1]]
    for inner in part.get("processors") or ():
        _renumber(inner, new)


def _byte_letters() -> dict[int, str]:
    """Byte -> the letter that stands for it in byte-level BPE (Radford et al. 2019): itself where it can be printed."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printed]
    return {**{b: chr(b) for b in printed}, **{b: chr(256 + i) for i, b in enumerate(others)}}
