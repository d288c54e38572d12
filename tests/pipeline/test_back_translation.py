"""Texts through two translation bundles and back, as further training rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith import tune
from tunesmith.bundle.read import Bundle
from tunesmith.core.errors import BundleError, RecipeError
from tunesmith.core.recipe import Recipe
from tunesmith.pipeline.plan import plan
from tunesmith.pipeline.translators import BundleTranslator
from tunesmith.testing import tiny_bert, tiny_t5, toy_rows

QUICK = (
    "training.trackers=[]", "evaluation.baselines=false", "evaluation.resamples=100", "training.threads=1",
    "data.split.near_duplicates=false", "model.max_length=48", "training.max_steps=2", "training.precision=fp32",
)  # fmt: skip


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """Hardly tuned: what they write is some other text."""
    place = tmp_path_factory.mktemp("there")
    rows = [{"en": one["text"], "zh": other["text"]} for one, other in zip(
        toy_rows("en", 40), toy_rows("zh", 40), strict=True)]  # fmt: skip
    model = tiny_t5(place / "t5", texts=[text for row in rows for text in row.values()])
    file = lines(place / "pairs.jsonl", rows)
    return {
        f"{one}-{other}": tune(
            str(file), f"data.text={one}", f"data.target={other}", "task=translation", f"model={model}",
            f"bundle={place / one}", "task.max_new_tokens=6", *QUICK,
        )
        for one, other in (("en", "zh"), ("zh", "en"))
    }  # fmt: skip


def block(bundles: dict[str, Bundle], there: str, back: str, **more: Any) -> str:
    options = {"name": "back_translation", "there": str(bundles[there].path), "back": str(bundles[back].path), **more}
    return f"data.augment={json.dumps([options])}"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_rows_are_added_in_their_own_language(bundles: dict[str, Bundle], language: str, tmp_path: Path) -> None:
    rows = toy_rows(language, 40)
    other = "zh" if language == "en" else "en"
    model = tiny_bert(tmp_path / "b", texts=[row["text"] for row in rows])
    bundle = tune(
        str(lines(tmp_path / "rows.jsonl", rows)), f"model={model}",
        f"bundle={tmp_path / 'out'}", block(bundles, f"{language}-{other}", f"{other}-{language}", share=0.3), *QUICK,
    )  # fmt: skip
    assert any("training rows added by back_translation" in note for note in bundle.report["data_notes"])
    kept = bundle.manifest.recipe["data"]["augment"][0]
    assert kept["name"] == "back_translation" and kept["there"] == str(bundles[f"{language}-{other}"].path)


def test_all_texts_are_answered_in_order_and_blank_ones_stay(bundles: dict[str, Bundle]) -> None:
    bundle = bundles["en-zh"]
    texts = [row["text"] for row in toy_rows("en", 5)]
    translate = BundleTranslator(str(bundle.path))
    assert (translate.source_language, translate.target_language) == ("en", "zh")
    found = translate([texts[0], " ", *texts[1:]])
    assert found[1] == " "
    assert [found[0], *found[2:]] == [bundle.predict(text)[0]["text"] for text in texts]
    warm = BundleTranslator(str(bundle.path), temperature=3.0)
    assert warm(texts) != [found[0], *found[2:]]


def test_mistakes_are_told_before_anything_loads(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    rows = lines(tmp_path / "rows.jsonl", toy_rows("en", 20))
    given = {"data": {"path": str(rows)}}
    with pytest.raises(RecipeError, match="goes en to zh by there, and en to zh by back"):
        plan(Recipe.parse(given, [block(bundles, "en-zh", "en-zh")]))
    with pytest.raises(RecipeError, match="needs two translation bundles"):
        plan(Recipe.parse(given, ["data.augment=[back_translation]"]))
    with pytest.raises(BundleError):
        missing = {"name": "back_translation", "there": str(tmp_path / "no"), "back": str(tmp_path / "no")}
        plan(Recipe.parse(given, [f"data.augment={json.dumps([missing])}"]))
    classes = tune(str(rows), f"model={tiny_bert(tmp_path / 'b', texts=['a'])}", f"bundle={tmp_path / 'c'}", *QUICK)
    with pytest.raises(RecipeError, match="is a bundle for text-classification, and does not translate"):
        BundleTranslator(str(classes.path))
