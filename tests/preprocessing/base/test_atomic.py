"""Files that are whole or not there, and output folders with one writer."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import pytest

from avbench.preprocessing.base.atomic import atomic_path, remove_strays, write_text
from avbench.preprocessing.base.errors import AvbenchError, OutputError
from avbench.preprocessing.base.locks import sole_writer


def stray(final: Path) -> Path:
    """What a writer of `final` that was killed leaves behind."""
    child = os.fork()
    if child == 0:
        with atomic_path(final) as temporary:
            temporary.write_text("half")
            os._exit(0)
    os.waitpid(child, 0)
    return next(path for path in final.parent.iterdir() if path.name.startswith(f".{final.stem}."))


def test_what_a_dead_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    left = stray(tmp_path / "table.csv")
    others = [tmp_path / name for name in (".table.1234.tmp.csv", "table.tmp", ".notes", "a.avbench-00000000.tmp")]
    for path in others:
        path.write_text("mine")
    (tmp_path / ".b.avbench-00000000.tmp.d").mkdir()
    with atomic_path(tmp_path / "table.csv") as living:
        living.write_text("whole")
        remove_strays(tmp_path, tmp_path / "nowhere")
        assert living.exists()
        assert not left.exists()
    assert (tmp_path / "table.csv").read_text() == "whole"
    assert sorted(tmp_path.iterdir()) == sorted(
        [*others, tmp_path / "table.csv", tmp_path / ".b.avbench-00000000.tmp.d"]
    )


def test_a_file_gets_the_rights_that_the_user_gives_new_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "a")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_a_folder_has_one_writer_and_the_next_one_tidies_up(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with sole_writer(out, "parts"):
        (out / "parts").mkdir()
        left = [stray(out / "a.txt"), stray(out / "parts" / "b.parquet")]
        with pytest.raises(AvbenchError, match=r"out: another avbench command is writing to it"), sole_writer(out):
            pass
    with sole_writer(out, "parts"):
        assert not any(path.exists() for path in left)
    assert [path.name for path in out.iterdir()] == ["parts"]  # no file of the lock is left


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up the rights of root")
def test_a_folder_without_permission_is_said_in_one_line() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        os.seteuid(65534)
        try:
            for write in (lambda: write_text(folder / "a.txt", "a"), lambda: sole_writer(folder / "out").__enter__()):
                with pytest.raises(
                    OutputError, match=r"could not be written \(Permission denied\); choose a place that"
                ):
                    write()
        finally:
            os.seteuid(0)
        assert not list(folder.iterdir())


@pytest.mark.parametrize("place", ["file/a.txt", "file", "/proc/no/a.txt"])
def test_a_place_that_cannot_be_written_is_said_in_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").mkdir() if place == "file" else (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="could not be written") as caught:
        write_text(tmp_path / place, "a")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_told_from_the_error_of_a_library(tmp_path: Path) -> None:
    def fill() -> None:
        with atomic_path(tmp_path / "a.bin") as temporary:
            try:
                temporary.write_bytes(bytes(100_000))
            except OSError as error:
                raise RuntimeError("enforce fail at inline_container") from error

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"a.bin: could not be written \(File too large\); free some space"):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())
    said = "Error while serializing: I/O error: No space left on device (os error 28)"
    with pytest.raises(OutputError, match=r"a.bin: could not be written \(No space"), atomic_path(tmp_path / "a.bin"):
        raise RuntimeError(said)
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(bytes(1 // 0))
