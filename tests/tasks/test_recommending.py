"""The parts of a recommender, each against a plain way to the same."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith.core.errors import DataError
from tunesmith.models.two_towers import TwoTowers, TwoTowersConfig
from tunesmith.service.examples import row_of
from tunesmith.tasks.recommendation import Recommendation
from tunesmith.tasks.recommending.catalogue import Catalogue
from tunesmith.tasks.recommending.draws import candidates_of
from tunesmith.tasks.recommending.memory import Memory, learned
from tunesmith.tasks.recommending.neighbours import together
from tunesmith.tasks.recommending.popularity import Popularity
from tunesmith.tasks.recommending.ranker import Ranker, fitted
from tunesmith.tasks.recommending.retrieve import largest
from tunesmith.tasks.recommending.signals import named
from tunesmith.tasks.recommending.taken import Taken


def rows(users: int = 6, each: int = 4) -> list[dict[str, Any]]:
    return [
        {"user": f"u{u}", "item": f"i{(u + k) % 8}", "time": 100.0 * k + u, "rating": 3.0 + k % 2}
        for u in range(users)
        for k in range(each)
    ]


def test_what_is_known_survives_json() -> None:
    memory = learned(rows(), {})
    again = Memory.of_state(json.loads(json.dumps(memory.to_state())))
    assert again.catalogue.ids == memory.catalogue.ids and again.taken.users == memory.taken.users
    assert np.array_equal(again.taken.times, memory.taken.times) and np.array_equal(again.taught, memory.taught)
    assert np.array_equal(again.together.codes, memory.together.codes)


@pytest.mark.parametrize("count", [1, 10, 300])
def test_the_largest_are_found_in_blocks(count: int) -> None:
    scores = np.random.default_rng(1).normal(size=20_011).astype(np.float32)
    wanted = np.sort(np.argsort(-scores)[:count])
    assert np.array_equal(largest(scores, count), wanted)


def test_popularity_does_not_see_the_future() -> None:
    events = [("u", i % 3, float(i), float("nan")) for i in range(300)]
    popularity = Popularity(Taken.of(events), 3)
    for time in (0.0, 50.0, 150.5, 299.0):
        counts = popularity.before(time)
        true = np.bincount([item for _, item, t, _ in events if t < time], minlength=3)
        assert (counts <= true).all() and (true - counts).sum() <= 10, "at most one step behind"
    assert popularity.before(None).tolist() == [100, 100, 100]


def test_neighbours_are_cosines_of_users() -> None:
    events = [(u, i, 0.0, 0.0) for u, items in {"a": (0, 1), "b": (0, 1), "c": (0, 2)}.items() for i in items]
    found = together(Taken.of(events), 3, shrink=0.0)
    assert found.codes[0, :2].tolist() == [1, 2] and found.near[0, 0] == pytest.approx(2 / np.sqrt(6), abs=1e-3)
    scores = found.scores(np.array([0]), np.ones(1))
    assert scores.argmax() == 1 and scores[0] == 0


def test_the_ranker_finds_the_signal_that_decides() -> None:
    draw = np.random.default_rng(2)
    pools = [draw.normal(size=(20, 3)) for _ in range(200)]
    right = [int((2 * pool[:, 1] + draw.gumbel(size=20)).argmax()) for pool in pools]
    ranker = fitted(["a", "b", "c"], pools, right)
    assert ranker is not None and ranker.weights[1] == pytest.approx(2, abs=0.35)
    assert np.abs(ranker.weights[[0, 2]]).max() < 0.3 and fitted(["a"], pools[:2], right[:2]) is None


def test_names_that_a_user_likes_lift_an_item() -> None:
    codes = np.array([[0, -1], [0, 1], [2, -1], [1, 2]], np.int32)
    found = named(codes, np.array([0]), np.arange(4))
    assert found[0] > 0 > found[2] and found[0] > found[1] > found[2]


def shelf() -> Catalogue:
    columns = {"price": [1.0, 2.0, 3.0, None], "kind": ["a", "a", "b", "b"], "note": ["x", "y", None, "z"]}
    return Catalogue(list("0123"), [""] * 4, columns)


def test_columns_stay_of_their_kind_whatever_is_added() -> None:
    before = shelf()
    assert (list(before.numbers), list(before.names)) == (["price"], ["kind"])
    known = Catalogue.of_state(json.loads(json.dumps(before.to_state())))
    grown = known.grown(["4", "5"], ["", ""], {"price": ["N/A", 9.0], "kind": [7, "a"], "note": ["x", "y"]})
    again = Catalogue.of_state(json.loads(json.dumps(grown.to_state())))
    assert (list(again.numbers), list(again.names)) == (["price"], ["kind"]), "a note now stands with several, too late"
    assert np.array_equal(again.numbers["price"][:4], before.numbers["price"], equal_nan=True), "mean and spread stay"
    assert np.isnan(again.numbers["price"][4]) and again.names["kind"][4, 0] == -1
    old = {name: value for name, value in before.to_state().items() if name != "kinds"}
    assert Catalogue.of_state(old).kinds == before.kinds, "a bundle that tells no kinds: by its cells"


def test_a_ranker_finds_its_signals_by_name() -> None:
    ranker = Ranker(("a", "b", "c"), np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 4.0]))
    signals = np.array([[5.0, 6.0, 7.0]])
    moved = ranker.over(["c", "new", "a"]).parts(signals)
    assert moved[0, 2] == ranker.parts(np.array([[7.0, 0.0, 0.0]]))[0, 0]
    assert moved[0, 0] == ranker.parts(np.array([[0.0, 0.0, 5.0]]))[0, 2] and moved[0, 1] == 0


def test_an_event_is_known_once() -> None:
    memory = learned(rows(), {})
    assert memory.new(rows()) == []
    fresh = [{**rows()[0], "time": 7e5}, {**rows()[0], "user": "nobody"}, {**rows()[0], "item": "unknown"}]
    assert memory.new([*rows(), *fresh]) == fresh
    timeless = [{key: value for key, value in row.items() if key != "time"} for row in rows()]
    assert learned(timeless, {}).new(timeless) == timeless, "without a time, it may have been taken again"


def test_candidates_hold_the_right_ones_and_are_drawn_the_same_again() -> None:
    share = np.array([0.5, 0.3, 0.2, 0.0])
    features = [{"row": i, "target": t, "input_ids": np.array([1], np.int32)} for i, t in enumerate((1, 2, 1))]
    one, other = (candidates_of(features, share, 50) for _ in range(2))
    assert all(np.array_equal(one[key], other[key]) for key in one)
    assert one["candidates"][one["labels"]].tolist() == [1, 2, 1] and 3 not in one["candidates"]
    taken = one["candidates"].tolist().index(0)
    assert one["hidden"][:, taken].all() and not one["hidden"][[0, 1, 2], one["labels"]].any()
    assert (one["log_q"] <= 0).all()


def towers(items: int = 9) -> TwoTowers:
    torch.manual_seed(0)
    model = TwoTowers(TwoTowersConfig(items=items, width=12, dim=8, heads=2))
    vectors = torch.nn.functional.normalize(torch.randn(items, 12), dim=-1)
    model.set_texts(vectors, torch.arange(items) != items - 1)
    return model.eval()


def test_towers_alone_give_the_logits_of_candidates() -> None:
    model = towers()
    ids, ages = torch.tensor([[0, 3, 5], [1, 2, 4]]), torch.tensor([[0.0, 9.0, 2.0], [3.0, 2.0, 1.0]])
    with torch.no_grad():
        model.item_bias.normal_()
        whole = model(ids, ages, torch.zeros_like(ages))
        some = model(ids, ages, torch.zeros_like(ages), candidates=torch.tensor([0, 8]))
    assert torch.allclose((whole.users @ whole.table.T)[:, [0, 8]], some.logits, atol=1e-5)
    assert whole.attention[0, 0] == 0 and torch.allclose(whole.attention.sum(1), torch.ones(2))


def test_a_cold_item_has_no_residual_and_padding_changes_nothing() -> None:
    model = towers()
    before = model.vectors()[0][8].clone()
    with torch.no_grad():
        model.residual_embedding.weight[8] += 5
    assert torch.equal(model.vectors()[0][8], before)
    one, other = torch.tensor([[3, 5]]), torch.tensor([[0, 0, 3, 5]])
    zeros = (torch.zeros(1, 2), torch.zeros(1, 4))
    assert torch.allclose(model(one, zeros[0], zeros[0]).users, model(other, zeros[1], zeros[1]).users, atol=1e-6)
    nobody = model(torch.zeros(1, 1, dtype=torch.long), torch.zeros(1, 1), torch.zeros(1, 1))
    assert torch.isfinite(nobody.users).all()


def test_kept_vectors_follow_the_weights() -> None:
    model = towers()
    ids, zeros = torch.tensor([[3, 5]]), torch.zeros(1, 2)
    before = model(ids, zeros, zeros).table.clone()
    with torch.no_grad():
        model.project.weight.mul_(-1)
    assert not torch.allclose(model(ids, zeros, zeros).table, before)


def test_too_little_to_tell_apart_is_refused() -> None:
    with pytest.raises(DataError, match="one user only"):
        Recommendation().learn([row for row in rows() if row["user"] == "u0"])
    with pytest.raises(DataError, match="1 item"):
        Recommendation().learn([{**row, "item": "same"} for row in rows()])
    with pytest.raises(DataError, match="learned from no log"):
        _ = Recommendation().memory


def test_histories_are_known_up_to_a_moment() -> None:
    task = Recommendation()
    task.learn(rows())
    encoded = task.encode(
        [{"user": "u0"}, {"user": "u0", "time": 150.0}, {"user": "?"}], None, max_length=3, targets=False
    )  # type: ignore[arg-type]
    assert [len(f["question"].history) for f in encoded] == [3, 2, 0] and len(encoded[0]["seen"]) == 4
    assert encoded[2]["input_ids"].tolist() == [0]
    with pytest.raises(DataError, match="Row 1: there is no user"):
        task.encode([{}], None, max_length=3, targets=False)  # type: ignore[arg-type]


def test_the_example_of_a_request_can_be_sent() -> None:
    task = Recommendation()
    task.learn(rows())
    row = row_of(task, task.request_model())
    assert task.request_model().model_validate(row)
    codes, unknown = task.memory.catalogue.codes(row["history"])
    assert len(codes) == 2 and not unknown, "items that there are"
