"""A Helm chart of the same manifests: what differs between installations is in ``values.yaml``."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from tunesmith.service.deploy.kubernetes import Deployed, manifests

HOLES = {
    "TS-NAME": "{{ .Release.Name }}",
    "TS-IMAGE": "{{ .Values.image }}",
    "TS-MEMORY": "{{ .Values.memory }}",
    "TS-EGRESS": "{{ .Values.egress | toJson }}",
    "TS-CPU": "{{ .Values.cpu | quote }}",
}
"""Words in the manifests -> what Helm puts there; each is YAML on both sides."""
NUMBERS = {"701": "{{ .Values.replicas.least }}", "702": "{{ .Values.replicas.most }}"}
QUEUE, GPUS, TRIES = 703_703, 704_704, 705_705
GPU_LINE = re.compile(rf"\n( *)nvidia\.com/gpu: '{GPUS}'")
IF_GPUS = re.compile(r"\n *\{\{- if \.Values\.gpus \}\}(.*?)\n *\{\{- end \}\}", re.DOTALL)


def chart(plain: Deployed, version: str) -> dict[str, str]:
    """File -> text."""
    name = plain.name
    holes = Deployed("TS-NAME", "TS-IMAGE", (701, 702), QUEUE, "TS-MEMORY", "TS-CPU", GPUS, "TS-EGRESS", TRIES)
    files = {f"templates/{one['kind'].lower()}.yaml": _template(one) for one in manifests(holes)}
    about = {
        "apiVersion": "v2", "name": name, "type": "application", "version": "0.1.0", "appVersion": version,
        "description": f"{name}, served by Tunesmith",
    }  # fmt: skip
    values: dict[str, Any] = {
        "image": plain.image,
        "memory": plain.memory,
        "cpu": plain.cpu,
        "gpus": plain.gpus,
        "queue": plain.queue,
        "tries": plain.tries,
        "egress": [dict(port) for port in plain.egress],
        "replicas": {"least": plain.replicas[0], "most": plain.replicas[1]},
    }
    return {**files, "Chart.yaml": _yaml(about), "values.yaml": _yaml(values)}


def filled(template: str, name: str, values: dict[str, Any]) -> str:
    """A template as Helm would render it: only what these templates use."""
    template = IF_GPUS.sub(r"\1" if values["gpus"] else "", template)
    found = {
        "{{ .Release.Name }}": name,
        "{{ .Values.image }}": values["image"],
        "{{ .Values.memory }}": values["memory"],
        "{{ .Values.cpu | quote }}": f'"{values["cpu"]}"',
        "{{ .Values.gpus | quote }}": f"'{values['gpus']}'",
        "{{ .Values.queue }}": values["queue"],
        "{{ .Values.tries }}": values["tries"],
        "{{ .Values.egress | toJson }}": json.dumps(values["egress"]),
        "{{ .Values.replicas.least }}": values["replicas"]["least"],
        "{{ .Values.replicas.most }}": values["replicas"]["most"],
    }
    for hole, value in found.items():
        template = template.replace(hole, str(value))
    return template


def _template(manifest: dict[str, Any]) -> str:
    text = _yaml(manifest)
    more = {str(QUEUE): "{{ .Values.queue }}", str(TRIES): "{{ .Values.tries }}"}
    for word, hole in {**HOLES, **NUMBERS, **more}.items():
        text = text.replace(word, hole)
    # A cluster without GPUs does not know the word: no line where there are none.
    inside = "nvidia.com/gpu: {{ .Values.gpus | quote }}"
    return GPU_LINE.sub(rf"\n\1{{{{- if .Values.gpus }}}}\n\1{inside}\n\1{{{{- end }}}}", text)


def _yaml(values: Any) -> str:
    text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
    return text
