"""Values of a parsed document as frozen dataclasses, strictly: nothing is converted, and the first fault has a path.

The types below stand in the annotations of such dataclasses: `Count` is an int for a type checker and a whole number
from 0 on for a document. A dataclass with a static method `of_earlier_form` is given every table through it first: that
is where a form that earlier versions wrote becomes the one of today.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache, partial
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin, get_type_hints

from cattrs import Converter
from cattrs.cols import is_mapping, list_structure_factory, mapping_structure_factory
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ForbiddenExtraKeysError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, override

from avbench.preprocessing.base.errors import InputError, did_you_mean

_LONGEST_SHOWN = 60
_LARGEST_WHOLE = 2**63
_Hook: TypeAlias = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Limits:
    """What a value must keep to beyond its type; written into a type by `Annotated[int, Limits(...)]`.

    Attributes:
        least: Smallest number.
        most: Largest number.
        pattern: Regular expression that a whole text must match.
        said: The limits in words, for the error.
    """

    said: str
    least: float = -math.inf
    most: float = math.inf
    pattern: str | None = None

    def allow(self, value: object) -> bool:
        """Whether a value keeps to the limits."""
        if isinstance(value, str):
            return self.pattern is None or re.fullmatch(self.pattern, value) is not None
        return not isinstance(value, int | float) or self.least <= value <= self.most


@dataclass(frozen=True)
class _Infinite:
    """Marks a number that may be infinite, which JSON writes as the text "inf" or "-inf"."""


Count = Annotated[int, Limits("a whole number from 0 on", least=0)]
Positive = Annotated[int, Limits("a whole number from 1 on", least=1)]
Share = Annotated[float, Limits("a number from 0 to 1", least=0, most=1)]
NotNegative = Annotated[float, Limits("a number from 0 on", least=0)]
Text = Annotated[str, Limits("text", pattern=r"(?s).+")]
Unbounded = Annotated[float, _Infinite()]
Sha256 = Annotated[str, Limits("64 hexadecimal digits", pattern=r"[0-9a-f]{64}")]


class FieldError(Exception):
    """A value that is not what its field must be; the path to it is added on the way out."""

    def __init__(self, found: str, expected: str, path: str = "", hint: str = "") -> None:
        super().__init__(found, expected)
        self.found, self.expected, self.path, self.hint = found, expected, path, hint


def shorten(text: str) -> str:
    """One printable line of a text, for an error."""
    line = "".join(character if character.isprintable() else "?" for character in text)
    return line if len(line) <= _LONGEST_SHOWN else f"{line[: _LONGEST_SHOWN - 3]}..."


def shown(value: object) -> str:
    """A value as an error shows it: in one short line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return f"a table of {len(value)}" if value else "an empty table"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    return shorten(repr(value[: _LONGEST_SHOWN + 1] if isinstance(value, str) else value))


@cache
def converter_of(other_keys: bool) -> Converter:  # noqa: FBT001 - the key of the cache
    """The converter that reads documents.

    Args:
        other_keys: Whether keys that a dataclass does not have are passed over, not refused.
    """
    converter = Converter(forbid_extra_keys=not other_keys, detailed_validation=True)
    converter.register_structure_hook(str, partial(_exactly, str, "text"))
    converter.register_structure_hook(bool, partial(_exactly, bool, "true or false"))
    converter.register_structure_hook(int, partial(_exactly, int, "a whole number"))
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook_func(_is_enum, _member)
    for matches, factory in (
        (is_mapping, _mapping_hook),
        (_is_list, _list_hook),
        (_is_tuple, _tuple_hook),
        (is_dataclass, _dataclass_hook),
        (_is_union, _union_hook),
        (partial(_is_marked, _Infinite), _infinite_hook),
        (partial(_is_marked, Limits), _limited_hook),
    ):
        converter.register_structure_hook_factory(matches, partial(factory, converter=converter))
    return converter


def _exactly(kind: type, expected: str, value: object, target: Any) -> object:
    if _is_enum(target):  # the hook of a class serves its subclasses too, and an enumeration of texts is a text
        return _member(value, target)
    if type(value) is not kind:
        raise FieldError(shown(value), expected)
    if kind is int:
        check_number(value)
    return value


def _number(value: object, _: object) -> float:
    if type(value) is int or type(value) is float:
        check_number(value)
        return float(value)
    raise FieldError(shown(value), "a number")


def check_number(value: Any) -> None:
    """Check that a number is finite and, where it is whole, that it fits into 64 bits.

    Raises:
        FieldError: It is or does not.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise FieldError(str(value), "a finite number")
    if isinstance(value, int) and not -_LARGEST_WHOLE <= value < _LARGEST_WHOLE:
        raise FieldError("a whole number of more than 64 bits", "a smaller one")


def _is_enum(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _member(value: object, kind: type[Enum]) -> Enum:
    choices = [str(member.value) for member in kind]
    try:
        return kind(value)
    except ValueError:
        expected = f"one of {', '.join(choices)}"
        raise FieldError(shown(value), expected, hint=did_you_mean(value, choices)) from None


def _mapping_hook(target: Any, converter: Converter) -> _Hook:
    return _checked(mapping_structure_factory(target, converter), Mapping, "a table")


def _is_list(kind: object) -> bool:
    return kind is list or get_origin(kind) is list


def _list_hook(target: Any, converter: Converter) -> _Hook:
    return _checked(list_structure_factory(target, converter), list, "a list")


def _is_tuple(kind: object) -> bool:
    return get_origin(kind) is tuple


def _tuple_hook(target: Any, converter: Converter) -> _Hook:
    kinds = get_args(target)
    if kinds[-1] is ...:
        listed = _list_hook(GenericAlias(list, kinds[:1]), converter)
        return lambda value, _: tuple(listed(value, list))

    def hook(value: object, _: object) -> tuple[object, ...]:
        if not isinstance(value, list) or len(value) != len(kinds):
            raise FieldError(shown(value), f"a list of {len(kinds)}")
        return tuple(_part(converter, inner, kinds[place], place) for place, inner in enumerate(value))

    return hook


def _part(converter: Converter, value: object, kind: Any, place: int) -> object:
    try:
        return converter.structure(value, kind)
    except Exception as error:
        error.add_note(IterableValidationNote("", place, kind))
        raise


def _dataclass_hook(target: Any, converter: Converter) -> _Hook:
    # cattrs leaves the marks of `Annotated` out where annotations are kept as text.
    hints = get_type_hints(target, include_extras=True)
    hooks = {
        field.name: override(struct_hook=_hook_of(hints[field.name], converter))
        for field in fields(target)
        if field.init
    }
    make: Any = make_dict_structure_fn  # its named options hide from a type checker that fields may be named too
    hook = _checked(make(target, converter, **hooks), Mapping, "a table")
    earlier = getattr(target, "of_earlier_form", None)
    if earlier is None:
        return hook
    return lambda value, kind: hook(earlier(value) if isinstance(value, Mapping) else value, kind)


def _hook_of(kind: Any, converter: Converter) -> _Hook:
    hook = converter.get_structure_hook(kind)
    return lambda value, _: hook(value, kind)


def _checked(hook: _Hook, kind: type, expected: str) -> _Hook:
    def checked(value: object, target: object) -> Any:
        if not isinstance(value, kind):
            raise FieldError(shown(value), expected)
        return hook(value, target)

    return checked


def _is_union(kind: object) -> bool:
    return get_origin(kind) in (Union, UnionType)


def _union_hook(target: Any, converter: Converter) -> _Hook:
    kinds = get_args(target)
    inner = [kind for kind in kinds if kind is not NoneType]
    optional = len(inner) < len(kinds)

    def hook(value: object, _: object) -> object:
        if value is None and optional:
            return None
        if len(inner) == 1:
            return converter.structure(value, inner[0])
        said = []
        for kind in inner:
            try:
                return converter.structure(value, kind)
            except FieldError as error:  # a plain value of another kind
                said.append(error.expected)
        raise FieldError(shown(value), " or ".join([*said, *(["null"] if optional else [])]))

    return hook


def _is_marked(mark: type, kind: object) -> bool:
    return get_origin(kind) is Annotated and any(isinstance(get_arg, mark) for get_arg in get_args(kind)[1:])


def _infinite_hook(_: Any, converter: Converter) -> _Hook:
    del converter

    def hook(value: object, target: object) -> float:
        if value == "inf" or value == "-inf":
            return float(value)
        try:
            return _number(value, target)
        except FieldError as error:
            raise FieldError(error.found, "a number, inf or -inf") from None

    return hook


def _limited_hook(target: Any, converter: Converter) -> _Hook:
    plain, *notes = get_args(target)
    limits = next(note for note in notes if isinstance(note, Limits))
    structure = converter.get_structure_hook(plain)

    def hook(value: object, _: object) -> object:
        result = structure(value, plain)
        if not limits.allow(result):
            raise FieldError(shown(value) if value != "" else "no text", limits.said)
        return result

    return hook


# --- from the errors of a structure to one line -------------------------------------------------------------------


def first_fault(error: BaseException, path: str = "") -> FieldError | None:
    """The first thing that is wrong, with the path to it; None for a mistake that is not the document's."""
    if isinstance(error, BaseValidationError):
        # Missing and mistyped fields explain a file better than the keys that it has too many.
        inner = sorted(error.exceptions, key=lambda one: isinstance(one, ForbiddenExtraKeysError))
        return first_fault(inner[0], path + _place(inner[0]))
    path = path.removeprefix(".")
    if isinstance(error, FieldError):
        below = error.path if not path or error.path.startswith("[") else f".{error.path}"
        return FieldError(error.found, error.expected, path + below if error.path else path, error.hint)
    if isinstance(error, ForbiddenExtraKeysError):
        known = [field.name for field in fields(error.cl)]
        name = sorted(map(str, error.extra_fields))[0]
        expected = f"one of {', '.join(known)}"
        return FieldError(f"the unknown key {shown(name)}", expected, path, did_you_mean(name, known))
    if isinstance(error, KeyError):
        return FieldError("nothing", "a value", path)
    if isinstance(error, InputError):  # a dataclass refuses its own values
        place = error.where.removeprefix(f"{path.rpartition('.')[2]}: ")
        return FieldError(error.found, error.expected, f"{path}: {place}" if path else place, error.hint)
    if isinstance(error, ValueError):
        return FieldError("values out of range", str(error), path)
    return None


def _place(error: BaseException) -> str:
    place = ""
    for note in getattr(error, "__notes__", ()):  # from the inside out
        if isinstance(note, AttributeValidationNote):
            place = f".{note.name}{place}"
        elif isinstance(note, IterableValidationNote):
            name = f".{shorten(note.index)}" if isinstance(note.index, str) else f"[{note.index + 1}]"
            place = name + place
    return place
