"""The command `avbench models`."""

from __future__ import annotations

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def models(as_json: bool) -> None:  # noqa: FBT001 - click gives flags as booleans
    """List the models that `--model` knows.

    Installed packages add theirs through the entry-point group `avbench.models`; any class with a method `predict`
    works as FILE.py:Class.

    \b
    avbench models
    """
    import json

    from avbench.benchmark.models.registry import list_models

    entries = [
        {
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
        for entry in list_models()
    ]
    if as_json:
        click.echo(json.dumps(entries, indent=1, ensure_ascii=False))
        return
    for entry in entries:
        click.echo(f"{entry['name']}: {entry['description']}")
        for key in ("modalities", "needs", "parameters", "weights", "licence", "citation"):
            value = entry[key]
            text = ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
            click.echo(f"    {key:<11} {text or '-'}")
