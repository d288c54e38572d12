"""The card says what the hub reads and what people need, whatever is in a label."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from tunesmith.bundle.card import model_card
from tunesmith.bundle.layout import Lineage, Manifest, MethodRecord, TaskRecord
from tunesmith.core.artefacts import Parity

REPORT: dict[str, Any] = {
    "metrics": {
        "macro_f1": {"value": 0.8123, "low": 0.78, "high": 0.84},
        "accuracy": {"value": 0.9, "low": 0.8, "high": 1},
    },
    "before": {"metrics": {"macro_f1": {"value": 0.33, "low": 0.3, "high": 0.36}}, "seconds": {}},
    "baselines": {
        "majority": {"metrics": {"macro_f1": {"value": 0.2, "low": 0.2, "high": 0.2}}},
        "tfidf": {"metrics": {}},
    },
    "names": {"before": "the model before tuning", "majority": "the majority class", "tfidf": "TF-IDF"},
    "verdict": "Better than tfidf by 0.1.",
    "data_notes": ["3 rows | dropped"],
}


@pytest.fixture
def values(manifest: Manifest) -> dict[str, Any]:
    proven = Parity("save and reload", 64, 0.0, 1.0, 1e-4, True)
    lineage = Lineage(base_model="minilm", hub_id="sentence-transformers/all-MiniLM-L6-v2", license="apache-2.0")
    return replace(
        manifest, parity=(proven,), lineage=lineage, data={"language": "zh", "train": {"rows": 12000}}
    ).to_json()


def test_front_matter_is_what_the_hub_reads(values: dict[str, Any]) -> None:
    from huggingface_hub import ModelCard

    data = ModelCard(model_card("reviews", values, REPORT)).data
    assert (data.license, data.library_name, data.pipeline_tag) == ("apache-2.0", "transformers", "text-classification")
    assert data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert data.language == ["zh"]
    assert "tunesmith" in data.tags
    found = {(r.metric_name, r.metric_type, r.metric_value, r.dataset_name) for r in data.eval_results}
    assert found == {("macro_f1", "f1", 0.8123, "reviews.csv"), ("accuracy", "accuracy", 0.9, "reviews.csv")}


def test_figures_stand_beside_baselines_with_intervals(values: dict[str, Any]) -> None:
    card = model_card("reviews", values, REPORT)
    assert "| metric | the majority class | TF-IDF | before tuning | **this model** |" in card
    assert "| macro\\_f1 | 0.200 (0.200 – 0.200) | – | 0.330 (0.300 – 0.360) | **0.812 (0.780 – 0.840)** |" in card
    assert "Better than tfidf by 0.1." in card
    assert "12,000 rows" in card
    assert "3 rows \\| dropped" in card
    assert "64 rows, largest gap 0" in card
    assert "By tunesmith 0\\.1.0" in card


def test_code_in_the_card_runs(values: dict[str, Any]) -> None:
    card = model_card('it\'s "mine"', values, REPORT, adapter={"num_hidden_layers": 7})
    blocks = [part.split("```")[0] for part in card.split("```python\n")[1:]]
    assert len(blocks) == 3
    for text in blocks:
        compile(text, "card", "exec")
    assert "num_labels=3, num_hidden_layers=7)" in blocks[2]
    assert "peft" not in model_card("x", values, REPORT)


def test_hostile_text_stays_text(values: dict[str, Any], manifest: Manifest) -> None:
    labels = ["<script>alert(1)</script>", "a|b", "``` \n# head", "[x](http://evil)", "---", "好"]
    record = TaskRecord("text-classification", {}, {"labels": labels})
    recipe = {**manifest.recipe, "data": {"path": "/home/me/secret/---\nlicense: gpl\n```.csv"}}
    card = model_card("a\n# b", replace(manifest, task=record, recipe=recipe).to_json(), REPORT)
    front, body = card.removeprefix("---\n").split("\n---\n", 1)
    assert yaml.safe_load(front)["license"] == "apache-2.0"
    outside_code = "".join(part for i, part in enumerate(body.split("`")) if i % 2 == 0)
    assert "<script>" not in outside_code
    assert "\n# head" not in card
    assert "# a # b" in body
    assert "好" in body


def test_an_empty_report_gives_a_plain_card(manifest: Manifest) -> None:
    bare = replace(manifest, metrics={}, lineage=Lineage(), recipe={}).to_json()
    card = model_card("x", bare, {})
    assert "model-index" not in card
    assert "## Figures" not in card
    assert "## How to use it" in card


def test_tasks_without_a_pipeline_say_how_they_are_loaded() -> None:
    def card(name: str, state: dict[str, Any]) -> str:
        manifest = Manifest(TaskRecord(name, {}, state), MethodRecord("full"), {}, Lineage("tiny"), max_length=64)
        return model_card("mine", manifest.to_json(), {})

    answers = card("extractive-qa", {"longest": 9, "without_answer": 0, "threshold": 0.0})
    assert "AutoModelForQuestionAnswering.from_pretrained('mine')" in answers and "import pipeline" not in answers
    assert "predict([{'question': '...', 'context': '...'}])" in answers
    choices = card("multiple-choice", {"apart": {"pooling": "mean", "prompts": {"query": "", "passage": ""}}})
    assert "AutoModel.from_pretrained('mine')" in choices and "'choices': ['...', '...']" in choices
