"""JSON and TOML documents, read into frozen dataclasses: the one place where a file's structure is checked.

A dataclass states what a document must hold; a reader gets that or an `InputError` that names the file and the
field, what was found and what was expected. Nothing is converted: a number in quotes is text, `true` is no number.

    @dataclass(frozen=True)
    class Shard:
        path: Text
        rows: Count

    shard = read_json(path, Shard, expected="a shard's record")

Fields with a default may be left out. Refused in every document: a key that is there twice, NaN, infinity and whole
numbers beyond 64 bits in any field that is read, text that cannot be written as UTF-8, and nesting deeper than any
document of ours. Keys that the dataclass does not have are refused too, unless `other_keys=True`: then what they hold
is not looked at.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.structure import FieldError, check_number, converter_of, first_fault, shorten, shown

_DEEPEST = 32

T = TypeVar("T")


class MissingFileError(InputError):
    """There is no such file; callers that can do without it catch this."""


def read_json(
    path: Path, shape: type[T], *, expected: str = "a JSON document", hint: str = "", other_keys: bool = False
) -> T:
    """Read a JSON file.

    Args:
        path: The file.
        shape: A dataclass, or a type such as `dict[str, int]` for a document without one.
        expected: What the file should be, in words.
        hint: What to do next where it is not.
        other_keys: Pass over keys that the dataclasses do not have.

    Raises:
        MissingFileError: There is no such file.
        InputError: It cannot be read, or is not such a document; the field is named.
    """
    text = read_text(path, expected=expected, hint=hint)
    return parse_json(text, path, shape, expected=expected, hint=hint, other_keys=other_keys)


def parse_json(
    text: str | bytes,
    where: str | Path,
    shape: type[T],
    *,
    expected: str = "a JSON document",
    hint: str = "",
    other_keys: bool = False,
) -> T:
    """Read a JSON text; arguments and errors as of `read_json`."""
    value = _parsed(partial(json.loads, object_pairs_hook=_unique), "JSON", text, where, expected, hint)
    return structured(value, where, shape, hint=hint, other_keys=other_keys)


def read_json_lines(
    path: Path, shape: type[T], *, expected: str = "one JSON document a line", hint: str = "", other_keys: bool = False
) -> Iterator[T]:
    """Read a file with one JSON document a line, line by line; lines of white space are passed over.

    Raises:
        MissingFileError: There is no such file.
        InputError: It cannot be read, or a line is not such a document; the line and its field are named.
    """
    text = read_text(path, expected=expected, hint=hint)
    # JSON text may hold the other characters at which `splitlines` splits.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            where = f"{path}: line {number}"
            yield parse_json(line, where, shape, expected=expected, hint=hint, other_keys=other_keys)


def read_toml(
    path: Path, shape: type[T], *, expected: str = "a TOML document", hint: str = "", other_keys: bool = False
) -> T:
    """Read a TOML file; arguments and errors as of `read_json`."""
    text = read_text(path, expected=expected, hint=hint)
    value = _parsed(tomllib.loads, "TOML", text, path, expected, hint)
    return structured(value, path, shape, hint=hint, other_keys=other_keys)


def read_text(path: Path, *, expected: str = "a text file", hint: str = "") -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is a folder, may not be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(path, found="no such file", expected=expected, hint=hint) from error
    except IsADirectoryError as error:
        raise InputError(path, found="a folder", expected=f"{expected}, in a file", hint=hint) from error
    except UnicodeDecodeError as error:
        found = f"text that is not UTF-8 (byte {error.start})"
        raise InputError(path, found=found, expected=expected, hint=hint) from error
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        found = f"a file that cannot be read ({getattr(error, 'strerror', None) or error})"
        raise InputError(path, found=found, expected=expected, hint=hint) from error


def structured(value: object, where: str | Path, shape: type[T], *, hint: str = "", other_keys: bool = False) -> T:
    """Values of a parsed document as `shape`; arguments and errors as of `read_json`."""
    try:
        _check_values(value, numbers=not other_keys)
        result: T = converter_of(other_keys).structure(value, shape)
    except Exception as error:
        found = first_fault(error)
        if found is None:
            raise
        path = f"{where}: {found.path}" if found.path else str(where)
        raise InputError(path, found=found.found, expected=found.expected, hint=found.hint or hint) from None
    return result


def _parsed(
    loads: Callable[[str], object], form: str, text: str | bytes, where: str | Path, expected: str, hint: str
) -> object:
    try:
        content = text if isinstance(text, str) else text.decode("utf-8")
        if not content.strip() and form == "JSON":
            raise InputError(where, found="nothing", expected=expected, hint=hint)
        return loads(content)
    except RecursionError:
        found = f"{form} nested too deeply"
    except FieldError as error:
        found = error.found
    except ValueError as error:  # the errors of JSON, TOML and UTF-8 are ValueErrors
        found = f"no readable {form} ({error})"
    raise InputError(where, found=found, expected=expected, hint=hint)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise FieldError(f"the key {shown(doubled)} twice", "every key once")
    return result


def _check_values(value: object, path: str = "", depth: int = 0, *, numbers: bool) -> None:
    """What holds for every document, whatever its fields are; for its numbers only where all of them are ours."""
    if isinstance(value, Mapping):
        _check_depth(depth, path)
        for key, inner in value.items():
            _check_text(str(key), path)
            _check_values(inner, _joined(path, str(key)), depth + 1, numbers=numbers)
    elif isinstance(value, list):
        _check_depth(depth, path)
        for number, inner in enumerate(value, start=1):
            _check_values(inner, f"{path}[{number}]", depth + 1, numbers=numbers)
    elif isinstance(value, str):
        _check_text(value, path)
    elif numbers and isinstance(value, int | float):
        try:
            check_number(value)
        except FieldError as error:
            raise FieldError(error.found, error.expected, path) from None


def _check_depth(depth: int, path: str) -> None:
    if depth >= _DEEPEST:
        raise FieldError(f"more than {_DEEPEST} levels of nesting", "a flatter document", shorten(path))


def _check_text(text: str, path: str) -> None:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise FieldError(f"text with half a character ({text!a:.60})", "Unicode text", path)


def _joined(path: str, name: str) -> str:
    return f"{path}.{shorten(name)}" if path else shorten(name)
