"""The `avbench` command: one group, whose verbs each floor contributes through the entry points `avbench.commands`.

Modules named by the entry points import nothing heavy at their top, so that `avbench --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import EntryPoint, entry_points, version

import click

from avbench.preprocessing.errors import AvbenchError

COMMAND_GROUP = "avbench.commands"


class FloorGroup(click.Group):
    """A click group whose commands are looked up in the entry points and loaded when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all installed verbs, sorted."""
        del ctx
        return sorted({point.name for point in _command_points()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one verb; None if no installed package offers it."""
        del ctx
        for point in _command_points():
            if point.name == cmd_name:
                return _load(point)
        return None


def _load(point: EntryPoint) -> click.Command:
    try:
        command = point.load()
    except (ImportError, AttributeError) as error:
        return _broken(point, str(error))
    return command if isinstance(command, click.Command) else _broken(point, "it is not a click command")


def _broken(point: EntryPoint, why: str) -> click.Command:
    """Stands in for a verb that cannot be loaded, so that a broken plug-in does not take the others with it."""

    def fail(**_: object) -> None:
        raise AvbenchError(f"the command {point.name} ({point.value}) cannot be loaded: {why}; reinstall its package")

    return click.Command(point.name, callback=fail, short_help=f"(cannot be loaded: {why})", add_help_option=False)


def _command_points() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=COMMAND_GROUP))


@click.group(cls=FloorGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("avbench"), prog_name="avbench")
def cli() -> None:
    """Audio-visual relative camera pose: prepare data, evaluate models, submit to a board.

    \b
    avbench prepare recordings/ -o data/
    avbench evaluate data/ --model sift -o runs/sift
    avbench submit runs/sift/predictions.parquet --board board/
    """


def main() -> None:
    """Run the command line; a problem of the user's ends as one line on standard error and exit code 1."""
    # Worker processes that each start a full BLAS thread pool are tens of times slower than single-threaded ones.
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        cli()
    except AvbenchError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
