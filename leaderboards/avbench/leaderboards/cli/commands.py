"""The commands `avbench submit` and `avbench board`; heavy packages are imported after parsing."""

from __future__ import annotations

from pathlib import Path

import click

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("predictions", type=_FILE)
@click.option("--board", "board_folder", type=_FOLDER, required=True, help="Folder of the board.")
@click.option("--name", required=True, help="Name of the model, as the board will show it.")
@click.option("--team", default="", help="Who submits it.")
@click.option("--description", default="", help="One or two sentences on the model.")
@click.option("--url", default="", help="Paper or code.")
def submit(predictions: Path, board_folder: Path, name: str, team: str, description: str, url: str) -> None:
    """Submit PREDICTIONS to a board, which scores them itself.

    The predictions must answer every pair of the board's split; a file that does not is refused and the board stays
    as it is.

    \b
        avbench submit runs/sift/predictions.parquet --board board/ --name sift --team "Example Lab"
    """
    from avbench.leaderboards.board.board import open_board
    from avbench.leaderboards.board.submission import SubmissionInfo
    from avbench.leaderboards.client.submit import submit as submit_to_board

    info = SubmissionInfo(name, team, description, url)
    board = open_board(board_folder)
    result = submit_to_board(board, predictions, info)
    for note in result.notes:
        click.echo(f"note: {note}", err=True)
    state = "was there already as" if result.already_there else "is now"
    click.echo(f"{name} {state} entry {result.entry.entry_id}, rank {result.rank} of {result.entries}")
    _print_table(board_folder)


@click.group()
def board() -> None:
    """Create and show boards.

    \b
        avbench board create board/ --data data/ --title "Our challenge"
        avbench board show board/
    """


@board.command()
@click.argument("folder", type=_FOLDER)
@click.option("--data", type=_FOLDER, required=True, help="Prepared data set whose labels the board keeps.")
@click.option("--title", required=True, help="Title of the board.")
@click.option("--split", default="test", show_default=True, help="Split that is scored.")
@click.option("--condition", "conditions", multiple=True, help="Condition to answer; repeat for more. [default: clean]")
@click.option(
    "--rank-by", default=None, help='Metric that the board is ranked by, such as "total.auc@20" or "rotation.mean_deg".'
)
def create(folder: Path, data: Path, title: str, split: str, conditions: tuple[str, ...], rank_by: str | None) -> None:
    """Create a board in FOLDER for a split of a prepared data set.

    \b
        avbench board create board/ --data data/ --title "Our challenge"
    """
    from avbench.benchmark.predictions.file import CLEAN_CONDITION
    from avbench.leaderboards.board.board import LABELS_NAME, create_board
    from avbench.leaderboards.pages.pages import render

    made = create_board(
        folder, data, title=title, split=split, conditions=conditions or (CLEAN_CONDITION,), rank_by=rank_by
    )
    render(made)
    click.echo(f"created a board for {made.config.pairs} pairs in {folder}; keep {folder / LABELS_NAME} private")


@board.command()
@click.argument("folder", type=_FOLDER)
def show(folder: Path) -> None:
    """Print the table of the board in FOLDER and write its pages again.

    \b
        avbench board show board/
    """
    from avbench.leaderboards.board.board import open_board
    from avbench.leaderboards.pages.pages import render

    render(open_board(folder))
    _print_table(folder)


def _print_table(folder: Path) -> None:
    from avbench.leaderboards.board.board import open_board
    from avbench.leaderboards.pages.pages import markdown_page

    click.echo()
    click.echo(markdown_page(open_board(folder)))
