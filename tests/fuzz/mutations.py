"""Files damaged in many ways, the same ones from the same seed on every machine."""

from __future__ import annotations

import copy
import json
import random
import re
import struct
from collections.abc import Callable
from typing import Any

Mutation = Callable[[random.Random, bytes], bytes]

NUMBERS = ("nan", "inf", "-inf", "-1", "0", "1e999", "-1e308", "9" * 25, "9" * 5000, "0x10", '"7"', "", "1,5", "٣")
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\ud800",
    "a\nb|c",
    "../../etc",
    [],
    {},
    [[]],
    {"a": None},
    [1, "2", None],
    "9" * 3000,
)
STRANGE_BYTES = (b"\xff\xfe", b"\x00", b"\xc3\x28", b"\xef\xbb\xbf", b"\r", b"\x0c", "\u2028".encode(), b"\x1b[2J")


# --- any file -----------------------------------------------------------------------------------------------------


def flip_bits(rng: random.Random, data: bytes) -> bytes:
    return _flipped(rng, data, len(data))


def flip_bits_at_the_start(rng: random.Random, data: bytes) -> bytes:
    return _flipped(rng, data, min(len(data), 256))


def flip_bits_at_the_end(rng: random.Random, data: bytes) -> bytes:
    return _flipped(rng, data[::-1], min(len(data), 256))[::-1]


def _flipped(rng: random.Random, data: bytes, within: int) -> bytes:
    if not within:
        return data
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        result[rng.randrange(within)] ^= 1 << rng.randrange(8)
    return bytes(result)


def truncate(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.choice((0, 1, 7, len(data) // 2, len(data) - 1, rng.randrange(len(data) + 1)))]


def insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice((1, 2, 16, 300))) + data[at:]


def append(rng: random.Random, data: bytes) -> bytes:
    return data + rng.choice((b"\n", b"\0" * 64, rng.randbytes(100), data[:200]))


def repeat_chunk(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    stop = min(len(data), start + rng.choice((4, 64, 1000)))
    return data[:stop] + data[start:stop] + data[stop:]


def remove_chunk(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.choice((1, 4, 64, 1000)) :]


def zero_chunk(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    stop = min(len(data), start + rng.choice((4, 64, 1000)))
    return data[:start] + bytes(stop - start) + data[stop:]


def extreme_integer(rng: random.Random, data: bytes) -> bytes:
    if len(data) < 8:
        return data
    value = rng.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**63, 2**64 - 1))
    packed = struct.pack(rng.choice("<>") + "Q", value)[: rng.choice((2, 4, 8))]
    at = rng.randrange(min(len(data), 4096) - 7)
    return data[:at] + packed + data[at + len(packed) :]


ANY: tuple[Mutation, ...] = (
    flip_bits,
    flip_bits_at_the_start,
    flip_bits_at_the_end,
    truncate,
    insert,
    append,
    repeat_chunk,
    remove_chunk,
    zero_chunk,
    extreme_integer,
)


# --- text ---------------------------------------------------------------------------------------------------------


def another_number(rng: random.Random, data: bytes) -> bytes:
    found = list(re.finditer(rb"-?\d+(\.\d+)?(e-?\d+)?", data))
    if not found:
        return data
    match = rng.choice(found)
    return data[: match.start()] + rng.choice(NUMBERS).encode() + data[match.end() :]


def another_word(rng: random.Random, data: bytes) -> bytes:
    found = list(re.finditer(rb"[A-Za-z_]{2,}", data))
    if not found:
        return data
    match = rng.choice(found)
    word = rng.choice((b"", b"x", match[0].upper(), match[0][::-1], b"a b", rng.choice(found)[0]))
    return data[: match.start()] + word + data[match.end() :]


def strange_bytes(rng: random.Random, data: bytes) -> bytes:
    at = rng.choice((0, len(data), rng.randrange(len(data) + 1)))
    return data[:at] + rng.choice(STRANGE_BYTES) + data[at:]


def lines_otherwise(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(5)
    if kind == 0:
        lines[first], lines[second] = lines[second], lines[first]
    elif kind == 1:
        lines.insert(first, lines[second])
    elif kind == 2:
        del lines[first]
    elif kind == 3:
        lines[first] = lines[first] * rng.choice((2, 50))
    return (b"\r\n" if kind == 4 else b"\n").join(lines)


def fields_otherwise(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    separator = b"," if b"," in lines[at] else b" "
    parts = lines[at].split(separator)
    first, second = rng.randrange(len(parts)), rng.randrange(len(parts))
    kind = rng.randrange(3)
    if kind == 0:
        parts[first], parts[second] = parts[second], parts[first]
    elif kind == 1:
        del parts[first]
    else:
        parts.insert(first, parts[second])
    lines[at] = separator.join(parts)
    return b"\n".join(lines)


def another_encoding(rng: random.Random, data: bytes) -> bytes:
    return data.decode("utf-8").encode(rng.choice(("utf-16", "utf-32", "utf-8-sig")))


TEXT: tuple[Mutation, ...] = (
    flip_bits,
    truncate,
    insert,
    append,
    repeat_chunk,
    another_number,
    another_number,
    another_number,
    another_word,
    another_word,
    strange_bytes,
    lines_otherwise,
    fields_otherwise,
    another_encoding,
)


# --- JSON ---------------------------------------------------------------------------------------------------------


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to all values below the root of a document."""
    found: list[tuple[Any, ...]] = []
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        found.append((*path, key))
        if isinstance(value, dict | list):
            found += places(value, (*path, key))
    return found


def changed_document(rng: random.Random, document: Any) -> Any:
    """A document with one value removed, replaced, renamed, nested, doubled or exchanged with another."""
    result = copy.deepcopy(document)
    found = places(result)
    if not found:
        return rng.choice(VALUES)
    path = rng.choice(found)
    parent = _at(result, path[:-1])
    key = path[-1]
    kind = rng.randrange(8)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent[rng.choice(("", "x", str(key) + " ", str(key).upper()))] = parent.pop(key)
    elif kind == 2:
        parent[key] = [parent[key]]
    elif kind == 3:
        parent[key] = {"value": parent[key]}
    elif kind == 4 and isinstance(parent, dict):
        parent[rng.choice(("extra", "__class__", "split"))] = rng.choice(VALUES)
    elif kind == 5:
        other = rng.choice(found)
        try:
            parent[key] = copy.deepcopy(_at(document, other))
        except (KeyError, IndexError, TypeError):
            parent[key] = None
    elif kind == 6 and isinstance(parent[key], int | float) and not isinstance(parent[key], bool):
        parent[key] = rng.choice((-parent[key], parent[key] * 10, parent[key] + 0.5, 2**62, 1e300, str(parent[key])))
    else:
        parent[key] = rng.choice(VALUES)
    return result


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def another_document(rng: random.Random, data: bytes) -> bytes:
    return json.dumps(changed_document(rng, json.loads(data))).encode()


def another_root(rng: random.Random, data: bytes) -> bytes:
    value = rng.choice((*VALUES, [json.loads(data)], {"a": json.loads(data)}))
    return json.dumps(value).encode()


def deep_nesting(rng: random.Random, data: bytes) -> bytes:
    depth = rng.choice((40, 900, 100_000))
    nested = rng.choice((b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth, b"[" * depth))
    at = data.rfind(b"}")
    return rng.choice((nested, data[:at] + b', "deep": ' + nested + data[at:]))


def doubled_key(rng: random.Random, data: bytes) -> bytes:
    found = list(re.finditer(rb'"(\w+)": ', data))
    if not found:
        return data
    match = rng.choice(found)
    return data[: match.start()] + match[0] + b"1, " + data[match.start() :]


def on_a_line(mutation: Mutation) -> Mutation:
    """The same on one line of a file with one document a line."""

    def mutate(rng: random.Random, data: bytes) -> bytes:
        lines = data.splitlines()
        at = rng.randrange(len(lines))
        lines[at] = mutation(rng, lines[at])
        return b"\n".join(lines) + b"\n"

    mutate.__name__ = mutation.__name__
    return mutate


STRUCTURE: tuple[Mutation, ...] = (another_document,) * 8 + (another_root, deep_nesting, doubled_key)
JSON = TEXT + STRUCTURE
JSON_LINES = TEXT + tuple(on_a_line(mutation) for mutation in STRUCTURE)


# --- safetensors --------------------------------------------------------------------------------------------------


def another_header(rng: random.Random, data: bytes) -> bytes:
    """A safetensors file whose header says something else."""
    length = int.from_bytes(data[:8], "little")
    header = another_document(rng, data[8 : 8 + length])
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


SAFETENSORS = (*ANY, another_header, another_header, another_header)
