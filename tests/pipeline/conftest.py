"""Toy files in two languages, tiny models, and runs that many tests look at."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from toy_files import LEARNS, QUICK, write_csv  # noqa: E402

from tunesmith.bundle.parity import RELOAD, compare
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.artefacts import Parity
from tunesmith.testing import tiny_bert, tiny_distilbert, toy_rows


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("cache")
        patch.setenv("TUNESMITH_CACHE", str(place))
        yield place


@pytest.fixture(scope="session")
def rows() -> dict[str, list[dict[str, Any]]]:
    return {language: toy_rows(language, 160) for language in ("en", "zh")}


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory, rows: dict[str, list[dict[str, Any]]]) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("data")
    return {language: write_csv(place / f"{language}.csv", some) for language, some in rows.items()}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, rows: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    place, texts = tmp_path_factory.mktemp("models"), [row["text"] for some in rows.values() for row in some]
    made = {"bert": tiny_bert(place / "bert", texts=texts), "distilbert": tiny_distilbert(place / "d", texts=texts)}
    return {name: str(path) for name, path in made.items()}


@pytest.fixture
def near_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    """The saved bundle is reloaded in this process: a fresh one takes seconds, and has its own test."""

    def prove(part: Path, rows: Any, arrays: Any, predictions: Any, tokens: Any) -> Any:
        bundle = read_bundle(part)
        features, again = bundle.predictor(device="cpu").outputs(rows)
        found = compare(RELOAD, arrays, again, predictions, bundle.task.decode(again, features))
        assert found.passed, found
        return found

    monkeypatch.setattr("tunesmith.pipeline.save.prove_reload", prove)


@pytest.fixture
def tuned(models: dict[str, str], tmp_path: Path, near_reload: None) -> Callable[..., Bundle]:
    """(file, overrides) -> a bundle."""
    from tunesmith import tune

    def go(file: Any, *overrides: str, learns: bool = False, name: str = "out", **options: Any) -> Bundle:
        base = LEARNS if learns else QUICK
        given = (f"model={models['bert']}", f"bundle={tmp_path / name}", *base, *overrides)
        return tune(str(file), *given, **options)

    return go


@pytest.fixture(scope="session")
def members(files: dict[str, Path], models: dict[str, str], tmp_path_factory: Any) -> Iterator[dict[str, Path]]:
    """Three of one data file, of which one hardly learned; and one of other rows."""
    from tunesmith import tune

    with pytest.MonkeyPatch.context() as patch:
        trusted = Parity("save and reload", 1, 0.0, 1.0, 1e-4, True)
        patch.setattr("tunesmith.pipeline.save.prove_reload", lambda *args: trusted)
        place = tmp_path_factory.mktemp("members")
        made = {
            "one": ("zh", "training.seed=1"),
            "short": ("zh", "training.epochs=1", "training.learning_rate=1e-5", "training.head_learning_rate=1e-5"),
            "lora": ("zh", "method=lora", "training.epochs=6"),
            "other": ("en",),
        }
        for name, (language, *more) in made.items():
            base = (f"model={models['bert']}", f"bundle={place / name}", "evaluation.baselines=false")
            tune(str(files[language]), *base, *LEARNS, *more)
        yield {name: place / name for name in made}
