"""A submission: a predictions file and who sends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avbench.benchmark.predictions.file import Predictions, check_complete, read_predictions
from avbench.benchmark.predictions.reading import Asked
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.escape import web_address
from avbench.preprocessing.base.structure import shown

LONGEST_NAME = 80
LONGEST_DESCRIPTION = 500
LONGEST_URL = 2000


@dataclass(frozen=True)
class SubmissionInfo:
    """Who submits what.

    Attributes:
        name: Name of the model, as the board will show it.
        team: Who submits it; may be empty.
        description: One or two sentences on the model; may be empty.
        url: Paper or code; may be empty.

    Raises:
        InputError: A field is empty that must not be, too long, of more than one line, or no web address.
    """

    name: str
    team: str = ""
    description: str = ""
    url: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InputError("submission: name", found="nothing", expected="the model's name", hint="use --name")
        for field, value, longest in (
            ("name", self.name, LONGEST_NAME),
            ("team", self.team, LONGEST_NAME),
            ("description", self.description, LONGEST_DESCRIPTION),
        ):
            if len(value) > longest:
                raise InputError(
                    f"submission: {field}", found=f"{len(value)} characters", expected=f"at most {longest}"
                )
            if not value.isprintable():
                raise InputError(f"submission: {field}", found=repr(value), expected="one line of printable text")
        if self.url and (len(self.url) > LONGEST_URL or web_address(self.url) is None):
            raise InputError(
                "submission: url",
                found=shown(self.url),
                expected=f"an address with http:// or https://, of at most {LONGEST_URL} characters",
            )


def read_submission(path: Path, pair_ids: Sequence[str], conditions: Sequence[str]) -> Predictions:
    """Read predictions and check that they answer exactly a board's pairs and conditions.

    Raises:
        InputError: The file is larger than a complete answer can be, a pair or condition is missing, doubled or
            foreign, a row is no rotation, a number is not finite, or a column is of a wrong type; the row is named.
    """
    predictions = read_predictions(path, Asked(len(pair_ids), len(conditions)))
    check_complete(predictions, pair_ids, conditions=conditions)
    return predictions
