"""Every mistake of the list can be made in the code as it is: one that cannot would be noticed by nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from mutations.mistake import Mistake
from mutations.mistakes import MISTAKES
from mutations.mistakes_of_layouts import MISTAKES_OF_LAYOUTS

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mistake", [*MISTAKES, *MISTAKES_OF_LAYOUTS], ids=lambda mistake: mistake.name)
def test_the_mistake_can_be_made(mistake: Mistake) -> None:
    source = mistake.path(REPOSITORY).read_text(encoding="utf-8")
    assert mistake.made_in(source) != source
