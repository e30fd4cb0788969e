"""Options of a constructor are typed by its annotations."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, Union

import pytest

from avbench.benchmark.models.options import chosen_arguments, constructor_options
from avbench.preprocessing.base.errors import InputError

if TYPE_CHECKING:
    from decimal import Decimal


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Level(Enum):
    LOW = 1
    HIGH = 2


class Model:
    def __init__(
        self,
        count: int = 3,
        ratio: float = 0.5,
        fast: bool = False,
        name: str = "x",
        path: Path = Path("p"),
        limit: int | None = None,
        seed: Optional[int] = None,  # noqa: UP045 - as older models write it
        either: Union[int, str] = 1,  # noqa: UP007 - as above
        mode: Literal["a", "b", 3] = "a",
        size: Size = Size.SMALL,
        level: Level = Level.LOW,
        noted: Annotated[float, "metres"] = 1.0,
        unsaid=None,
        untyped=2,
        layers: list[int] = [],  # noqa: B006 - as models are
        later: Decimal | None = None,
        device: str = "cpu",
    ) -> None:
        self.given = {name: value for name, value in locals().items() if name != "self"}


def one(key: str, value: object, factory: Any = Model) -> Any:
    arguments, _ = chosen_arguments(factory, [(key, value)], taken=(), name="m")  # type: ignore[list-item]
    return arguments[key]


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("count", "12", 12),
        ("count", 12, 12),
        ("ratio", "1e-3", 0.001),
        ("ratio", "2", 2.0),
        ("ratio", 2, 2.0),
        ("fast", "true", True),
        ("fast", "Off", False),
        ("fast", True, True),
        ("name", "12", "12"),
        ("name", "none", "none"),
        ("name", "", ""),
        ("path", "a/b", Path("a/b")),
        ("path", Path("c"), Path("c")),
        ("limit", "none", None),
        ("limit", "7", 7),
        ("limit", None, None),
        ("seed", "7", 7),
        ("either", "7", 7),
        ("either", "seven", "seven"),
        ("mode", "b", "b"),
        ("mode", "3", 3),
        ("size", "large", Size.LARGE),
        ("size", "LARGE", Size.LARGE),
        ("level", "2", Level.HIGH),
        ("level", "HIGH", Level.HIGH),
        ("noted", "2.5", 2.5),
        ("unsaid", "2.5", 2.5),
        ("unsaid", "true", True),
        ("unsaid", "word", "word"),
        ("untyped", "5", 5),
    ],
)
def test_a_value_becomes_what_the_constructor_wants(key: str, value: object, wanted: object) -> None:
    found = one(key, value)
    assert found == wanted
    assert type(found) is type(wanted)
    assert Model(**{key: found}).given[key] == wanted


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("count", "1.5", "model m: option count: found '1.5', expected an integer"),
        ("count", 1.5, r"found 1.5 \(float\), expected an integer"),
        ("count", True, r"found True \(bool\), expected an integer"),
        ("ratio", "much", "found 'much', expected a number"),
        ("fast", "perhaps", "found 'perhaps', expected true or false"),
        ("fast", "1", "found '1', expected true or false"),
        ("limit", "few", "found 'few', expected an integer or none"),
        ("mode", "c", "found 'c', expected one of a, b, 3"),
        ("size", "huge", "found 'huge', expected one of small, large"),
        ("untyped", "x", "found 'x', expected an integer"),
        ("layers", "1,2", r"expected a value of list\[int\], which can only be given in Python"),
        ("later", "1", "expected a value of .*, which can only be given in Python"),
        ("counts", "1", "model m: found option counts, expected one of count, ratio, .*; did you mean count?"),
        ("device", "cuda", "device has an option of its own: --device"),
    ],
)
def test_a_wrong_value_or_name_is_one_line(key: str, value: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        one(key, value)
    assert "\n" not in str(error.value)


@dataclass(frozen=True)
class Settings:
    points: int
    ratio: float = 0.8
    names: list[str] = field(default_factory=list)


def test_the_fields_of_a_dataclass_are_options() -> None:
    class Needs:
        def __init__(self, settings: Settings) -> None: ...

    class May:
        def __init__(self, settings: Settings | None = None, other: int = 0) -> None: ...

    class Has:
        def __init__(self, settings: Settings = Settings(5, 0.7)) -> None: ...

    arguments, recorded = chosen_arguments(May, [("points", "9"), ("ratio", "0.6"), ("other", "4")], taken=(), name="m")
    assert arguments == {"settings": Settings(9, 0.6), "other": 4}
    assert recorded == {"points": 9, "ratio": 0.6, "other": 4}
    assert chosen_arguments(Has, [("ratio", "1")], taken=(), name="m")[0] == {"settings": Settings(5, 1.0)}
    assert [option.default for option in constructor_options(Has)[0]] == [5, 0.7, []]
    with pytest.raises(InputError, match="found no value for points, expected an integer; give it with --set points="):
        chosen_arguments(Needs, [("ratio", "1")], taken=(), name="m")


def test_a_constructor_of_any_options_takes_any_and_one_without_takes_none() -> None:
    class Any_:  # noqa: N801
        def __init__(self, **options: object) -> None: ...

    class None_:  # noqa: N801
        pass

    assert one("depth", "3", Any_) == 3
    with pytest.raises(InputError, match="expected none: the model has no options"):
        one("depth", "3", None_)
    with pytest.raises(InputError, match="kind is part of the model's name"):
        chosen_arguments(Any_, [("kind", "x")], taken=("kind",), name="m")


def test_what_is_recorded_is_json_and_the_content_of_a_file(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("weights")
    second.write_text("weights")
    chosen = [("size", "large"), ("ratio", "inf"), ("path", str(first)), ("level", "HIGH")]
    recorded = chosen_arguments(Model, chosen, taken=(), name="m")[1]
    assert recorded["size"] == "large"
    assert recorded["ratio"] == str(math.inf)
    assert recorded["level"] == 2
    moved = chosen_arguments(Model, [("path", second)], taken=(), name="m")[1]
    assert moved["path"] == recorded["path"]
    second.write_text("other weights")
    assert chosen_arguments(Model, [("path", second)], taken=(), name="m")[1] != moved
