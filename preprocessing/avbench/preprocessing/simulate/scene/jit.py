"""The compiler of the inner loops: numba, an optional package."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from avbench.preprocessing.base.errors import MissingDependencyError

try:
    import numba
except ImportError as error:
    raise MissingDependencyError("numba", "simulate", "avbench simulate") from error

_Function = TypeVar("_Function", bound=Callable[..., object])


def compiled(function: _Function) -> _Function:
    """Compile a function of arrays and numbers to machine code, once, and keep the result on disk.

    Floating-point operations keep their order (`fastmath` off), so that a result does not depend on the compiler's
    taste. Division by zero gives infinity, as in numpy.
    """
    return cast(_Function, numba.njit(cache=True, fastmath=False, error_model="numpy")(function))
