"""Bundles over one backbone: their answers are what each gives alone, and the backbone is in memory once."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.shared import NotShared, SharedBackbone, fingerprint
from tunesmith.core.artefacts import Parity
from tunesmith.models.many import ManyLinear, ManyLora, Routes
from tunesmith.service.caller import OPEN
from tunesmith.service.opening import Opening
from tunesmith.service.problems import Refused
from tunesmith.service.products import Products
from tunesmith.service.settings import Batching, checked
from tunesmith.service.shared_engines import SharedEngines
from tunesmith.testing import tiny_bert, toy_rows

TEXTS = [row["text"] for language in ("en", "zh") for row in toy_rows(language, 20, seed=5)]
KINDS = {
    "lora": ("en", ["method=lora", "training.epochs=2"]),
    "lora4": ("zh", ["method={name: lora, rank: 4}", "training.epochs=1", "training.seed=5"]),
    "head": ("zh", ["method=head", "training.epochs=1"]),
    "three": ("three", ["method=lora", "training.epochs=1"]),
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Bundle]]:
    """Two LoRA of other ranks and languages, a head alone, and one with three classes; all on one tiny model."""
    from tunesmith.cli import main

    place = tmp_path_factory.mktemp("shared")
    rows = {language: toy_rows(language, 80) for language in ("en", "zh")}
    three = [{**row, "label": f"class {i % 3}"} for i, row in enumerate(rows["en"])]
    model = tiny_bert(place / "model", texts=[row["text"] for some in rows.values() for row in some])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESMITH_CACHE", str(place / "cache"))
        # Each reload in a fresh process takes seconds, and is not what is tested here.
        proven = Parity("save and reload", 1, 0.0, 1.0, 1e-4, True)
        patch.setattr("tunesmith.pipeline.save.prove_reload", lambda *_, **__: proven)
        for name, (data, words) in KINDS.items():
            with (place / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                table = csv.DictWriter(file, ["text", "label"])
                table.writeheader()
                table.writerows({"en": rows["en"], "zh": rows["zh"], "three": three}[data])
            shared = ["evaluation.baselines=false", "evaluation.resamples=100", "training.learning_rate=0.02"]
            assert (
                main(["tune", str(place / f"{name}.csv"), f"bundle={place / name}", f"model={model}", *shared, *words])
                == 0
            )
        yield {name: read_bundle(place / name) for name in KINDS}


def alone(bundle: Bundle) -> list[dict[str, float]]:
    return [one["scores"] for one in bundle.predict(TEXTS)]


def near(one: dict[str, float], other: dict[str, float]) -> bool:
    return one == pytest.approx(other, abs=1e-4)


def test_each_answers_as_it_does_alone(bundles: dict[str, Bundle]) -> None:
    first, *others = bundles.values()
    shared = SharedBackbone(first)
    members = [shared.members[0], *map(shared.add, others)]
    for bundle, member in zip(bundles.values(), members, strict=True):
        found = member.predict([{"text": text} for text in TEXTS])
        assert all(near(one["scores"], other) for one, other in zip(found, alone(bundle), strict=True))
    told = [alone(bundle)[0] for bundle in bundles.values()]
    assert not near(told[1], told[2])  # two Chinese ones, trained otherwise: else nothing was shown


def test_all_in_one_batch(bundles: dict[str, Bundle]) -> None:
    first, *others = bundles.values()
    shared = SharedBackbone(first)
    members = [shared.members[0], *map(shared.add, others)]
    mixed = [(members[i % 4], list(bundles.values())[i % 4], text) for i, text in enumerate(TEXTS)]
    features = [feature for member, _, text in mixed for feature in member.encode([{"text": text}])]
    arrays = members[2].infer(features)
    for (member, bundle, text), feature, array in zip(mixed, features, arrays, strict=True):
        (found,) = member.decode([array], [feature])
        assert near(found["scores"], bundle.predict(text)[0]["scores"])


def test_another_backbone_is_not_shared(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    shared = SharedBackbone(bundles["lora"])
    other = tmp_path / "other"
    shutil.copytree(bundles["head"].path, other)
    weights = load_file(other / "model.safetensors")
    weights["bert.embeddings.word_embeddings.weight"][5, 3] += 0.01
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(NotShared, match="word_embeddings"):
        shared.add(read_bundle_unchecked(other))
    assert len(shared.members) == 1
    again = shared.add(bundles["head"])  # the one before has left nothing behind
    assert near(again.predict([{"text": TEXTS[0]}])[0]["scores"], alone(bundles["head"])[0])


def read_bundle_unchecked(path: Path) -> Bundle:
    from tunesmith.bundle.read import read_manifest

    return Bundle(path, read_manifest(path))


def test_what_can_share_is_known_without_loading_it(bundles: dict[str, Bundle]) -> None:
    assert len({fingerprint(one) for one in bundles.values()}) == 1 and fingerprint(bundles["lora"])


def test_a_catalog_shares_and_a_single_one_does_not(bundles: dict[str, Bundle]) -> None:
    from tunesmith.service.asking import ask
    from tunesmith.service.monitoring import Counts
    from tunesmith.service.services import Services

    def served(*names: str) -> Services:
        catalog = checked({"products": {name: str(bundles[name].path) for name in names}}, "catalog")
        products = Products(catalog.products, Batching(), None, Opening())
        products.load()
        return Services(catalog, products, Counts())

    services = served(*KINDS)
    versions = [services.products.of(name).stable for name in KINDS]
    assert {one.runtime for one in versions} == {"torch, shared"}
    models = {id(one.engine.predictor.runtime.model) for one in versions}  # type: ignore[attr-defined]
    assert len(models) == 1

    async def work() -> list[Any]:
        asked = [ask(services, OPEN, name, [{"text": text}], text) for text in TEXTS for name in KINDS]
        return list(await asyncio.gather(*asked))

    found = asyncio.run(work())
    wanted = [bundles[name].predict(text)[0]["scores"] for text in TEXTS for name in KINDS]
    assert all(near(one.predictions[0]["scores"], other) for one, other in zip(found, wanted, strict=True))
    services.products.close()

    single = served("lora")
    assert single.products.of("lora").stable.runtime == "torch"
    single.products.close()


def test_each_product_has_its_own_deadline(bundles: dict[str, Bundle]) -> None:
    limits = [Batching(), Batching(deadline=0.5), Batching(deadline=30)]
    shared = SharedEngines()
    shared.wanted = {"same": 3}
    views = [shared.open("same", bundle, one) for bundle, one in zip(bundles.values(), limits, strict=False)]
    assert [view and view.limits.deadline for view in views] == [10, 0.5, 30]
    one, short, _ = views
    assert one is not None and short is not None
    one._engine._rate, one._engine._waiting = 1.0, 5  # 5 s to wait
    one.refuse_if_full()
    with pytest.raises(Refused, match="in 0.5 s"):
        short.refuse_if_full()
    with pytest.raises(Refused, match="in 0.5 s"):
        asyncio.run(short.submit([{"text": "a"}], "key"))
    one._engine._waiting = 0
    for view in views:
        assert view is not None
        view.close()


def test_lora_for_each_row() -> None:
    torch.manual_seed(3)
    linear, routes = torch.nn.Linear(6, 4), Routes()
    layer = ManyLora(linear, routes)
    factors = [(torch.randn(2, 6), torch.randn(4, 2)), (torch.randn(3, 6), torch.randn(4, 3)), (None, None)]
    for a, b in factors:
        layer.add(a, b)
    x = torch.randn(5, 7, 6)
    routes.rows = torch.tensor([0, 2, 1, 0, 1])
    found = layer(x)
    for row, number in enumerate(routes.rows.tolist()):
        a, b = factors[number]
        wanted = linear(x[row]) + (0 if a is None or b is None else x[row] @ a.T @ b.T)
        torch.testing.assert_close(found[row], wanted)
    routes.rows = torch.tensor([1, 1, 1, 1, 1])
    torch.testing.assert_close(layer(x)[2], linear(x[2]) + x[2] @ factors[1][0].T @ factors[1][1].T)


def test_a_layer_for_each_row() -> None:
    routes = Routes()
    layer = ManyLinear(torch.nn.Linear(6, 2), routes, 2)
    layer.add(wide := torch.nn.Linear(6, 5))
    routes.rows = torch.tensor([2, 0, 1])
    x = torch.randn(3, 6)
    found = layer(x)
    torch.testing.assert_close(found[0], wide(x[0]))
    torch.testing.assert_close(found[2, :2], layer.layers[0](x[2]))
    assert found.shape == (3, 5) and not found[1, 2:].any()
