"""The record beside a part, the rows of one recording that wait for packing: a part without it is not finished."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from avbench.preprocessing.base.atomic import sha256_of, write_text
from avbench.preprocessing.base.documents import read_json
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.structure import Sha256
from avbench.preprocessing.format.manifest import PreparedRecording


@dataclass(frozen=True)
class _PartRecord:
    sha256: Sha256
    prepared: PreparedRecording


def finish_part(part: Path, prepared: PreparedRecording) -> None:
    """Write the record of a part whose file is complete.

    Raises:
        OutputError: It cannot be written.
    """
    record = _PartRecord(sha256_of(part), prepared)
    write_text(_path(part), json.dumps(asdict(record)))


def finished_part(part: Path) -> PreparedRecording | None:
    """What is in a part, None where it is not finished or not whole."""
    with suppress(InputError, OSError):
        record = read_json(_path(part), _PartRecord)
        if record.sha256 == sha256_of(part):
            return record.prepared
    return None


def _path(part: Path) -> Path:
    return part.with_suffix(".json")
