"""The command `avbench models`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from avbench.benchmark.cli.chosen_model import ChosenModel

if TYPE_CHECKING:
    from avbench.benchmark.models.entry import ModelEntry


@click.command()
@click.argument("name", required=False)
@click.option("--python", metavar="PATH", help="The interpreter that the model NAME runs with.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def models(name: str | None, python: str | None, as_json: bool) -> None:  # noqa: FBT001 - click gives flags as booleans
    """List the models that `--model` knows, or show one of them with its options.

    Installed packages add theirs through the entry-point group `avbench.models`; any class with a method `predict`
    works as FILE.py:Class. The options of a model's constructor are given to `avbench evaluate` with --set KEY=VALUE.

    \b
        avbench models
        avbench models sift
    """
    import json

    from avbench.benchmark.models.describe import described_options
    from avbench.benchmark.models.registry import list_models

    if python is not None and name is None:
        raise click.UsageError("--python needs the NAME of a model")
    if name is None:
        entries = [_facts(entry) for entry in list_models()]
    else:
        entry = ChosenModel(name, python=python).find()
        options = [vars(option) for option in described_options(entry)]
        entries = [{**_facts(entry), "options": options}]
    if as_json:
        click.echo(json.dumps(entries if name is None else entries[0], indent=1, ensure_ascii=False))
        return
    for facts in entries:
        _print_model(facts)


def _facts(entry: ModelEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "description": entry.description,
        "modalities": sorted(entry.modalities),
        "needs": list(entry.needs),
        "parameters": entry.parameters,
        "weights": entry.weights,
        "licence": entry.licence,
        "citation": entry.citation,
        "target": entry.target,
    }


def _print_model(facts: dict[str, Any]) -> None:
    click.echo(f"{facts['name']}: {facts['description']}")
    for key in ("modalities", "needs", "parameters", "weights", "licence", "citation"):
        value = facts[key]
        text = ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
        click.echo(f"    {key:<11} {text or '-'}")
    for option in facts.get("options", ()):
        default = "must be given" if option["default"] is None else f"default {option['default']}"
        click.echo(f"    --set {option['name']}=...  {option['takes']}; {default}")
