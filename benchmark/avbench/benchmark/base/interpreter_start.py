"""Started as a script by another Python interpreter: it runs a module of this avbench there.

Arguments: the folders of the package, joined by the separator of paths; the module; its own arguments. Nothing of the
interpreter that wrote this comes along: neither its packages nor avbench's requirements.
"""

import enum
import importlib
import importlib.util
import os
import sys


def main() -> None:
    """Make avbench importable from its folders, and run a module's `main`."""
    # The folder of this script holds modules of avbench, which are none of the model's business.
    if sys.path and os.path.abspath(sys.path[0] or ".") == os.path.dirname(os.path.abspath(__file__)):  # noqa: PTH100, PTH120 - no more imports than needed
        del sys.path[0]
    if not hasattr(enum, "StrEnum"):
        enum.StrEnum = _StrEnum  # type: ignore[assignment, misc, unused-ignore]
    folders, module = sys.argv[1].split(os.pathsep), sys.argv[2]
    del sys.argv[1:3]
    _import_avbench(folders)
    importlib.import_module(module).main()


def _import_avbench(folders: "list[str]") -> None:
    first = os.path.join(folders[0], "__init__.py")  # noqa: PTH118 - as above
    spec = importlib.util.spec_from_file_location("avbench", first, submodule_search_locations=folders)
    assert spec is not None  # noqa: S101 - the file was found by the interpreter that started this one
    assert spec.loader is not None  # noqa: S101 - as above
    package = importlib.util.module_from_spec(spec)
    sys.modules["avbench"] = package
    spec.loader.exec_module(package)


class _StrEnum(str, enum.Enum):  # noqa: UP042 - as it says
    """What Python 3.11 has and 3.10 lacks."""

    __str__ = str.__str__
    __format__ = str.__format__  # type: ignore[assignment]


if __name__ == "__main__":
    main()
