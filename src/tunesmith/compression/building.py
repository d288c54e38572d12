"""The program of a fresh process: the builder of onnxruntime-genai, imported once for all forms of a model."""

from __future__ import annotations

import runpy
import sys
import warnings
from collections.abc import Sequence

import onnxruntime_genai.models.builder as builder


def main(words: Sequence[str]) -> int:
    """Run the builder with these arguments: 0; it raises what it raises."""
    sys.argv = [str(builder.__file__), *words]
    warnings.simplefilter("ignore", RuntimeWarning)  # that it was imported before
    runpy.run_module(builder.__name__, run_name="__main__", alter_sys=True)
    return 0
