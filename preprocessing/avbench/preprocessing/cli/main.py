"""The `avbench` program: one group, to which each area adds its commands through the entry points `avbench.commands`.

Modules named by the entry points import nothing heavy at their top, so that `avbench --help` answers at once.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import threading
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points, version

import click

from avbench.preprocessing.base.errors import AvbenchError, SeveralProblemsError, os_error_line

COMMAND_GROUP = "avbench.commands"

_INTERRUPTED = 130
_INTERRUPTED_LINE = "interrupted; run the same command again to continue"
_BROKEN_PIPE = 141  # what a shell reports of a program that such a pipe ended
_COMPLETION_VARIABLE = "_AVBENCH_COMPLETE"


class EntryPointGroup(click.Group):
    """A click group whose commands are looked up in the entry points and loaded when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all installed commands, sorted."""
        del ctx
        return sorted({point.name for point in _command_points()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command; None if no installed package offers it."""
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
    """Stands in for a command that cannot be loaded, so that a broken plug-in does not take the others with it."""

    def fail(**_: object) -> None:
        raise AvbenchError(f"the command {point.name} ({point.value}) cannot be loaded: {why}; reinstall its package")

    return click.Command(point.name, callback=fail, short_help=f"(cannot be loaded: {why})", add_help_option=False)


def _command_points() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=COMMAND_GROUP))


@click.group(cls=EntryPointGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("avbench"), prog_name="avbench")
def cli() -> None:
    """Audio-visual relative camera pose: prepare data, evaluate models, submit to a board.

    \b
        avbench prepare recordings/ -o data/
        avbench evaluate data/ --model sift -o runs/sift
        avbench submit runs/sift/predictions.parquet --board board/ --name sift
    """


class _Interrupts:
    """What Ctrl-C does: the first one ends the work in good order, a second one ends the process on the spot.

    Attributes:
        seen: Whether there was one. Libraries may turn the exception that it raises into one of their own.
    """

    def __init__(self) -> None:
        self.seen = False
        self._said = False

    def __call__(self, signal_number: int, frame: object) -> None:
        del signal_number, frame
        if self.seen:
            if not self._said:
                with suppress(OSError):
                    # What stands between may be in the middle of a write of its own.
                    os.write(2, f"\n{_INTERRUPTED_LINE}\n".encode())
            os._exit(_INTERRUPTED)
        self.seen = True
        # What happens to other threads from now on is a consequence, and nobody's to read.
        threading.excepthook = _ignored
        raise KeyboardInterrupt

    def say(self) -> None:
        """Say that the work has ended."""
        self._said = True
        _say(_INTERRUPTED_LINE)


def _ignored(_: threading.ExceptHookArgs) -> None:
    pass


def main() -> None:
    """Run the command line; what a user can fix ends as a line on standard error and exit code 1."""
    # Worker processes that each start a full BLAS thread pool are tens of times slower than single-threaded ones.
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    interrupts = _Interrupts()
    # Where Ctrl-C is ignored, as it is for commands that a script puts into the background, it stays so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupts)
    code = _run(interrupts)
    if interrupts.seen:
        with suppress(OSError):
            sys.stdout.flush()
        # Nothing is left to tidy up, and Ctrl-C during the end of the interpreter would be answered by a traceback.
        os._exit(code)
    if signal.getsignal(signal.SIGINT) is interrupts:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(code)


def _run(interrupts: _Interrupts) -> int:
    """Run the command that was typed; its exit code."""
    try:
        return _invoke(sys.argv[1:])
    except BaseException as error:
        if interrupts.seen or isinstance(error, KeyboardInterrupt):
            interrupts.say()
            return _INTERRUPTED
        if isinstance(error, SeveralProblemsError):
            for one in error.errors:
                _say(f"error: {one}")
            return 1
        if isinstance(error, AvbenchError):
            _say(f"error: {error}")
            return 1
        if isinstance(error, OSError):
            if error.errno == errno.EPIPE and _nobody_reads():
                return _BROKEN_PIPE
            if error.errno is not None:
                _say(f"error: {os_error_line(error)}")
                return 1
        raise


def _invoke(arguments: list[str]) -> int:
    # `click` would answer Ctrl-C and broken pipes in its own way if the group were called as a whole.
    if _COMPLETION_VARIABLE in os.environ:
        cli.main(arguments, "avbench", _COMPLETION_VARIABLE)
    try:
        with cli.make_context("avbench", arguments) as context:
            cli.invoke(context)
    except click.exceptions.Exit as stopped:
        return stopped.exit_code
    except click.ClickException as error:
        error.show()
        for further in _further_problems(error, arguments):
            _say(f"Error: {further.format_message()}")
        return error.exit_code
    return 0


def _further_problems(first: click.ClickException, arguments: list[str]) -> list[click.UsageError]:
    """What else is wrong with the options: `click` stops at the first one that is."""
    context = first.ctx if isinstance(first, click.BadParameter) else None
    if context is None:
        return []
    # Options come after the name of their command, and those of a group of commands after the group's.
    command, depth = context.command, len(context.command_path.split()) - 1
    values, _, order = command.make_parser(context).parse_args(arguments[depth:])
    problems: list[click.UsageError] = []
    for parameter in click.core.iter_params_for_processing(order, command.get_params(context)):
        try:
            parameter.handle_parse_result(context, values, [])
        except click.UsageError as error:
            problems.append(error)
    return [error for error in problems if error.format_message() != first.format_message()]


def _nobody_reads() -> bool:
    """Whether the reader of standard output is gone, as that of `avbench ... | head` is."""
    watch = select.poll()
    try:
        output = sys.stdout.fileno()
        watch.register(output, 0)
        gone = any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0))
    except (OSError, ValueError, AttributeError):
        return False
    if gone:
        # What is still in the buffers is written at exit, and must not fail again.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, output)
        os.close(nowhere)
    return gone


def _say(line: str) -> None:
    with suppress(OSError):
        click.echo(line, err=True)
