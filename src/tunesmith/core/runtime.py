"""Device, precision, threads and seed of a run: asked of the machine, not of the user."""

from __future__ import annotations

import math
import os
import platform
import random
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from tunesmith.core.cgroup import quota
from tunesmith.core.errors import RecipeError


@dataclass(frozen=True)
class Machine:
    """Where a run computes."""

    device: str
    precision: str
    threads: int


def resolve(device: str = "auto", precision: str = "auto", threads: int | None = None) -> Machine:
    """Turn "auto" into what this machine has and is good at.

    Raises:
        RecipeError: the device or precision asked for is not to be had here.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind = device.split(":")[0]
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(kind, False):
        have = ", ".join(name for name, here in available.items() if here)
        raise RecipeError(f'training.device is "{device}", which this machine does not have.', f"Here: {have}, auto.")
    _, _, index = device.partition(":")
    if kind == "cuda" and index and not (index.isdigit() and int(index) < torch.cuda.device_count()):
        have = ", ".join(f"cuda:{i}" for i in range(torch.cuda.device_count()))
        raise RecipeError(f'training.device is "{device}", which this machine does not have.', f"Here: {have}.")
    if precision == "auto":
        precision = "bf16" if _good_at_bf16(kind) else "fp32"
    if precision == "fp16" and kind == "cpu":
        raise RecipeError("training.precision is fp16, which needs a GPU.", "On a CPU: bf16, fp32 or auto.")
    return Machine(device, precision, threads or cores())


def one_process() -> None:
    """Raise ``RecipeError`` where a launcher has started several processes: each would do the whole of one run."""
    count = os.environ.get("WORLD_SIZE", "1")
    if count.isdigit() and int(count) > 1:
        raise RecipeError(
            f"Training runs in one process on one device, and WORLD_SIZE is {count}.",
            "Start tunesmith itself, without torchrun or accelerate launch; choose a GPU by training.device=cuda:1.",
        )


def calm_threads() -> None:
    """On a busy machine, let OpenMP's waiting threads sleep soon; to be called before torch is first imported.

    GNU OpenMP lets them spin for milliseconds. Alone on the machine that is best (a training step on short texts
    takes 70 ms so, and 93 ms with short spins); but when others want the cores, each of torch's hundreds of parallel
    regions a step waits for a thread that is not running, and a step took 440 to 700 ms, against 150 ms with short
    spins. A user's own setting wins.
    """
    if "OMP_WAIT_POLICY" not in os.environ and others_running() > 0.5 * cores():
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def others_running(samples: int = 5, pause: float = 0.004) -> float:
    """Threads of other processes that want a core at this moment, the median of a few looks; 0 where nothing tells.

    The load average would not do: it remembers what this user's last command did.
    """
    seen = []
    for _ in range(samples):
        try:
            with open("/proc/loadavg", encoding="ascii") as file:
                seen.append(int(file.read().split()[3].partition("/")[0]) - 1)
        except (OSError, ValueError, IndexError):
            return 0.0
        time.sleep(pause)
    return float(sorted(seen)[len(seen) // 2])


def cores() -> int:
    """Cores that this process may use: those that it may run on, and no more than a container has time for."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = quota()
    return there if limit is None else max(1, min(there, math.ceil(limit)))


@cache
def _good_at_bf16(kind: str) -> bool:
    import torch

    if kind == "cuda":
        # Before Ampere it is emulated, and slow.
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind == "cpu":
        # Without these instructions bf16 is emulated, and slower than fp32.
        flags = cpu_flags()
        return bool({"avx512_bf16", "amx_bf16", "bf16", "sve_bf16"} & flags)
    return False


@cache
def cpu_flags() -> frozenset[str]:
    """The processor's feature flags, lower case; empty where the system does not tell."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.lower().startswith(("flags", "features")):
                    return frozenset(line.partition(":")[2].lower().split())
    except OSError:
        pass
    return frozenset()


def vnni() -> bool | None:
    """Whether the processor sums products of int8 exactly; None: it is no x86, or the system does not tell.

    Without these instructions an x86 adds two products in 16 bits, and cuts off what is too large.
    """
    flags = cpu_flags()
    if not flags or platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    return bool({"avx512_vnni", "avx_vnni"} & flags)


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """The states of all generators that a run draws from, for an exact resume."""
    import numpy as np
    import torch

    numpy_state: Any = np.random.get_state(legacy=True)
    kind, keys, position, has_gauss, cached = numpy_state
    version, internal, gauss = random.getstate()
    state: dict[str, Any] = {
        "python": [version, list(internal), gauss],
        "numpy": [str(kind), keys.tolist(), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state().tolist(),
    }
    if torch.cuda.is_available():
        state["cuda"] = [s.tolist() for s in torch.cuda.get_rng_state_all()]
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Take back what ``random_state`` returned, also after a trip through JSON."""
    import numpy as np
    import torch

    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([torch.tensor(s, dtype=torch.uint8) for s in state["cuda"]])
