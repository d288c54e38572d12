"""What the builder wrote, made smaller and quicker: one table of embeddings, and logits only where they are wanted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.compression.onnx_rows import turn_tables
from tunesmith.models.decoder.graph import PAST, PLACES, PRESENT

HEAD = "/lm_head/"
TABLE = "/model/embed_tokens/Gather"
LEAST_BYTES = 1024
"""Smaller tensors stay in the .onnx file."""


def finish(source: Path, target: Path, *, tied: bool, exact: bool, size: int) -> None:
    """Rewrite a graph, and its weights as one file beside it, ``<target>.data``.

    Args:
        source: the builder's .onnx file.
        target: the .onnx file to write, in another folder.
        tied: whether the model has one table for what it reads and what it writes.
        exact: whether a table of its own stays in fp32.
        size: of an attention head.

    Raises:
        ValueError: the graph is not of the builder's form.
    """
    import onnx

    model = onnx.load(str(source))
    if tied:
        look_up_columns(model.graph)
        share_table(model.graph)
    if not exact:
        turn_tables(model.graph)
    want_places(model.graph)
    say_size(model.graph, size)
    del model.graph.value_info[:]
    target.parent.mkdir(parents=True, exist_ok=True)
    data = f"{target.name}.data"
    (target.parent / data).unlink(missing_ok=True)  # onnx would write behind what is there
    onnx.save(model, str(target), save_as_external_data=True, location=data, size_threshold=LEAST_BYTES)


def want_places(graph: Any) -> None:
    """Give the graph the input ``places``: a prompt's logits but the last are never looked at, and cost a fifth.

    The head is the largest product of a small model, and its output the largest array.
    """
    from onnx import TensorProto, helper

    head = _one(node for node in graph.node if node.name.startswith(HEAD) and node.op_type.startswith("MatMul"))
    wanted = helper.make_node("Gather", [head.input[0], PLACES], ["/wanted/states"], name="/wanted/Gather", axis=1)
    graph.node.insert(list(graph.node).index(head), wanted)
    head.input[0] = wanted.output[0]
    graph.input.append(helper.make_tensor_value_info(PLACES, TensorProto.INT64, [PLACES]))
    logits = _one(output for output in graph.output if output.name == "logits")
    logits.type.tensor_type.shape.dim[1].dim_param = PLACES


def say_size(graph: Any, size: int) -> None:
    """Write the size of a head where the builder leaves it open, so that a reader can make the cache."""
    for one in (*graph.input, *graph.output):
        if one.name.startswith((PAST, PRESENT)):
            one.type.tensor_type.shape.dim[3].dim_value = size


def look_up_columns(graph: Any) -> bool:
    """Let ids look up columns of the head's fp32 weights, not rows of their turned twin, which would be made at load.

    Returns:
        Whether there was such a twin.
    """
    from onnx import helper

    lookup = next((node for node in graph.node if node.name == TABLE), None)
    twin = next((node for node in graph.node if lookup is not None and node.output[0] == lookup.input[0]), None)
    if lookup is None or twin is None or twin.op_type != "Transpose":
        return False
    columns = helper.make_node(
        "Gather", [twin.input[0], lookup.input[1]], ["/shared/columns"], name="/shared/Gather", axis=1
    )
    turned = helper.make_node(
        "Transpose", [columns.output[0]], list(lookup.output), name="/shared/Transpose", perm=[1, 2, 0]
    )
    place = list(graph.node).index(lookup)
    graph.node.remove(lookup)
    graph.node.insert(place, turned)
    graph.node.insert(place, columns)
    graph.node.remove(twin)
    return True


def share_table(graph: Any) -> bool:
    """Let ids look up their rows in the head's 8-bit weights, where the builder left them a table in fp32.

    Returns:
        Whether there was such a table.
    """
    from onnx import helper, numpy_helper

    head = _one(node for node in graph.node if node.name.startswith(HEAD) and node.op_type.startswith("MatMul"))
    lookup = next((node for node in graph.node if node.name == TABLE), None)
    told = {one.name: one.i for one in head.attribute}
    if lookup is None or head.op_type != "MatMulNBits" or told["bits"] != 8 or told["K"] % told["block_size"]:
        return False
    table = next((one for one in graph.initializer if one.name == lookup.input[0]), None)
    if table is None:
        return False
    shape = numpy_helper.from_array(np.array([told["N"], told["K"]], np.int64), "/shared/shape")
    rows = helper.make_node("Reshape", [head.input[1], shape.name], ["/shared/table"], name="/shared/Reshape")
    found = helper.make_node(
        "GatherBlockQuantized",
        [rows.output[0], lookup.input[1], *head.input[2:]],
        list(lookup.output),
        name="/shared/GatherBlockQuantized",
        domain="com.microsoft",
        bits=8,
        block_size=told["block_size"],
        gather_axis=0,
        quantize_axis=1,
    )
    place = list(graph.node).index(lookup)
    graph.node.remove(lookup)
    for node in (found, rows):
        graph.node.insert(place, node)
    graph.initializer.remove(table)
    graph.initializer.append(shape)
    return True


def _one(found: Iterable[Any]) -> Any:
    nodes = list(found)
    if len(nodes) != 1:
        raise ValueError(f"{len(nodes)} nodes where the builder writes one")
    return nodes[0]
