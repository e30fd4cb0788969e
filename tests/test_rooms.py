"""The rooms stay small enough to find one's way in."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_MODULES = 15


@pytest.mark.parametrize("area", ["preprocessing", "benchmark", "leaderboards"])
def test_no_folder_has_more_modules_than_one_can_take_in(area: str) -> None:
    folders = {path.parent for path in (ROOT / area).rglob("*.py")}
    counts = {
        folder.relative_to(ROOT).as_posix(): sum(path.name != "__init__.py" for path in folder.glob("*.py"))
        for folder in folders
    }
    assert {name: count for name, count in counts.items() if count > MOST_MODULES} == {}
