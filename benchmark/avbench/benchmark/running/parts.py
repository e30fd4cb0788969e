"""What a run has answered so far, on disk, so that a killed run is continued where it stopped.

A part is a predictions file of the pairs `start` to `stop` under all conditions, written atomically. Parts are only
ever continued by a run of the same settings; the finished predictions do not depend on how a run was cut into parts.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from avbench.benchmark.predictions.file import Answer, predictions_schema, predictions_table, read_table, write_table
from avbench.preprocessing.base.atomic import write_text
from avbench.preprocessing.base.documents import read_json
from avbench.preprocessing.base.errors import InputError

_NAME = re.compile(r"(?P<start>\d{9})-(?P<stop>\d{9})\.parquet")
_SETTINGS = "settings.json"


def refuse_other_settings(where: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to go on with, or to replace, what was made with other settings.

    Raises:
        InputError: The settings differ; the first difference is named.
    """
    for key in sorted({*found, *wanted}):
        if found.get(key) != wanted.get(key):
            raise InputError(
                where,
                found=f"a run with {key} = {_short(found.get(key))}",
                expected=f"{key} = {_short(wanted.get(key))}",
                hint="choose another folder with -o, or replace that run with --overwrite",
            )


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True)
class PartStore:
    """The parts of one run.

    Attributes:
        folder: Where they lie.
        settings: What determines the answers of the run (JSON values).
    """

    folder: Path
    settings: Mapping[str, Any]

    def prepare(self) -> None:
        """Take up the parts that are there, or start.

        Raises:
            InputError: The parts there were made with other settings.
        """
        path = self.folder / _SETTINGS
        if path.is_file():
            found: dict[str, Any] = read_json(
                path, dict, expected="the settings of a run", hint="replace it with --overwrite"
            )
            refuse_other_settings(self.folder.parent, found, self.settings)
        else:
            write_text(path, json.dumps(self.settings, indent=1, sort_keys=True, ensure_ascii=False) + "\n")

    def done(self) -> list[tuple[int, int]]:
        """Ranges (start, stop) of pairs that are answered, in order and without overlap."""
        found = [
            (int(match["start"]), int(match["stop"]))
            for path in self.folder.glob("*.parquet")
            if (match := _NAME.fullmatch(path.name))
        ]
        ranges: list[tuple[int, int]] = []
        for start, stop in sorted(found, key=lambda part: (part[0], -part[1])):
            if not ranges or start >= ranges[-1][1]:
                ranges.append((start, stop))
        return ranges

    def write(self, start: int, stop: int, answers: Sequence[Answer]) -> None:
        """Write the answers for the pairs `start` to `stop`."""
        write_table(self._path(start, stop), predictions_table(answers))

    def collect(self, conditions: Sequence[str], info: Mapping[str, Any]) -> pa.Table:
        """All parts as one table: condition by condition, pairs in the order of the data set."""
        tables = [read_table(self._path(start, stop)) for start, stop in self.done()]
        schema = predictions_schema(info)
        if not tables:
            return schema.empty_table()
        whole = pa.concat_tables(table.replace_schema_metadata(None) for table in tables)
        order = {name: place for place, name in enumerate(conditions)}
        places = [order[name] for name in whole.column("condition").to_pylist()]
        # Stable, so that pairs stay in order within a condition.
        rows = sorted(range(len(places)), key=places.__getitem__)
        return whole.take(pa.array(rows, type=pa.int64())).cast(schema).replace_schema_metadata(schema.metadata)

    def remove(self) -> None:
        """Remove all parts."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, start: int, stop: int) -> Path:
        return self.folder / f"{start:09d}-{stop:09d}.parquet"


def gaps(done: Sequence[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """Ranges of 0 to `count` that are not in the sorted ranges `done`."""
    result = []
    start = 0
    for low, high in done:
        if start < min(low, count):
            result.append((start, min(low, count)))
        start = max(start, high)
    if start < count:
        result.append((start, count))
    return result
