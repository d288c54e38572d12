from __future__ import annotations

import json
import os
import random

import numpy as np
import pytest
import torch

from tunesmith.core import runtime
from tunesmith.core.errors import RecipeError
from tunesmith.core.runtime import cores, one_process, random_state, resolve, restore_random_state, seed_everything


def draw() -> list[float]:
    """From every generator, twice from those that keep a spare normal."""
    return [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn(), float(torch.rand(1))]


def test_auto_is_something_that_this_machine_has() -> None:
    machine = resolve()
    assert machine.device in ("cpu", "cuda", "mps")
    assert machine.precision in ("bf16", "fp32")
    assert machine.threads == cores() >= 1


def test_what_is_asked_for_wins() -> None:
    machine = resolve("cpu", "fp32", 1)
    assert (machine.device, machine.precision, machine.threads) == ("cpu", "fp32", 1)


@pytest.mark.parametrize(
    ("flags", "precision"), [({"avx2"}, "fp32"), ({"avx512_bf16"}, "bf16"), ({"amx_bf16"}, "bf16"), (set(), "fp32")]
)
def test_bf16_only_where_the_processor_has_it(flags: set[str], precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "cpu_flags", lambda: frozenset(flags))
    runtime._good_at_bf16.cache_clear()
    try:
        assert resolve("cpu").precision == precision
    finally:
        runtime._good_at_bf16.cache_clear()


@pytest.mark.parametrize("native", [True, False])
def test_bf16_only_where_the_gpu_has_it(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation=True: including_emulation or native)
    runtime._good_at_bf16.cache_clear()
    try:
        assert runtime._good_at_bf16("cuda") is native
    finally:
        runtime._good_at_bf16.cache_clear()


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert resolve("cuda:1", "fp32").device == "cuda:1"
    with pytest.raises(RecipeError, match="cuda:2") as told:
        resolve("cuda:2", "fp32")
    assert told.value.hint == "Here: cuda:0, cuda:1."


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    one_process()
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RecipeError, match="WORLD_SIZE is 2"):
        one_process()


@pytest.mark.parametrize(("device", "precision", "said"), [("tpu", "auto", "does not have"), ("cpu", "fp16", "GPU")])
def test_what_is_not_to_be_had_is_an_error(device: str, precision: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        resolve(device, precision)


def test_the_same_seed_draws_the_same() -> None:
    seed_everything(7)
    first = draw()
    seed_everything(7)
    assert draw() == first


def test_random_state_survives_json() -> None:
    seed_everything(7)
    draw()
    kept = json.dumps(random_state())
    first = draw()
    restore_random_state(json.loads(kept))
    assert draw() == first


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system has no affinity")
def test_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 5})
    monkeypatch.setattr(runtime, "quota", lambda: None)
    assert cores() == 3


def test_threads_are_calmed_only_where_others_want_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "cores", lambda: 2)
    for others, wanted in ((0.0, None), (1.0, None), (3.0, "1000")):
        monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
        monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
        monkeypatch.setattr(runtime, "others_running", lambda others=others: others)
        runtime.calm_threads()
        assert os.environ.get("GOMP_SPINCOUNT") == wanted
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    runtime.calm_threads()
    assert os.environ["GOMP_SPINCOUNT"] == "7"
