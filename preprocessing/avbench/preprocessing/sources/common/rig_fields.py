"""Typed access to the fields of rig files, each error with the file and the field that it is about."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np

from avbench.preprocessing.base.errors import InputError, did_you_mean
from avbench.preprocessing.base.geometry import FloatArray

Tables: TypeAlias = Mapping[str, tuple[str, ...]]
"""Names of fields by table; the table "" is the top of the file."""

JOIN = "join"
"""What `streams.sound` says to take the channels of all sound streams."""

_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True)
class Value:
    """A field's value and the file it stands in."""

    value: object
    file: Path


def read_values(file: Path, tables: Tables) -> dict[str, Value]:
    """All fields of a file by dotted name.

    Args:
        file: The file, TOML.
        tables: The fields that there are.

    Raises:
        InputError: It cannot be read, is not TOML, or has an unknown field.
    """
    try:
        # Decimals, since an offset from 1970 in seconds does not fit a float to the nanosecond.
        document = tomllib.loads(file.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    except UnicodeDecodeError as error:
        raise InputError(file, found="bytes that are not UTF-8 text", expected="a rig file") from error
    except RecursionError as error:
        raise InputError(file, found="tables or lists nested too deeply", expected="a rig file") from error
    except ValueError as error:  # errors of TOML, and numbers of more digits than Python reads
        raise InputError(file, found=f"text that is not TOML ({error})", expected="a rig file") from error
    except OSError as error:
        raise InputError(file, found=error.strerror or str(error), expected="a rig file") from error
    values: dict[str, Value] = {}
    for key, value in document.items():
        if isinstance(value, dict) and key in tables:
            for name, inner in value.items():
                if name not in tables[key]:
                    raise _unknown(file, f"{key}.{name}", tables)
                values[f"{key}.{name}"] = Value(inner, file)
        elif key in tables[""]:
            values[key] = Value(value, file)
        elif key in tables:
            raise InputError(f"{file}: {key}", found=described(value), expected=f"a table [{key}]")
        else:
            raise _unknown(file, key, tables)
    return values


def _unknown(file: Path, name: str, all_tables: Tables) -> InputError:
    full_names = [f"{table}.{field}" if table else field for table, fields in all_tables.items() for field in fields]
    by_last_part = {full.rpartition(".")[2]: full for full in full_names}
    tables = {table: f"[{table}]" for table in all_tables if table}
    last_part = name.rpartition(".")[2]
    # A field under the wrong table, a misspelt table, a misspelt field, in this order.
    candidates = [by_last_part.get(last_part)]
    for written, names in (
        (name, {} if "." in name else tables),
        (name, {full: full for full in full_names}),
        (last_part, by_last_part),
    ):
        candidates += [names[near] for near in difflib.get_close_matches(written, names, n=1)]
    nearest = next((candidate for candidate in candidates if candidate), None)
    hint = f"did you mean {nearest}?" if nearest else "see docs/folder_layout.md"
    return InputError(f"{file}: {name}", found="an unknown field", expected="a field of the rig file", hint=hint)


class RigFields:
    """Typed access to the fields of merged rig files."""

    def __init__(self, values: Mapping[str, Value], own_file: Path) -> None:
        self._values = values
        self._own_file = own_file

    def has(self, name: str) -> bool:
        """Whether a field is given."""
        return name in self._values

    def error(self, name: str, found: str, expected: str, hint: str = "") -> InputError:
        """The error about a field, with the file that it stands in."""
        file = self._values[name].file if name in self._values else self._own_file
        return InputError(f"{file}: {name}", found=found, expected=expected, hint=hint)

    def text(self, name: str) -> str | None:
        """A text of one line, None where it is not given."""
        value = self._get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise self.error(name, described(value), "a text of one line")
        return value.strip()

    def texts(self, name: str) -> tuple[str, ...] | None:
        """A list of texts, at least one; None where it is not given."""
        value = self._get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise self.error(name, described(value), "a list of texts")
        return tuple(value)

    def whole(self, name: str) -> int | None:
        """A whole number from 0; None where it is not given."""
        number = self.number(name, at_least=0.0)
        if number is None:
            return None
        if not number.is_integer() or number > 2**31:
            raise self.error(name, f"{number:g}", "a whole number from 0")
        return int(number)

    def one_of(self, name: str, choices: Sequence[str]) -> str | None:
        """One of some texts, None where it is not given."""
        value = self._get(name)
        if value is None:
            return None
        if not isinstance(value, str) or value not in choices:
            expected = f"one of {', '.join(choices)}"
            raise self.error(name, described(value), expected, did_you_mean(value, choices))
        return value

    def choice(self, name: str, kind: type[_Choice]) -> _Choice | None:
        """A member of a closed set, None where it is not given."""
        value = self.one_of(name, [str(member) for member in kind])
        return None if value is None else kind(value)

    def flag(self, name: str) -> bool:
        """A yes or no; no where it is not given."""
        value = self._get(name)
        if value is not None and not isinstance(value, bool):
            raise self.error(name, described(value), "true or false")
        return bool(value)

    def number(self, name: str, *, at_least: float | None = None) -> float | None:
        """A finite number, None where it is not given."""
        value = self._get(name)
        if value is None:
            return None
        if not _is_finite(value):
            raise self.error(name, described(value), "a number")
        number = float(str(value))
        if at_least is not None and number < at_least:
            raise self.error(name, f"{number:g}", f"{at_least:g} or more")
        return number

    def needed(self, name: str) -> float:
        """A number that must be given."""
        number = self.number(name)
        if number is None:
            raise self.error(name, "nothing", "a number", "the camera needs width, height, fx, fy, cx and cy in pixels")
        return number

    def pixels(self, name: str) -> int:
        """A whole number of pixels that must be given."""
        number = self.needed(name)
        if not number.is_integer() or not 1 <= number <= 65535:
            raise self.error(name, f"{number:g}", "a whole number of pixels from 1 to 65535")
        return int(number)

    def nanoseconds(self, name: str) -> int:
        """A time given in seconds; 0 where it is not given."""
        if self.number(name) is None:
            return 0
        exact = Decimal(str(self._get(name))) * 10**9
        if abs(exact) >= 2**62:
            raise self.error(name, f"{exact / 10**9:g} s", "a time in seconds that fits 64-bit nanoseconds")
        return int(exact.to_integral_value())

    def rate_hz(self, name: str) -> Fraction | None:
        """A number above 0, exactly as it is written."""
        number = self.number(name)
        if number is not None and not 1.0 <= number <= 1e7:
            raise self.error(name, f"{number:g}", "samples a second, such as 48017.8")
        return None if number is None else Fraction(str(self._get(name)))

    def says(self, name: str, word: str) -> bool:
        """Whether a field is the given word."""
        return self._get(name) == word

    def counts(self, name: str, *, several: bool) -> tuple[int, ...] | None:
        """A number counted from 0, or several different ones."""
        value = self._get(name)
        if value is None:
            return None
        items = value if several and isinstance(value, list) else [value]
        if (
            not items
            or any(isinstance(item, bool) or not isinstance(item, int) or item < 0 for item in items)
            or len(set(items)) < len(items)
        ):
            expected = "the number of a stream, counted from 0"
            raise self.error(
                name, described(value), f'{expected}, several in [ ], or "{JOIN}"' if several else expected
            )
        return tuple(items)

    def numbers(self, name: str, shape: tuple[int | None, ...]) -> FloatArray | None:
        """An array of numbers; None in `shape` stands for any length, at least 1 unless it is the only one."""
        value = self._get(name)
        if value is None:
            return None
        wanted = " x ".join("n" if length is None else str(length) for length in shape)
        if not _fits(value, shape):
            raise self.error(name, described(value), f"{wanted} numbers, in [ ]")
        return np.array(value, dtype=np.float64)

    def transposed_rows(self, name: str) -> int | None:
        """M of 3 rows of M numbers where M rows of 3 are wanted, None for anything else."""
        value = self._get(name)
        length = len(value[0]) if isinstance(value, list) and len(value) == 3 and isinstance(value[0], list) else 3
        return length if length not in (0, 3) and _fits(value, (3, length)) else None

    def _get(self, name: str) -> object | None:
        return self._values[name].value if name in self._values else None


def _is_finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return False
    exact = Decimal(value)
    return exact.is_finite() and abs(exact) < Decimal("1e300")


def _fits(value: object, shape: tuple[int | None, ...]) -> bool:
    if not shape:
        return _is_finite(value)
    if not isinstance(value, list) or (shape[0] is not None and len(value) != shape[0]):
        return False
    return (len(shape) == 1 or bool(value)) and all(_fits(item, shape[1:]) for item in value)


def described(value: object) -> str:
    """A value as the user wrote it, more or less, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    text = repr(value) if isinstance(value, str) else str(value)
    if isinstance(value, list):
        text = f"[{', '.join(described(item) for item in value)}]"
    return text if len(text) <= 60 else f"{text[:57]}..."
