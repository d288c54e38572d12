"""Preference files and rewards to a proven bundle, in English and Chinese."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith import tune
from tunesmith.bundle.read import Bundle
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.pipeline.measure import measured
from tunesmith.pipeline.plan import as_recipe, plan
from tunesmith.testing import tiny_llama

SETTINGS = (
    "training.batch_size=8", "training.threads=1", "training.trackers=[jsonl]", "training.precision=fp32",
    "evaluation.resamples=100", "data.split.near_duplicates=false", "data.clean.duplicates=false",
    "data.split.validation=0.2", "model.max_length=96", "task.max_new_tokens=6", "method=full",
    "training.learning_rate=3e-3",
)  # fmt: skip
WORDS = {
    "en": ("What do you say of room {}?", "It is great and clean.", "Go away with that."),
    "zh": ("{}号房间怎么样？", "很好，很干净。", "别来烦我了。"),
}


def rows_of(language: str, n: int) -> list[dict[str, Any]]:
    """Preference pairs as ShareGPT files hold them; each with a number that can be checked."""
    asked, good, bad = WORDS[language]
    return [
        {
            "conversations": [{"from": "human", "value": asked.format(i)}],
            "chosen": {"from": "gpt", "value": good}, "rejected": {"from": "gpt", "value": bad}, "answer": i % 3,
        }
        for i in range(n)
    ]  # fmt: skip


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    return path


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for language, (asked, good, bad) in WORDS.items():
        folder, rows = tmp_path_factory.mktemp(f"pairs_{language}"), rows_of(language, 64)
        questions = [asked.format(i) for i in range(64)]
        tiny_llama(folder / "model", texts=["<|user|>\n<|assistant|>\n0 1 2", good, bad, *questions])
        written(folder / "train.json", rows[:44])
        written(folder / "test.json", rows[44:])
        found[language] = folder
    return found


@pytest.fixture
def place(places: dict[str, Path]) -> Path:
    return places["en"]


def tuned(place: Path, strategy: str, *more: str) -> Bundle:
    return tune(
        str(place / "train.json"), f"data.test={place / 'test.json'}", f"model={place / 'model'}",
        f"bundle={place / 'b'}", f"training.strategies=[{strategy}]", *SETTINGS, *more, replace=True,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "language"), [("dpo", "en"), ("dpo", "zh"), ("orpo", "en"), ("kto", "zh")])
def test_preferences_are_learned_and_proven_on_held_out_pairs(
    places: dict[str, Path], name: str, language: str
) -> None:
    place = places[language]
    gate = 'evaluation.gate={preference_accuracy: ">= 0.9", reward_accuracy: ">= 0.9"}'
    bundle = tuned(place, f"{{name: {name}, max_kl: 100}}", "training.epochs=4", gate)
    report = bundle.report
    before, after = report["before"]["metrics"], report["metrics"]
    assert before["reward_accuracy"]["value"] == 0.5, "the start has gained nothing"
    assert after["reward_accuracy"]["value"] == 1.0 == after["preference_accuracy"]["value"]
    facts = report["context"]["strategies"][name]
    assert facts["kl"] > 0 and name in facts["words"] and facts["left_out"] == 0
    assert any("kl" in entry.get(name, {}) for entry in report["history"])
    page = (place / "b" / "report.html").read_text("utf-8")
    assert "What strategies measured" in page and "validation preference_loss" in page
    assert "validation/preference_loss" in (place / "b" / "log.jsonl").read_text("utf-8")
    alone = measured(bundle.path, str(place / "test.json"))["metrics"]
    assert alone["preference_accuracy"]["value"] == 1.0 and "reward_accuracy" not in alone


@pytest.mark.parametrize("language", ["en", "zh"])
def test_rewards_are_reported_before_and_after(places: dict[str, Path], language: str) -> None:
    place = places[language]
    rewards = '[{name: format, pattern: "[a-z好]"}, {name: length, most: 400, weight: 0.5}]'
    bundle = tuned(
        place, f"{{name: grpo, rewards: {rewards}, max_new_tokens: 6, max_kl: 100}}", "training.epochs=3",
        'evaluation.gate={mean_reward: ">= 0.2"}',
    )  # fmt: skip
    report = bundle.report
    before, after = report["before"]["metrics"]["mean_reward"], report["metrics"]["mean_reward"]
    assert after["value"] >= before["value"] and after["low"] <= after["value"] <= after["high"]
    facts = report["context"]["strategies"]["grpo"]
    assert facts["format"] <= 1 and facts["length"] <= 1
    assert facts["reward"] == pytest.approx(facts["format"] + 0.5 * facts["length"], abs=1e-5)
    assert "validation/mean_reward" in (place / "b" / "log.jsonl").read_text("utf-8")


def test_prompts_without_answers_are_enough_where_none_is_imitated(place: Path) -> None:
    rows = [{"prompt": f"What do you say of room {i}?", "answer": i % 7} for i in range(40)]
    path = written(place / "sums.json", rows)
    given = (str(path), [f"model={place / 'model'}", "task=dialogue", "data.answer=answer"])
    strategy = "{name: grpo, rewards: [arithmetic]}"
    made = plan(as_recipe(given[0], [*given[1], f"training.strategies=[{strategy}]"]))
    assert all(row["completion"] == str(row["answer"]) for row in made.data.train)
    assert any('"answer" stands in' in note for note in made.data.notes)
    with pytest.raises(DataError, match="there is no answer"):
        plan(as_recipe(*given))


def test_what_rows_lack_is_told_before_anything_is_loaded(place: Path) -> None:
    def refused(strategy: str, *more: str) -> str:
        with pytest.raises(RecipeError) as told:
            tuned(place, strategy, *more)
        return f"{told.value} {told.value.hint}"

    assert "no column is named" in refused("{name: grpo, rewards: [arithmetic]}")
    assert "no reward" in refused("{name: grpo, rewards: [arithmetics]}")
    assert "exclude each other" in refused("dpo, orpo")
    written(place / "plain.json", [{"messages": r["conversations"] + [r["chosen"]]} for r in rows_of("en", 12)])
    with pytest.raises(RecipeError, match="reads the rejected of each row"):
        tune(str(place / "plain.json"), f"model={place / 'model'}", "training.strategies=[dpo]", *SETTINGS)
    with pytest.raises(RecipeError, match="reads the desirable or rejected of each row"):
        tune(str(place / "plain.json"), f"model={place / 'model'}", "training.strategies=[kto]", *SETTINGS)


def test_a_role_that_a_reward_reads_comes_from_the_file(place: Path) -> None:
    bundle = tuned(
        place, "{name: grpo, rewards: [arithmetic], max_new_tokens: 6, max_kl: 100}", "data.answer=answer",
        "task=dialogue", "training.max_steps=2",
    )  # fmt: skip
    assert "mean_reward" in bundle.report["metrics"]
