"""Post-training int8 for OpenVINO by nncf, calibrated on what the model is really asked."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.contracts import Batch
from tunesmith.core.extras import need


def calibrated(graph: Path, batches: Sequence[Batch]) -> Any:
    """An ``openvino.Model`` in int8.

    Args:
        graph: an .onnx file in fp32.
        batches: what sets the scales of activations.

    Raises:
        ExtraMissing: openvino or nncf is not installed.
    """
    os.environ.setdefault("NNCF_DISABLE_TELEMETRY", "1")
    openvino: Any = need("openvino", extra="shrink", purpose="int8 for OpenVINO")
    nncf: Any = need("nncf", extra="shrink", purpose="int8 for OpenVINO")
    logging.getLogger("nncf").setLevel(logging.ERROR)
    model = openvino.Core().read_model(str(graph))
    names = [one.get_any_name() for one in model.inputs]
    fed = [{name: np.ascontiguousarray(batch[name]) for name in names} for batch in batches]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # it draws bars, asked or not
        return nncf.quantize(model, nncf.Dataset(fed), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(fed))
