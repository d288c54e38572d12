"""Where a training step of full fine-tuning goes: self time by kind of operation, on short and on long texts.

    python benchmarks/profile_step.py --data FOLDER

The steps are timed first without the profiler, which makes them slower; its figures are used as shares only.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from typing import Any

import harness
from speed_contenders import SETS, Job, model_folder, ours, rows_for

from tunesmith.core.contracts import Strategy

INSIDE = {
    "Drop": "dropout",
    "DropBackward": "dropout",
    "Optimizer.step": "optimizer",
    "Optimizer.zero_grad": "optimizer",
}
"""Whatever runs inside one of these counts as its kind."""
KINDS = {
    "matrix products": ("mm", "addmm", "bmm", "baddbmm", "matmul", "linear", "mkldnn_linear", "_addmm_activation"),
    "dropout": ("random_", "ge"),
    "softmax": ("_softmax", "_softmax_backward_data", "softmax"),
    "layer norm": ("native_layer_norm", "native_layer_norm_backward", "layer_norm"),
    "embedding": (
        "embedding",
        "index_select",
        "embedding_dense_backward",
        "index",
        "index_put_",
        "_index_put_impl_",
        "where",
    ),
    "copies and casts": ("copy_", "_to_copy", "to", "clone", "contiguous", "cat", "fill_", "zero_", "new_zeros"),
    "clipping": ("_foreach_norm", "linalg_vector_norm", "stack", "_foreach_mul_"),
    "elementwise": ("gelu", "gelu_backward", "add", "add_", "mul", "mul_", "div", "tanh", "tanh_backward", "sum"),
}
REST = "Python and the rest"


def work(job: dict[str, Any]) -> dict[str, Any]:
    """In the child: time steps, then profile as many."""
    from transformers import AutoTokenizer

    warm, measured = job.pop("warm"), job.pop("measured")
    wanted = Job(**job, steps=warm + 2 * measured)
    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    rows, _ = rows_for(wanted, tokenizer)
    watch = Watch(warm, measured)
    _, found = ours(wanted, tokenizer, rows, sorted({row["label"] for row in rows}), [watch])
    return {
        "milliseconds": 1000 * watch.plain / measured,
        "profiled_milliseconds": 1000 * watch.profiled / measured,
        "shares": shares(watch.events, watch.profiled * 1e6),
        "operations": operations(watch.events, measured),
        "samples_per_second": found["samples_per_second"],
        "precision": found["precision"],
    }


class Watch(Strategy):
    """Counts steps; after ``warm`` of them times ``measured`` without and then ``measured`` with the profiler."""

    name = "watch"
    summary = "profiles some steps"

    def __init__(self, warm: int, measured: int) -> None:
        self.plain = self.profiled = 0.0
        self.events: list[Any] = []
        self._warm, self._measured = warm, measured

    def on_step(self, run: Any) -> None:
        """Start or stop a clock or the profiler where it is time to."""
        from torch.profiler import ProfilerActivity, profile

        now = time.perf_counter()
        if run.step == self._warm:
            self._start = now
        elif run.step == self._warm + self._measured:
            self.plain = now - self._start
            self._profiler = profile(activities=[ProfilerActivity.CPU], acc_events=True)
            self._profiler.start()
            self._start = time.perf_counter()
        elif run.step == self._warm + 2 * self._measured:
            self.profiled = now - self._start
            self._profiler.stop()
            self.events = list(self._profiler.events())


def kind_of(event: Any) -> str:
    """The kind of an operation, by what it runs inside of or by its name."""
    outer = event
    while outer is not None:
        name = outer.name.partition("#")[0].rpartition(": ")[2]
        if name in INSIDE:
            return INSIDE[name]
        outer = outer.cpu_parent
    name = event.name.rpartition("::")[2]
    return next((kind for kind, names in KINDS.items() if name in names), "other operations")


def shares(events: list[Any], whole: float) -> dict[str, float]:
    """Kind -> share of the steps' time; what no operation took is Python's (the loop, collating, autograd)."""
    spent: Counter[str] = Counter()
    for event in events:
        if "::" in event.name or event.name.startswith(("Optimizer.", "Drop")):
            spent[kind_of(event)] += event.self_cpu_time_total
    found = {kind: time / whole for kind, time in spent.most_common()}
    return {**found, REST: max(0.0, 1 - sum(found.values()))}


def operations(events: list[Any], steps: int) -> list[list[Any]]:
    """The dozen operations with most self time: name, kind, calls a step, milliseconds a step under the profiler."""
    spent: Counter[tuple[str, str]] = Counter()
    calls: Counter[tuple[str, str]] = Counter()
    for event in events:
        if "::" in event.name:
            key = (event.name, kind_of(event))
            spent[key] += event.self_cpu_time_total
            calls[key] += 1
    return [[*key, round(calls[key] / steps, 1), round(time / 1000 / steps, 3)] for key, time in spent.most_common(12)]


def main() -> None:
    """The command line."""
    parser = harness.parser(__doc__)
    parser.add_argument("--steps", type=int, default=40, help="timed, and as many profiled")
    parser.add_argument("--warm", type=int, default=40, help="steps before")
    given = harness.parse(parser)
    if given.quick:
        given.steps, given.warm = 1, 1
    run, found = harness.context(), {}
    for name in SETS:
        rows = 16 * (given.warm + 2 * given.steps)
        job = asdict(Job("ours", name, str(given.data), rows=min(rows, 5000), test_rows=1, epochs=10))
        del job["steps"]
        found[name] = harness.child(__file__, {**job, "warm": given.warm, "measured": given.steps})
    kinds = list(dict.fromkeys(kind for figures in found.values() for kind in figures["shares"]))
    rows = [[kind, *(f"{100 * figures['shares'].get(kind, 0):.1f}%" for figures in found.values())] for kind in kinds]
    rows.append(["**ms a step, without the profiler**", *(f"{f['milliseconds']:.1f}" for f in found.values())])
    rows.append(["ms a step, with it", *(f"{f['profiled_milliseconds']:.1f}" for f in found.values())])
    lines = [*harness.context_lines(run), "", "Full fine-tuning of MiniLM, batch 16; shares of self time by kind.", ""]
    lines += harness.table(["kind", *found], rows)
    for name, figures in found.items():
        lines += ["", f"Largest operations on {name}, under the profiler:", ""]
        lines += harness.table(["operation", "kind", "calls a step", "ms a step"], figures["operations"])
    lines += harness.busy_note(list(found.values()))
    harness.write(given.results, "profile_step", "Where a training step goes", lines, {**run, "sets": found})


if __name__ == "__main__":
    harness.entry(work, main)
