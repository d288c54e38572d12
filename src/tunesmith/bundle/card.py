"""The model card: what a model is, how good it is and against what, and how to use it; for people and for the hub.

Written from plain dictionaries: the manifest as in ``tunesmith.json``, and a report, of which ``metrics``, ``before``,
``baselines``, ``names``, ``verdict`` and ``data_notes`` are read; what is absent is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from tunesmith.bundle.layout import RECIPE, REPORT_PAGE, ROUTES, WEIGHTS
from tunesmith.bundle.markdown import block, code, escaped, items, table
from tunesmith.core.registry import family, tasks_with

HUB_METRICS = {"macro_f1": "f1", "micro_f1": "f1", "weighted_f1": "f1", "mcc": "matthews_correlation"}
"""Our metric -> the hub's type; others have the same name."""

PIPELINES = ("text-classification", "token-classification", "feature-extraction", "text-generation", "fill-mask")
"""Our tasks' words for which transformers 5 has a pipeline; question-answering is no more among its."""

Values = Mapping[str, Any]


def model_card(name: str, manifest: Values, report: Values, *, adapter: Values | None = None) -> str:
    """``README.md`` of a bundle.

    Args:
        name: of the model, for example the bundle's folder.
        manifest: ``Manifest.to_json()``.
        report: see the module.
        adapter: None unless ``adapter/`` holds what peft reads; else what the base model must be made with beside
            ``num_labels``, for example ``{"num_hidden_layers": 7}``; often empty.
    """
    front = yaml.safe_dump(front_matter(name, manifest, report), sort_keys=False, allow_unicode=True, width=100)
    sections = {
        "": _about(name, manifest),
        "Figures": _figures(manifest, report),
        "Data": _data(manifest, report),
        "How to use it": _usage(name, manifest, adapter),
        "Limits": _limits(manifest),
        "How it was made": _making(manifest),
        "Proof": _proof(manifest),
    }
    lines = ["---", *front.rstrip("\n").split("\n"), "---", ""]
    for title, body in sections.items():
        if body:
            lines += [*([f"## {title}", ""] if title else []), *body]
    return "\n".join(lines).rstrip() + "\n"


def front_matter(name: str, manifest: Values, report: Values) -> dict[str, Any]:
    """The hub's metadata, with a model index; keys without a value are left out."""
    task, lineage = _task(manifest), manifest.get("lineage", {})
    values = {
        "license": lineage.get("license"),
        "language": _list((manifest.get("data") or {}).get("language")),
        "library_name": "transformers",
        "pipeline_tag": task.pipeline_tag,
        "base_model": lineage.get("hub_id"),
        "tags": ["tunesmith", manifest["task"]["name"], manifest["method"]["name"]],
        "model-index": [{"name": name, "results": [_result(manifest, report)]}] if _after(manifest, report) else None,
    }
    return {key: value for key, value in values.items() if value}


def _result(manifest: Values, report: Values) -> dict[str, Any]:
    figures = _after(manifest, report)
    return {
        "task": {"type": _task(manifest).pipeline_tag, "name": manifest["task"]["name"]},
        "dataset": {"name": _data_name(manifest), "type": "custom", "split": "test"},
        "metrics": [
            {"type": HUB_METRICS.get(key, key), "name": key, "value": round(float(figure["value"]), 6)}
            for key, figure in figures.items()
            if figure.get("value") is not None
        ],
    }


def _about(name: str, manifest: Values) -> list[str]:
    base = manifest.get("lineage", {}).get("base_model") or "a pretrained model"
    labels = manifest["task"].get("state", {}).get("labels") or []
    how = f"Tuned from {code(base)} with the method {code(manifest['method']['name'])}."
    what = f"{escaped(_task(manifest).summary)}. {how}"
    named = [f"Labels: {', '.join(code(label) for label in labels[:100])}{' ...' if len(labels) > 100 else ''}.", ""]
    return [f"# {escaped(name)}", "", what[:1].upper() + what[1:], "", *(named if labels else [])]


def _figures(manifest: Values, report: Values) -> list[str]:
    after = _after(manifest, report)
    if not after:
        return []
    names = {"before": "before tuning", **{k: v for k, v in (report.get("names") or {}).items() if k != "before"}}
    sides = {**(report.get("baselines") or {}), "before": report.get("before")}
    columns: dict[str, Values] = {str(names.get(k, k)): side.get("metrics", side) for k, side in sides.items() if side}
    head = ["metric", *map(escaped, columns), "**this model**"]
    rows = [
        [
            escaped(metric),
            *(_figure(figures.get(metric)) for figures in columns.values()),
            f"**{_figure(figure)}**",
        ]
        for metric, figure in after.items()
    ]
    said = [escaped(report["verdict"]), ""] if report.get("verdict") else []
    speed = (report.get("writing_speed") or {}).get("words")
    said += [escaped(speed), ""] if speed else []
    page = f"Test rows only, with bootstrap intervals. {code(REPORT_PAGE)} has classes, confusions and examples."
    return [*table(head, rows), *said, page, ""]


def _data(manifest: Values, report: Values) -> list[str]:
    about = manifest.get("data") or {}
    splits = {name: (about.get(name) or {}).get("rows") for name in ("train", "validation", "test")}
    rows = [f"{name}: {count:,} rows" for name, count in splits.items() if count is not None]
    language = [f"language: {escaped(', '.join(_list(about['language'])))}"] if about.get("language") else []
    notes = [escaped(note) for note in report.get("data_notes") or ()]
    return items([f"source: {code(_data_name(manifest))}", *rows, *language, *notes])


def _usage(name: str, manifest: Values, adapter: Values | None) -> list[str]:
    task = _task(manifest)
    path = repr(name)
    theirs = f"from transformers import pipeline\n\npipeline({task.pipeline_tag!r}, model={path})(['...'])"
    auto = _as_tuned(manifest).auto_model
    own = ":" in auto  # a model of ours
    if task.pipeline_tag not in PIPELINES:
        theirs = f"from transformers import {auto}, AutoTokenizer\n\ntokenizer = AutoTokenizer.from_pretrained({path})"
        theirs += f"\nmodel = {auto}.from_pretrained({path})"
    ours = f"from tunesmith.bundle.read import read_bundle\n\nread_bundle({path}).predict([{_example(task)}])"
    lines = ["With transformers alone:", "", *block(theirs, "python")]
    if own:
        lines = ["transformers has no class for this model; Tunesmith puts its parts together.", ""]
    files, graph = manifest.get("files", {}), (manifest.get("runtime") or {}).get("file")
    if graph and WEIGHTS not in files:
        lines = [
            f"{code(graph)} is the model as a graph for the runtime {code(manifest['runtime']['name'])}; transformers "
            "finds no weights in this folder.",
            "",
        ]
    elif any(file.startswith(f"{ROUTES}/") for file in files):
        lines = [
            f"{code('base/')} is the model that was there first, as transformers reads it. {code('routes/')} has an "
            "adapter for each task that was learned later, and what gives each text to one of them; transformers has "
            "no place for these, and finds no model in this folder. Tunesmith puts all together.",
            "",
        ]
    elif not _plain(manifest):
        lines = [
            f"{code('base/')} is the model without what was trained: alone it gives other answers. transformers has "
            f"no place for the parts in {code('adapter/')}, and finds no model in this folder; Tunesmith puts both "
            "together.",
            "",
        ]
    more = "" if own else " and reads long texts in windows"
    lines += [f"With Tunesmith, which checks every file{more}:", "", *block(ours, "python")]
    if adapter is not None:
        lines += ["With peft, the adapter on the base model:", "", *block(_peft(path, manifest, adapter), "python")]
    return lines


def _peft(path: str, manifest: Values, made_with: Values) -> str:
    lineage, labels = manifest.get("lineage", {}), manifest["task"].get("state", {}).get("labels") or []
    base = repr(lineage.get("hub_id") or lineage.get("base_model") or "")
    auto = _task(manifest).auto_model
    options = {**({"num_labels": len(labels)} if labels else {}), **made_with}
    given = "".join(f", {key}={value!r}" for key, value in options.items())
    return (
        f"from peft import PeftModel\nfrom transformers import {auto}\n\n"
        f"base = {auto}.from_pretrained({base}{given})\nmodel = PeftModel.from_pretrained(base, {path} + '/adapter')"
    )


def _limits(manifest: Values) -> list[str]:
    language = _list((manifest.get("data") or {}).get("language"))
    known = f" The rows are in: {escaped(', '.join(language))}." if language else ""
    length = manifest.get("max_length")
    return items(
        [
            f"The figures hold for rows like the test rows; on other sources or topics they may be lower.{known}",
            "It knows the labels that it was trained on, and gives one of them to any text, also to one out of place.",
            f"It reads {length} tokens at once. Tunesmith reads longer texts in windows; others need truncation=True.",
            "It learned what its data and its base model hold, prejudices too. Check it before it decides on people.",
        ]
    )


def _making(manifest: Values) -> list[str]:
    recipe = yaml.safe_dump(_short(manifest.get("recipe") or {}), sort_keys=False, allow_unicode=True, width=100)
    made = f"By tunesmith {escaped(manifest['tunesmith'])}, {escaped(manifest['created'])}. {code(RECIPE)} is what ran:"
    return [made, "", *block(recipe, "yaml")]


def _proof(manifest: Values) -> list[str]:
    return items(
        [
            f"{escaped(p['handoff'])}: {p['rows']} rows, largest gap {_gap(p['largest_gap'])} "
            f"(allowed {p['tolerance']:g}){_same(p['agreement'])}: "
            f"{'passed' if p['passed'] else 'FAILED'}"
            for p in manifest.get("parity") or ()
        ]
    )


def _same(agreement: float | None) -> str:
    return "" if agreement is None else f", {agreement:.1%} of the predictions the same"


def _gap(value: float | None) -> str:
    return "infinite" if value is None else f"{value:.2g}"


def _figure(figure: Values | None) -> str:
    if not figure or figure.get("value") is None:
        return "–"
    low, high = figure.get("low"), figure.get("high")
    interval = f" ({low:.3f} – {high:.3f})" if low is not None and high is not None else ""
    return f"{figure['value']:.3f}{interval}"


def _after(manifest: Values, report: Values) -> Values:
    return report.get("metrics") or manifest.get("metrics") or {}


def _data_name(manifest: Values) -> str:
    """The file's own name: the rest of its path is the user's business."""
    path = str(((manifest.get("recipe") or {}).get("data") or {}).get("path") or "rows")
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2] or path


def _task(manifest: Values) -> Any:
    return tasks_with(manifest["task"]["name"]).make(manifest["task"]["name"], manifest["task"].get("options") or {})


def _as_tuned(manifest: Values) -> Any:
    """The task as it was tuned: some choose the model's kind by what they are tuned from."""
    task = _task(manifest)
    task.restore(manifest["task"].get("state") or {})
    return task


def _plain(manifest: Values) -> bool:
    """Whether transformers alone can load it."""
    method = family("methods").make(manifest["method"]["name"], manifest["method"].get("options") or {})
    return bool(method.plain)


def _example(task: Any) -> str:
    """A row to be asked, as Python: a text, or the roles that are needed, or where none is, all of them."""
    needed = [column for column in task.columns if column.required and not column.target]
    if not needed:
        first = [column.role for column in task.columns if not column.target][:2]
        return "{" + ", ".join(f"{role!r}: '...'" for role in first) + "}"
    if len(needed) < 2:
        return "'...'"
    cells = {c.role: "'...'" if c.kind == "text" else "['...', '...']" for c in needed}
    return "{" + ", ".join(f"{role!r}: {cell}" for role, cell in cells.items()) + "}"


def _list(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else [str(v) for v in value]


def _short(value: Any) -> Any:
    """A mapping without what is None or empty."""
    if isinstance(value, Mapping):
        return {k: _short(v) for k, v in value.items() if v is not None and v not in ({}, [])}
    return [_short(v) for v in value] if isinstance(value, list | tuple) else value
