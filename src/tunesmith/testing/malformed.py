"""Requests that nobody should send, made from a service's own OpenAPI description: a fuzzer that knows the schema.

What is sent is near to what is right, since what is far from it is refused at the first look.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**40, 1.5, -0.0, 1e308,
    "", " ", "\t\n", "\r\n", "[]", "{}", "\u0000", "a\u0000b", "\ufeff", "\u202e\u200b", "\U0001f600", "e\u0301",
    "\ufb01", "笨" * 50, "a" * 5000, "<script>", '"', "\\", "' OR 1=1 --", "../../../etc/passwd", "%s%s%n", "${jndi:x}",
    "file_" + "0" * 24, "batch_zzz",
    [], {}, [[]], [None], [[[[]]]], {"": ""}, {"a": {"a": {}}}, [1, "a", None], ["x"] * 2000, {"__proto__": 1},
)  # fmt: skip
RAW = (
    b"", b" ", b"{", b"}", b"[", b"nul", b"null", b"0", b'"a"', b"[]", b"[{}]", b"{}{}", b'{"a":}', b'{"a":1,}',
    b"{'a':1}", b"<a/>", b"a=b&c=d", b"--x\r\n\r\n--x--", b"\x00", b"\xff\xfe{", b"\xef\xbb\xbf{}", b"1" * 10_000,
    b'{"text":"\x80\x81"}', b'{"text":"\\ud800"}', b'{"text":"\\u0000"}', b'{"text":NaN}', b'{"text":1e999}',
    b'{"text":"a","text":"b"}', b'{"text":"' + b"a" * 300_000 + b'"}', b'{"rows":' + b"[" * 5000 + b"]" * 5000 + b"}",
    b"[" * 100_000, b'{"a":' * 20_000,
)  # fmt: skip
TYPES = (
    "application/json", "text/plain", "", "application/xml", "multipart/form-data", "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded", "application/json; charset=utf-16", "\x7f", "a" * 3000,
)  # fmt: skip
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW")
HEADERS: tuple[Mapping[str, str], ...] = (
    {"idempotency-key": "a" * 1000}, {"idempotency-key": "\x01"}, {"idempotency-key": ""}, {"authorization": "Bearer"},
    {"authorization": "Basic " + "x" * 5000}, {"authorization": "\xff"}, {"accept-language": ",;q=,;q=x" * 50},
    {"content-encoding": "gzip"}, {"range": "bytes=9-1"}, {"origin": "null"}, {"cookie": "a" * 4000}, {"accept": "x/y"},
    {"expect": "nothing"}, {"x-forwarded-for": "999.1.1.1"}, {"if-none-match": "*"}, {"host": "a b"},
)  # fmt: skip
PATHS = (
    "..",
    "%2e%2e%2fetc",
    "%00",
    "a%0ab",
    "%ff",
    "笨蛋",
    "a" * 2000,
    "*",
    "%25",
    ".",
    "~",
    "x;y",
    "file_" + "0" * 24,
)


@dataclass(frozen=True)
class Malformed:
    """A request, as bytes and strings; ``why`` says what is wrong with it."""

    method: str
    path: str
    why: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def malformed(description: Mapping[str, Any], count: int, seed: int = 13) -> Iterator[Malformed]:
    """Requests for the operations of an OpenAPI description, drawn by a seed.

    Args:
        description: what ``/openapi.json`` answers.
        count: how many.
        seed: of the draw; the same requests come for the same seed and description.
    """
    draw = random.Random(seed)
    operations = [
        (method.upper(), path, operation, shared.get("parameters", []) + operation.get("parameters", []))
        for path, shared in sorted(description["paths"].items())
        for method, operation in sorted(shared.items())
        if isinstance(operation, dict)
    ]
    for _ in range(count):
        method, path, operation, parameters = draw.choice(operations)
        yield _one(draw, method, path, operation, parameters, description)


def _one(
    draw: random.Random, method: str, path: str, operation: Mapping[str, Any], parameters: Any, whole: Mapping[str, Any]
) -> Malformed:
    schema, right = _body(operation, whole)
    target = _filled(draw, path, parameters, odd=False)
    headers = {"content-type": "application/json"}
    body = json.dumps(right).encode() if schema is not None else b""
    kind = draw.choice(
        ("value", "value", "value", "field", "raw", "cut", "bytes", "type", "method", "header", "path", "query")
    )
    if kind in ("value", "field") and schema is not None:
        return Malformed(method, target, kind, _dumped(_changed(draw, right, kind)), headers)
    if kind == "raw":
        return Malformed(method, target, kind, draw.choice(RAW), headers)
    if kind == "cut":
        return Malformed(method, target, kind, body[: draw.randrange(len(body) + 1)], headers)
    if kind == "bytes":
        spoilt = bytearray(body or b"{}")
        for _ in range(draw.randint(1, 4)):
            spoilt[draw.randrange(len(spoilt))] = draw.randrange(256)
        return Malformed(method, target, kind, bytes(spoilt), headers)
    if kind == "type":
        return Malformed(method, target, kind, body, {"content-type": draw.choice(TYPES)})
    if kind == "method":
        return Malformed(draw.choice(METHODS), target, kind, body, headers)
    if kind == "header":
        return Malformed(method, target, kind, body, {**headers, **draw.choice(HEADERS)})
    if kind == "query":
        return Malformed(method, f"{target}?{_query(draw, parameters)}", kind, body, headers)
    return Malformed(method, _filled(draw, path, parameters, odd=True), "path", body, headers)


def _changed(draw: random.Random, right: Any, kind: str) -> Any:
    """The right body with one value, anywhere in it, that is odd; or with fields too many or too few."""
    if not isinstance(right, dict):
        return draw.choice(ODD)
    made = json.loads(json.dumps(right))
    places = list(_places(made))
    if kind == "value" and places:
        holder, key = draw.choice(places)
        holder[key] = draw.choice(ODD)
    elif made and draw.random() < 0.5:
        del made[draw.choice(sorted(made))]
    else:
        made[draw.choice(("nonsense", "", "rows", "__class__", "\u0000", "笨", "a" * 500))] = draw.choice(ODD)
    return made


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _filled(draw: random.Random, path: str, parameters: Any, *, odd: bool) -> str:
    """The path with its parameters; with something odd in their place, or behind it where it has none."""
    if odd and "{" not in path:
        return f"{path}/{draw.choice(PATHS)}"
    for one in parameters:
        if one.get("in") == "path":
            given = draw.choice(PATHS) if odd else f"{one['name']}_000000000000000000000000"
            path = path.replace("{" + one["name"] + "}", given if given.isascii() else quote(given))
    while "{" in path:
        start, end = path.index("{"), path.index("}")
        path = path[:start] + quote(draw.choice(PATHS), safe="%") + path[end + 1 :]
    return path if path.isascii() else quote(path, safe="/%")


def _query(draw: random.Random, parameters: Any) -> str:
    names = [one["name"] for one in parameters if one.get("in") == "query"] or ["x"]
    values = [str(value)[:500] for value in ODD]
    return "&".join(
        f"{draw.choice(names)}={quote(draw.choice(values), errors='replace')}" for _ in range(draw.randint(1, 3))
    )


def _body(operation: Mapping[str, Any], whole: Mapping[str, Any]) -> tuple[Any, Any]:
    """The schema of a JSON body, and one that is right."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None, {}
    schema = content.get("schema", {})
    given = [one["value"] for one in content.get("examples", {}).values()]
    given += [content["example"]] if "example" in content else []
    return schema, (given[-1] if given else _right(schema, whole, 0))


def _right(schema: Mapping[str, Any], whole: Mapping[str, Any], depth: int) -> Any:
    """The least that a schema lets pass, about."""
    if depth > 8:
        return None
    if "$ref" in schema:
        found: Any = whole
        for part in schema["$ref"].split("/")[1:]:
            found = found[part]
        return _right(found, whole, depth + 1)
    for given in ("examples", "enum"):
        if schema.get(given):
            return schema[given][0]
    if "default" in schema:
        return schema["default"]
    for options in ("anyOf", "oneOf", "allOf"):
        if schema.get(options):
            return _right(schema[options][0], whole, depth + 1)
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        properties: Mapping[str, Any] = schema.get("properties", {})
        return {name: _right(one, whole, depth + 1) for name, one in properties.items()}
    if kind == "array":
        return [_right(schema.get("items", {}), whole, depth + 1)]
    return {"integer": 1, "number": 1.0, "boolean": True}.get(str(kind), "a text")
