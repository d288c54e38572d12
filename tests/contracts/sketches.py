"""Tasks of other kinds, as short as they can be, and toy rows for all kinds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import BaseModel
from torch.nn.functional import cross_entropy

from tunesmith import testing
from tunesmith.core.contracts import Batch, Column, Decoding, Evidence, Feature, Prediction, Row, Runtime, Task
from tunesmith.data.words_in_text import joined
from tunesmith.tasks.sequence import padded
from tunesmith.tasks.windows import windows
from tunesmith.testing import toy_rows


class Text(BaseModel):
    text: str


class Span(BaseModel):
    start: int
    end: int
    text: str
    label: str


class Spans(BaseModel):
    spans: list[Span]


class Answer(BaseModel):
    text: str


class Sketch(Task):
    """What the sketches share."""

    own_metrics: ClassVar[dict[str, Any]]
    columns: ClassVar[tuple[Column, ...]] = (Column("text"), Column("target", "text", target=True))

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.state = dict(state)

    def request_model(self) -> type[BaseModel]:
        return Text


class SpanTask(Sketch):
    """Spans in a text, by BIO tags: an array has one line a token."""

    name = "token-spans"
    summary = "spans, for tests"
    columns = (Column("text"), Column("spans", "spans", target=True))
    auto_model = "AutoModelForTokenClassification"
    pipeline_tag = "token-classification"
    metrics = ("span_f1",)

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        kinds = sorted({span["label"] for row in rows for span in row["spans"]})
        self.restore({"tags": ["O", *(f"{part}-{kind}" for kind in kinds for part in "BI")]})
        return self.state

    def configure(self, config: Any) -> None:
        config.id2label = dict(enumerate(self.state["tags"]))
        config.label2id = {tag: i for i, tag in enumerate(self.state["tags"])}

    def encode(self, rows: Sequence[Row], processor: Any, *, max_length: int, targets: bool) -> list[Feature]:
        features = windows([row["text"] for row in rows], None, processor, max_length)
        seen: dict[int, int] = {}
        for feature in features:
            row = rows[feature["row"]]
            offsets = processor(row["text"], return_offsets_mapping=True)["offset_mapping"][1:-1]
            first = next((i for i, (start, _) in enumerate(offsets) if start >= feature["offset"]), 0)
            inner = offsets[first : first + len(feature["input_ids"]) - 2]
            feature["spans"], feature["text"] = [(0, 0), *inner, (0, 0)], row["text"]
            # Tokens that the window before has, too, are that window's.
            feature["own"] = seen.get(feature["row"], 0)
            seen[feature["row"]] = inner[-1][1] if inner else 0
            if targets:
                feature["target"] = np.array([self._tag(row, place) for place in feature["spans"]])
        return features

    def _tag(self, row: Row, place: tuple[int, int]) -> int:
        if place == (0, 0):
            return -100
        for span in row["spans"]:
            if span["start"] <= place[0] < span["end"]:
                part = "B" if place[0] == span["start"] else "I"
                return int(self.state["tags"].index(f"{part}-{span['label']}"))
        return 0

    def collate(self, features: Sequence[Feature], processor: Any) -> Batch:
        batch = padded(features, processor)
        if "target" in features[0]:
            labels = np.full(batch["input_ids"].shape, -100)
            for i, feature in enumerate(features):
                labels[i, : len(feature["target"])] = feature["target"]
            batch["labels"] = labels
        return batch

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        return cross_entropy(outputs.logits.float().flatten(0, 1), batch["labels"].flatten())

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        found: dict[int, list[tuple[int, int, str]]] = {feature["row"]: [] for feature in features}
        for array, feature in zip(outputs, features, strict=True):
            for (start, end), scores in zip(feature["spans"], array, strict=False):
                tag = self.state["tags"][int(scores.argmax())]
                if end > feature["own"] and tag != "O":
                    spans = found[feature["row"]]
                    if tag.startswith("I-") and spans and spans[-1][1:] == (start, tag[2:]):
                        spans[-1] = (spans[-1][0], end, tag[2:])
                    else:
                        spans.append((start, end, tag[2:]))
        texts = {feature["row"]: feature.get("text", "") for feature in features}
        return [{"spans": [self._span(texts[row], *span) for span in spans]} for row, spans in found.items()]

    @staticmethod
    def _span(text: str, start: int, end: int, label: str) -> dict[str, Any]:
        return {"start": start, "end": end, "text": text[start:end], "label": label}

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        def keys(spans: Any) -> set[Any]:
            return {(s["start"], s["end"], s["label"]) for s in spans}

        pairs = [(keys(row["spans"]), keys(p["spans"])) for row, p in zip(rows, predictions, strict=True)]
        return {"spans": np.array([[len(a & b), len(b), len(a)] for a, b in pairs])}

    own_metrics: ClassVar[dict[str, Any]] = {
        "span_f1": lambda e: 2 * e["spans"][:, 0].sum() / max(1, e["spans"][:, 1:].sum())
    }

    def response_model(self) -> type[BaseModel]:
        return Spans


class Generated(Sketch):
    """An answer that the model writes: ``infer`` calls ``runtime.generate``."""

    metrics = ("exact",)
    own_metrics: ClassVar[dict[str, Any]] = {"exact": lambda e: float(e["exact"].mean())}

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        self.restore({"longest": max(len(str(row["target"])) for row in rows)})
        return self.state

    def configure(self, config: Any) -> None:
        """The head is the model's own."""

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        same = [row["target"] == p["text"] for row, p in zip(rows, predictions, strict=True)]
        return {"exact": np.array(same), "length": np.array([len(p["text"]) for p in predictions])}

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        return [{"text": f["read"](array)} for f, array in zip(features, outputs, strict=True)]

    def response_model(self) -> type[BaseModel]:
        return Answer


class SummaryTask(Generated):
    """Text in, text out, by an encoder and a decoder."""

    name = "summary"
    summary = "for tests"
    auto_model = "AutoModelForSeq2SeqLM"
    pipeline_tag = "summarization"

    def encode(self, rows: Sequence[Row], processor: Any, *, max_length: int, targets: bool) -> list[Feature]:
        features: list[Feature] = []
        for i, row in enumerate(rows):
            ids = processor(row["text"], truncation=True, max_length=max_length)["input_ids"]
            features.append({"row": i, "input_ids": np.array(ids, dtype=np.int32), "read": Reader(processor)})
            if targets:
                features[-1]["target"] = np.array(processor(row["target"])["input_ids"])
        return features

    def collate(self, features: Sequence[Feature], processor: Any) -> Batch:
        batch = padded(features, processor)
        if "target" in features[0]:
            longest = max(len(f["target"]) for f in features)
            labels = np.full((len(features), longest), -100)
            for i, feature in enumerate(features):
                labels[i, : len(feature["target"])] = feature["target"]
            shifted = np.roll(labels, 1, axis=1)
            shifted[:, 0] = 0
            batch |= {"labels": labels, "decoder_input_ids": shifted.clip(0)}
        return batch

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        return cross_entropy(outputs.logits.float().flatten(0, 1), batch["labels"].flatten())

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        asked = {key: batch[key] for key in ("input_ids", "attention_mask")}
        return runtime.generate(asked, Decoding(max_new_tokens=8))


class EchoTask(Generated):
    """A prompt goes on, by a causal model: padded on the left to generate."""

    name = "echo"
    summary = "for tests"
    auto_model = "AutoModelForCausalLM"
    pipeline_tag = "text-generation"

    def encode(self, rows: Sequence[Row], processor: Any, *, max_length: int, targets: bool) -> list[Feature]:
        features: list[Feature] = []
        for i, row in enumerate(rows):
            prompt = processor(row["text"])["input_ids"][-(max_length - 8) :] + [processor.bos_token_id]
            features.append({"row": i, "input_ids": np.array(prompt, dtype=np.int32)})
            features[-1]["read"] = Reader(processor)
            if targets:
                answer = [*processor(row["target"])["input_ids"], processor.eos_token_id]
                features[-1]["target"] = np.array(answer)
        return features

    def collate(self, features: Sequence[Feature], processor: Any) -> Batch:
        whole = [[*f["input_ids"], *f.get("target", [])] for f in features]
        longest = max(map(len, whole))
        ids = np.full((len(whole), longest), processor.pad_token_id)
        labels, mask = np.full_like(ids, -100), np.zeros_like(ids)
        for i, (feature, tokens) in enumerate(zip(features, whole, strict=True)):
            ids[i, longest - len(tokens) :] = tokens
            mask[i, longest - len(tokens) :] = 1
            if "target" in feature:
                labels[i, longest - len(feature["target"]) :] = feature["target"]
        batch = {"input_ids": ids, "attention_mask": mask}
        return {**batch, "labels": labels} if "target" in features[0] else batch

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        return cross_entropy(outputs.logits[:, :-1].float().flatten(0, 1), batch["labels"][:, 1:].flatten())

    def infer(self, runtime: Runtime, batch: Batch) -> list[np.ndarray]:
        asked = {key: batch[key] for key in ("input_ids", "attention_mask")}
        width = asked["input_ids"].shape[1]
        if "labels" in batch:  # features with targets: only the prompt is asked
            keep = [int((row != -100).sum()) for row in batch["labels"]]
            return [self._one(runtime, asked, i, width - n) for i, n in enumerate(keep)]
        return runtime.generate(asked, Decoding(max_new_tokens=6))

    @staticmethod
    def _one(runtime: Runtime, asked: Batch, i: int, end: int) -> np.ndarray:
        one = {key: value[i : i + 1, :end] for key, value in asked.items()}
        return runtime.generate(one, Decoding(max_new_tokens=6))[0]


class Reader:
    """ids -> text."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor

    def __call__(self, ids: np.ndarray) -> str:
        text: str = self.processor.decode([int(i) for i in ids], skip_special_tokens=True)
        return text.strip()


def _tagged(language: str) -> list[dict[str, Any]]:
    rows = toy_rows(language, 16)
    return [{"text": r["text"], "labels": [r["label"]] if i % 3 else [r["label"], "x"]} for i, r in enumerate(rows)]


def _priced(language: str) -> list[dict[str, Any]]:
    good = ("positive", "积极")
    rows = toy_rows(language, 16)
    return [{"text": r["text"], "label": 500.0 + 20 * (r["label"] in good) + i} for i, r in enumerate(rows)]


def _places(language: str) -> list[dict[str, Any]]:
    places = {"en": ["Berlin", "Rome", "Lima", "Oslo"], "zh": ["北京", "上海", "拉萨", "广州"]}[language]
    before = {"en": ["We live in ", "My friend likes "], "zh": ["我住在", "朋友喜欢"]}[language]
    after = {"en": " and the room was great.", "zh": "，房间很好。"}[language]
    rows = []
    for i in range(16):
        place, start = places[i % 4], before[i // 4 % 2]
        span = {"start": len(start), "end": len(start) + len(place), "label": "place"}
        rows.append({"text": f"{start}{place}{after}", "spans": [span]})
    return rows


def _echoed(language: str) -> list[dict[str, Any]]:
    words = {"positive": "great", "negative": "awful", "积极": "很好", "消极": "很差"}
    return [{"text": row["text"], "target": words[row["label"]]} for row in toy_rows(language, 16)]


def _talked(language: str) -> list[dict[str, Any]]:
    """One exchange or two; some with a system message."""
    system = {"en": "Be brief.", "zh": "请简短。"}[language]
    rows = []
    for i, row in enumerate(_echoed(language)):
        exchange = [{"role": "user", "content": row["text"]}, {"role": "assistant", "content": row["target"]}]
        first = [{"role": "system", "content": system}] if i % 4 == 0 else []
        again = (
            [{"role": "user", "content": "?"}, {"role": "assistant", "content": row["target"]}] if i % 3 == 0 else []
        )
        rows.append({"messages": [*first, *exchange, *again]})
    return rows


def _programmed(language: str) -> list[dict[str, Any]]:
    """Problems of a few words; every third has no test."""
    asked = {"en": "Add {}.", "zh": "加{}。"}[language]
    return [
        {
            "text": asked.format(i),
            "target": f"f = {i}",
            "tests": [f"assert f == {i}"] if i % 3 else [],
            "entry_point": "",
            "test_setup": "",
        }
        for i in range(16)
    ]


def _controlled(language: str) -> list[dict[str, Any]]:
    """One control; every third text may go on with a beginning."""
    short = {"en": ("so nice", "so bad"), "zh": ("真好", "真差")}[language]
    rows = []
    for i in range(16):
        text = f"{short[i % 2]} {i}"
        begun = text[:2] if i % 3 == 0 else ""
        rows.append({"control": [f"c{i % 2}"], "beginning": begun, "length": "", "text": text})
    return rows


def _related(language: str) -> list[dict[str, Any]]:
    parts = {
        "en": ("{} bought {}.", "{} was sold to {}.", ["Acme", "Zenith", "Orion", "Delta"], ["buys", "bought by"]),
        "zh": ("{}收购了{}。", "{}被卖给了{}。", ["东方航空", "上海银行", "大众公司", "北京银行"], ["收购", "被收购"]),
    }
    bought, sold, names, labels = parts[language]
    rows = []
    for i in range(16):
        one, other = names[i % 4], names[(i + 1 + i // 8) % 4]
        text = (bought, sold)[i // 2 % 2].format(one, other)
        places = [{"start": text.index(name), "end": text.index(name) + len(name)} for name in (one, other)]
        rows.append({"text": text, "head": places[0], "tail": places[1], "label": labels[i // 2 % 2]})
    return rows


def _paired(language: str) -> list[dict[str, Any]]:
    """Pairs whose sides share their subject; some with a wrong answer."""
    rows = toy_rows(language, 16)
    asked = {"en": "What is said of number {}: {}", "zh": "第{}条说了什么：{}"}[language]
    pairs = [{"text": asked.format(i, r["text"][:20]), "text_pair": r["text"]} for i, r in enumerate(rows)]
    return [{**p, "negatives": [rows[i - 1]["text"]]} if i % 3 == 0 else p for i, p in enumerate(pairs)]


_PLACES = {"en": ["Berlin", "Rome", "Lima", "Oslo"], "zh": ["北京", "上海", "拉萨", "广州"]}
_READ = {
    "en": ("Where does {who} live?", "{who} has lived in {place} for years, and likes it.", ("Ann", "Bob")),
    "zh": ("{who}住在哪里？", "{who}在{place}住了很多年，很喜欢那里。", ("小明", "小红")),
}


def _asked(language: str) -> list[dict[str, Any]]:
    """Each fourth question is about somebody else: it has no answer."""
    ask, tell, people = _READ[language]
    rows = []
    for i in range(16):
        place, who = _PLACES[language][i % 4], people[i // 4 % 2]
        context = tell.format(who=who, place=place)
        answers = [{"text": place, "start": context.index(place)}] if i % 4 else []
        rows.append({"question": ask.format(who=who if i % 4 else people[0] * 2), "context": context})
        rows[-1]["answers"] = answers
    return rows


def _chosen(language: str) -> list[dict[str, Any]]:
    """Two, three or four choices; every other row has a text to read."""
    ask, tell, people = _READ[language]
    rows = []
    for i in range(16):
        choices, who = _PLACES[language][: 2 + i % 3], people[i // 4 % 2]
        answer = i % len(choices)
        context = tell.format(who=who, place=choices[answer]) if i % 2 else ""
        rows.append({"question": ask.format(who=who), "choices": choices, "context": context, "answer": answer})
    return rows


def _joint(language: str) -> list[dict[str, Any]]:
    rows = []
    for i, row in enumerate(_related(language)):
        spans = [{**row[side], "label": "company"} for side in ("head", "tail")]
        relations = [{"head": 0, "tail": 1, "label": row["label"]}] if i % 4 else []
        rows.append({"text": row["text"], "spans": spans, "relations": relations})
    return rows


def _roles(language: str) -> list[dict[str, Any]]:
    """Single words in English, spans of words in Chinese."""
    who = {"en": ["Anna", "Ben", "Cleo", "Dan"], "zh": ["小王", "老李", "张三", "李四"]}[language]
    what = {"en": ["apples", "books", "cars", "tea"], "zh": ["苹果", "书", "汽车", "茶"]}[language]
    rows = []
    for i in range(16):
        one, other = who[i % 4], what[i // 4]
        parts = [one, "buys", other, "today"] if language == "en" else [one, "今天", "买", "红", other]
        text, words = joined(parts)
        verb, start = (1, 2) if language == "en" else (2, 3)
        roles = [
            {"start": words[0][0], "end": words[0][1], "label": "A0"},
            {"start": words[start][0], "end": words[start + (language == "zh")][1], "label": "A1"},
        ]
        predicate = {"start": words[verb][0], "end": words[verb][1], "label": "buy.01"}
        rows.append({"text": text, "words": words, "predicate": predicate, "roles": roles})
    return rows


def _seen(language: str) -> list[dict[str, Any]]:
    """A picture tells the label; some rows lack it."""
    return [{key: row[key] for key in ("image", "label")} for row in _of_all(language) if "image" in row]


def _heard(language: str) -> list[dict[str, Any]]:
    return [{key: row[key] for key in ("audio", "label")} for row in _of_all(language)]


def _of_all(language: str) -> list[dict[str, Any]]:
    """Text, a picture in most rows, a sound, a number in some, a category."""
    rows = toy_rows(language, 16)
    first = min(row["label"] for row in rows)
    made = []
    for i, row in enumerate(rows):
        high = row["label"] == first
        picture = {} if i % 5 == 4 else {"image": testing.picture_url((250 - i, 0, 0) if high else (0, 0, 250 - i))}
        number = {"numeric": {"price": float(i)}} if i % 3 else {}
        kind = {"categorical": {"shop": "北" if i % 2 else "south"}}
        made.append({**row, **picture, "audio": testing.tone_url(400 if high else 1500), **number, **kind})
    return made


def _posted(language: str) -> list[dict[str, Any]]:
    rows = enumerate(_places(language))
    return [{**row, "image": testing.picture_url((9 * i, 99, 9))} if i % 3 else row for i, row in rows]


def _captioned(language: str) -> list[dict[str, Any]]:
    rows = enumerate(toy_rows(language, 16))
    return [{"text": row["text"], "image": testing.picture_url((9 * i, 250 - 9 * i, 99))} for i, row in rows]


def _all_priced(language: str) -> list[dict[str, Any]]:
    return [{**row, "label": 500.0 + 3 * i} for i, row in enumerate(_of_all(language))]


def _mixed(language: str) -> list[dict[str, Any]]:
    moods = [{"part": "mood", **row} for row in toy_rows(language, 8)]
    places = [{"part": "places", **row} for row in _places(language)[:8]]
    return [row for pair in zip(moods, places, strict=True) for row in pair]


def _taken(language: str) -> list[dict[str, Any]]:
    """Four users, who took the same things in another order."""
    things = {"en": ["tea", "rice", "soup", "cake", "salt"], "zh": ["茶", "米饭", "汤", "蛋糕", "盐"]}[language]
    rows = []
    for i in range(16):
        user, step = divmod(i, 4)
        events = [{"item": things[(user + k) % 5], "time": 86400.0 * k, "rating": 3.0 + k % 3} for k in range(step + 1)]
        rows.append({"user": f"u{user}", "history": events[:-1], **events[-1]})
    return rows


ROWS: dict[str, dict[str, list[dict[str, Any]]]] = {
    name: {language: make(language) for language in ("en", "zh")}
    for name, make in {
        "text-classification": lambda language: toy_rows(language, 16),
        "multi-label-classification": _tagged,
        "text-regression": _priced,
        "token-spans": _places,
        "token-classification": _places,
        "text-embedding": _paired,
        "relation-extraction": _related,
        "semantic-roles": _roles,
        "entities-and-relations": _joint,
        "extractive-qa": _asked,
        "multiple-choice": _chosen,
        "mixture": _mixed,
        "image-classification": _seen,
        "audio-classification": _heard,
        "multimodal-classification": _of_all,
        "multimodal-regression": _all_priced,
        "image-text-alignment": _captioned,
        "image-token-classification": _posted,
        "recommendation": _taken,
        "dialogue": _talked,
        "code-generation": _programmed,
        "controlled-generation": _controlled,
        "summary": _echoed,
        "summarization": _echoed,
        "translation": _echoed,
        "echo": _echoed,
    }.items()
}
_PLACE = Path(tempfile.gettempdir()) / f"tunesmith-tiny-{os.getpid()}"
_ENCODERS = {"image": str(_PLACE / "image"), "audio": str(_PLACE / "audio")}


def tiny_encoders() -> None:
    """Make the folders that options below name."""
    testing.tiny_image(_ENCODERS["image"])
    testing.tiny_audio(_ENCODERS["audio"])


OPTIONS: dict[str, dict[str, Any]] = {
    "multimodal-classification": {**_ENCODERS, "modality_dropout": 0.1},
    "image-token-classification": {"image": _ENCODERS["image"]},
    "image-text-alignment": {"image": _ENCODERS["image"], "hidden": 16},
    "multimodal-regression": {**_ENCODERS, "fusion": "cross-attention", "hidden": 16},
    "mixture": {"parts": {"mood": "text-classification", "places": "token-classification"}, "temperature": 2.0},
    "dialogue": {"max_new_tokens": 6},
    "code-generation": {"max_new_tokens": 6, "show_tests": 0},
    "controlled-generation": {"max_new_tokens": 6, "temperature": 0.0, "prompt": "{control}"},
}
KINDS = {
    "summary": "t5", "summarization": "t5", "translation": "t5", "echo": "llama", "dialogue": "llama",
    "code-generation": "llama", "controlled-generation": "llama", "image-classification": "image",
    "audio-classification": "audio", "multimodal-classification": "roberta", "multimodal-regression": "roberta",
    "image-text-alignment": "roberta",
    "image-token-classification": "roberta",
}  # fmt: skip
WRITERS = ("AutoModelForSeq2SeqLM", "AutoModelForCausalLM")
"""Auto classes of models that write: no graph holds their loop."""
