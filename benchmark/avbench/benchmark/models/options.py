"""Constructor options of a model that are chosen from outside, typed by the constructor's own annotations.

`features=500` becomes an integer where the constructor says `features: int`. A parameter that is a dataclass of such
values offers its fields in place of itself. Only the standard library is used: this runs where the model runs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from avbench.preprocessing.base.errors import InputError, did_you_mean

OptionValue = bool | int | float | str | Path | None
"""What an option may be given as; a text is read as what the constructor wants."""

OWN_COMMAND_LINE_OPTIONS: Mapping[str, str] = {"device": "--device", "weights": "--weights"}
"""Parameters of constructors that have command-line options of their own."""

_TRUE, _FALSE, _NONE = ("true", "yes", "on"), ("false", "no", "off"), ("none", "null")
_NO_DEFAULT = inspect.Parameter.empty


@dataclass(frozen=True)
class Option:
    """One option of a constructor.

    Attributes:
        name: Its name.
        kinds: The types that it takes: `bool`, `int`, `float`, `str`, `Path`, `NoneType`, enums, and values that a
            `Literal` lists. Empty where it takes something that cannot be written down.
        default: Its default, `inspect.Parameter.empty` where it must be given.
        parameter: The parameter of the constructor that it belongs to, its own name but for fields of a dataclass.
        settings: The dataclass whose field it is, or None.
        base: An object of that dataclass, the parameter's default; or None.
        annotation: Its annotation as a text, for messages.
    """

    name: str
    kinds: tuple[Any, ...]
    default: Any
    parameter: str
    settings: type | None = None
    base: Any = None
    annotation: str = ""

    @property
    def required(self) -> bool:
        """Whether the model cannot be built without it."""
        return self.default is _NO_DEFAULT

    def expected(self) -> str:
        """What it takes, in words."""
        if not self.kinds:
            return f"a value of {self.annotation}, which can only be given in Python"
        texts: list[str] = []
        listed: list[str] = []
        for kind in self.kinds:
            if isinstance(kind, type) and issubclass(kind, Enum):
                listed += [str(member.value) for member in kind]
            elif isinstance(kind, type):
                texts.append(_KIND_TEXTS[kind])
            else:
                listed.append(str(kind))
        if listed:
            texts.insert(0, listed[0] if len(listed) == 1 else f"one of {', '.join(listed)}")
        return " or ".join(texts)

    def read(self, value: OptionValue) -> Any:
        """The value as the constructor wants it.

        Raises:
            ValueError: It is nothing that the option takes.
        """
        for kind in sorted(self.kinds, key=_precedence):
            read = _read_text(kind, value) if isinstance(value, str) else _read_value(kind, value)
            if read is not _UNREADABLE:
                return read
        raise ValueError(f"{value!r} is not {self.expected()}")


def constructor_options(factory: Callable[..., object]) -> tuple[list[Option], bool]:
    """The options of a class, and whether its constructor takes further ones under any name.

    Args:
        factory: The class, or anything that builds a model.
    """
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # some callables written in C have no signature
        return [], True
    hints = _hints(getattr(factory, "__init__") if isinstance(factory, type) else factory)  # noqa: B009 - mypy sees instances
    options: list[Option] = []
    for parameter in parameters:
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name in OWN_COMMAND_LINE_OPTIONS:
            continue
        options += _options_of(parameter.name, hints.get(parameter.name, parameter.annotation), parameter.default)
    return options, any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def chosen_arguments(
    factory: Callable[..., object],
    chosen: Sequence[tuple[str, OptionValue]],
    *,
    taken: Sequence[str],
    name: str,
    elsewhere: str = "",
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keyword arguments for a constructor.

    Args:
        factory: The class.
        chosen: What was chosen, by name.
        taken: Parameters that are given in another way.
        name: Name of the model, for messages.
        elsewhere: What to do where a value is missing, if it cannot be given with `--set`.

    Returns:
        The keyword arguments, and the options that were chosen as JSON values for the record of a run: of a file the
        hash of its content, so that the file may be moved.

    Raises:
        InputError: There is no such option, its value is of the wrong type, or one is missing.
    """
    options, any_name = constructor_options(factory)
    known = {option.name: option for option in options if option.name not in taken}
    values: dict[str, Any] = {}
    for key, value in chosen:
        option = known.get(key)
        if option is None and any_name and key not in (*taken, *OWN_COMMAND_LINE_OPTIONS):
            option = Option(key, _GUESSED, None, key)
        if option is None:
            raise _no_such_option(key, known, taken, name)
        try:
            values[key] = option.read(value)
        except ValueError:
            raise InputError(f"model {name}: option {key}", found=_shown(value), expected=option.expected()) from None
    for option in known.values():
        if option.required and option.name not in values:
            raise InputError(
                f"model {name}",
                found=f"no value for {option.name}",
                expected=option.expected(),
                hint=elsewhere or (f"give it with --set {option.name}=VALUE" if option.kinds else ""),
            )
    return _keyword_arguments(known, values), {key: _recorded(value) for key, value in values.items()}


def _keyword_arguments(known: Mapping[str, Option], values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a dataclass are put into one argument; the others are arguments themselves."""
    arguments: dict[str, Any] = {}
    fields: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        option = known.get(key)
        if option is None or option.settings is None:
            arguments[key] = value
        else:
            fields.setdefault(option.parameter, {})[key] = value
    for parameter, given in fields.items():
        option = next(option for option in known.values() if option.parameter == parameter)
        if option.base is not None:
            arguments[parameter] = dataclasses.replace(option.base, **given)
        elif option.settings is not None:
            arguments[parameter] = option.settings(**given)
    return arguments


def _no_such_option(key: str, known: Mapping[str, Option], taken: Sequence[str], name: str) -> InputError:
    own = OWN_COMMAND_LINE_OPTIONS.get(key)
    if own is not None:
        hint = f"{key} has an option of its own: {own}"
    elif key in taken:
        hint = f"{key} is part of the model's name"
    else:
        hint = did_you_mean(key, known)
    expected = f"one of {', '.join(known)}" if known else "none: the model has no options"
    return InputError(f"model {name}", found=f"option {key}", expected=expected, hint=hint)


def _options_of(name: str, annotation: Any, default: Any) -> list[Option]:
    if annotation is inspect.Parameter.empty:
        guessed = _GUESSED if default is None or default is _NO_DEFAULT else _kinds(type(default))
        return [Option(name, guessed, default, name, annotation="no annotation")]
    settings = _settings_class(annotation)
    if settings is None:
        return [Option(name, _kinds(annotation), default, name, annotation=_text(annotation))]
    hints = _hints(settings)
    base = default if isinstance(default, settings) else None
    return [
        Option(
            field.name,
            _kinds(hints.get(field.name, field.type)),
            _default_of_field(field, base, required=default is _NO_DEFAULT),
            name,
            settings,
            base,
            _text(hints.get(field.name, field.type)),
        )
        for field in dataclasses.fields(settings)
        if field.init
    ]


def _default_of_field(field: dataclasses.Field[Any], base: Any, *, required: bool) -> Any:
    if base is not None:
        return getattr(base, field.name)
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    # Where the dataclass itself may be left out, so may its fields.
    return _NO_DEFAULT if required else None


def _settings_class(annotation: Any) -> type | None:
    """The dataclass that an annotation names, alone or beside None."""
    alternatives = [kind for kind in _alternatives(annotation) if kind is not types.NoneType]
    if len(alternatives) == 1 and isinstance(alternatives[0], type) and dataclasses.is_dataclass(alternatives[0]):
        return alternatives[0]
    return None


def _alternatives(annotation: Any) -> list[Any]:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _alternatives(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [kind for part in typing.get_args(annotation) for kind in _alternatives(part)]
    return [types.NoneType if annotation is None else annotation]


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The types of an annotation that can be written down; empty where there is none but None."""
    kinds: list[Any] = []
    for kind in _alternatives(annotation):
        if typing.get_origin(kind) is typing.Literal:
            kinds += typing.get_args(kind)
        elif isinstance(kind, type) and (kind in _KIND_TEXTS or issubclass(kind, Enum)):
            kinds.append(kind)
        elif isinstance(kind, type) and issubclass(kind, Path):
            kinds.append(Path)
    return tuple(kinds) if any(kind is not types.NoneType for kind in kinds) else ()


def _hints(where: Any) -> dict[str, Any]:
    """Annotations, evaluated; those that cannot be are left as texts."""
    with suppress(Exception):  # names that only a type checker imports, and whatever else annotations do
        return typing.get_type_hints(where, include_extras=True)
    found = {}
    names = {**vars(typing), **getattr(where, "__globals__", {})}
    for name, annotation in getattr(where, "__annotations__", {}).items():
        found[name] = annotation
        if isinstance(annotation, str):
            with suppress(Exception):
                found[name] = eval(annotation, names)  # noqa: S307 - the model's own code, which is run anyway
    return found


def _precedence(kind: Any) -> int:
    """What a text is read as first: the narrowest."""
    order: list[Any] = [types.NoneType, bool, int, float, Path, str]
    if isinstance(kind, type) and kind in order:
        return 1 + order.index(kind)
    return 0


def _read_text(kind: Any, text: str) -> Any:
    lowered = text.strip().lower()
    if kind is types.NoneType:
        return None if lowered in _NONE else _UNREADABLE
    if kind is bool:
        return True if lowered in _TRUE else False if lowered in _FALSE else _UNREADABLE
    if kind is int or kind is float:
        try:
            return kind(text)
        except ValueError:
            return _UNREADABLE
    if kind is str or kind is Path:
        return kind(text)
    return _read_listed(kind, text)


def _read_value(kind: Any, value: Any) -> Any:
    if kind is bool or kind is types.NoneType or kind is Path:
        return value if isinstance(value, kind) else _UNREADABLE
    if kind is int or kind is float:
        number = not isinstance(value, bool) and isinstance(value, (int, kind))
        return kind(value) if number else _UNREADABLE
    if kind is str:
        return str(value) if isinstance(value, Path) else _UNREADABLE
    return _read_listed(kind, value)


def _read_listed(kind: Any, value: object) -> Any:
    """A member of an enum by its value or name, or a value of a `Literal`."""
    if isinstance(kind, type):
        for member in kind:  # type: ignore[attr-defined]
            if value == member.value or str(value) in (str(member.value), member.name):
                return member
        return _UNREADABLE
    return kind if str(value) == str(kind) else _UNREADABLE


def _recorded(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return f"sha256 {hashlib.sha256(value.read_bytes()).hexdigest()}" if value.is_file() else str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such numbers
    return value


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str) else f"{value!r} ({type(value).__name__})"


def _text(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


_UNREADABLE = object()
_GUESSED: tuple[Any, ...] = (types.NoneType, bool, int, float, str)
_KIND_TEXTS: dict[type, str] = {
    types.NoneType: "none",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a text",
    Path: "a path",
}
