"""``tunesmith shrink``: a bundle becomes small and fast, and provably the same."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json, Overrides


def shrink(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="The folder that tune wrote.")],
    overrides: Overrides = None,
    to: Annotated[str, typer.Option("--to", help="A form (tunesmith plugins forms); auto tries all.")] = "auto",
    cut: Annotated[
        list[str] | None, typer.Option("--cut", help="Make the model smaller, too: layers=3,feed_forward=0.5")
    ] = None,
    max_loss: Annotated[
        float,
        typer.Option(
            "--max-loss",
            min=0,
            help="Of the first metric; more does not ship. Of what writes: the rise of perplexity, as a share.",
        ),
    ] = 0.01,
    target: Annotated[
        str, typer.Option("--target", help="What auto makes small: latency, throughput or size.")
    ] = "latency",
    min_agreement: Annotated[
        float, typer.Option("--min-agreement", min=0, max=1, help="Share of rows that must be answered as before.")
    ] = 0.9,
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="Keep the model folder beside the graph, for transformers.")
    ] = False,
    test_all: Annotated[
        bool, typer.Option("--test-all", help="Measure every candidate on the test rows, too, for a table.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a bundle of the same name.")] = False,
    json: Json = False,
) -> None:
    """Write a smaller, faster bundle beside BUNDLE, and prove that it answers alike.

    The data file of the bundle is read again. Validation rows choose among the forms; the pick is then held to its
    parent on the test rows: the metric may lose --max-loss at most. What does not hold is not written.

    A bundle that writes (dialogue, code ...) has forms of its own: onnx, int8, int4-mixed, int4 (tunesmith plugins
    writer_forms). What may rise by --max-loss, as a share of itself, is the perplexity of the held-out answers;
    --min-agreement is the share of tokens at which the same one would have been written.

    --cut takes layers, feed_forward, heads (a count or a share), vocabulary (zh+en) and recover (epochs of training by
    the parent's answers), comma-separated; give it several times to try several. --to torch stops after the cut.
    """
    from tunesmith.core.runtime import calm_threads

    calm_threads()
    from tunesmith.pipeline.shrink import ShrinkOptions
    from tunesmith.pipeline.shrink import shrink as shrunk

    begun = time.monotonic()
    options = ShrinkOptions(to, cut or [], max_loss, target, min_agreement, keep_weights, test_all)  # type: ignore[arg-type]
    made = shrunk(bundle, overrides or [], options, overwrite=replace)
    report = made.report
    emit(
        {
            "bundle": str(made.path),
            "task": made.manifest.task.name,
            "seconds": round(time.monotonic() - begun, 3),
            "metrics": report["metrics"],
            "before": report["before"]["metrics"],
            "parity": report["parity"],
            "shrink": report["shrink"],
            **{key: report[key] for key in ("smaller",) if key in report},
            "notes": report["data_notes"],
        },
        json,
        _page,
    )


def _page(result: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.text import Text

    told, path = result["shrink"], result["bundle"]
    lines = [f"bundle  {path}   ({result['seconds']:.0f} s; reloaded in a fresh process: it answers alike)"]
    lines += [f"report  {path}/report.html", f'next    tunesmith predict {path} "..."']
    closing = [Text(line, no_wrap=True, overflow="ignore") for line in lines]
    return Group(_table(told), "", *result["notes"], "", _proof(told), "", *closing)


def _table(told: dict[str, Any]) -> Any:
    """The parent and every candidate: what each loses, and how fast and large it is."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    units = told["units"]
    same = f"same {units['answers']}"
    lost = "rise" if units["relative"] else "lost"
    speed = [f"{n} {units['what']}{'s' * (n > 1)}, ms{units['each']}" for n in (1, units["many"])]
    for heading in ("", told["metric"], lost, same, *speed, "MiB"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=not heading)
    for one in told["candidates"]:
        mark = " <- picked" if one["name"] == told["picked"] else ""
        table.add_row(
            one["name"] + mark, f"{one['metric']:.4f}", f"{one['loss']:+.4f}", _share(one["agreement"]),
            f"{1e3 * one['one']:.2f}", f"{1e3 * one['many']:.1f}", f"{one['bytes'] / 2**20:.1f}",
        )  # fmt: skip
    return table


def _proof(told: dict[str, Any]) -> str:
    """What the pick lost on the test rows, beside what it might."""
    from tunesmith.compression.pick import same_of

    units, parity = told["units"], told["parity"]
    rest = same_of(parity["agreement"], parity["largest_gap"], units["answers"])
    if parity["alone"] is not None:
        rest += f" ({parity['alone']:.1%} of them asked one by one)"
    elif parity["agreement"] is None:
        rest += f" (allowed {parity['tolerance']:.3g}; also asked one by one)"
    return (
        f"On {parity['rows']:,} test rows {parity['metric']} {'rises by' if units['relative'] else 'loses'} "
        f"{parity['loss']:+.4f}{' of itself' if units['relative'] else ''} "
        f"({parity['loss_low']:+.4f} to {parity['loss_high']:+.4f}; allowed {parity['allowed_loss']:g}), {rest}."
    )


def _share(agreement: float | None) -> str:
    return "-" if agreement is None else f"{agreement:.1%}"
