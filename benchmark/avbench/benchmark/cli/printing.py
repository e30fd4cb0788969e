"""What more than one command prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avbench.benchmark.predictions.file import Predictions
    from avbench.benchmark.scoring.score import Score

_SHOWN_MESSAGES = 3


def print_scores(name: str, scores: Sequence[Score], predictions: Predictions) -> None:
    """Print the tables of scores, what they are over, and the most frequent messages of failed pairs."""
    from avbench.benchmark.tables.scores import (
        FURTHER_HEADERS,
        HEADLINE_HEADERS,
        further_row,
        headline_notes,
        headline_row,
        shared_score_notes,
        text_table,
    )

    click.echo(text_table(HEADLINE_HEADERS, [headline_row(name, entry) for entry in scores]))
    click.echo("in brackets: 95 % intervals, from resampling groups")
    for line in headline_notes(scores):
        click.echo(line)
    click.echo("")
    click.echo(text_table(FURTHER_HEADERS, [further_row(name, entry) for entry in scores]))
    for line in shared_score_notes(scores):
        click.echo(line)
    problems: dict[str, int] = {}
    for message in predictions.message:
        if message is not None:
            problems[message] = problems.get(message, 0) + 1
    for message, times in sorted(problems.items(), key=lambda item: -item[1])[:_SHOWN_MESSAGES]:
        click.echo(f"{times} x {message}")
