"""The command `avbench binaural`: parse, call the study, print."""

from __future__ import annotations

from pathlib import Path

import click

_FOLDER = click.Path(file_okay=False, path_type=Path)
_COUNT = click.IntRange(min=1)


@click.command(short_help="What binaural pre-training learned, on held-out simulated rooms.")
@click.argument("data", type=_FOLDER)
@click.option("--recordings", type=_FOLDER, required=True, help="The simulated recordings DATA was prepared from.")
@click.option("-o", "--out", type=_FOLDER, required=True, help="Folder of the report and of the trained networks.")
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="A trained bundle, or binaural.safetensors of this command: judge its network, train only the control.",
)
@click.option(
    "--split",
    "splits",
    multiple=True,
    default=["test"],
    show_default=True,
    help="Split of held-out rooms; repeat for more.",
)
@click.option("--pairs", type=_COUNT, help="Most training pairs.  [default: 2000, or as many as the bundle's]")
@click.option("--held-out-pairs", type=_COUNT, default=1000, show_default=True, help="Most pairs of each split.")
@click.option(
    "--epochs", type=_COUNT, help="Passes over the training pairs.  [default: 10, or as many as the bundle's]"
)
@click.option("--width", type=click.IntRange(4, 64), help="Width of the network, a multiple of 4.  [default: 8]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of what is trained.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu"]),
    default="auto",
    show_default=True,
    help="auto takes what accelerate finds.",
)
def binaural(
    data: Path,
    recordings: Path,
    out: Path,
    weights: Path | None,
    splits: tuple[str, ...],
    pairs: int | None,
    held_out_pairs: int,
    epochs: int | None,
    width: int | None,
    seed: int,
    device: str,
) -> None:
    """Train a binaural network and its monaural control on the split train of DATA, and judge them on other rooms.

    The network predicts the difference of two ears from their mix; the control hears the mix only. Shown are the error
    of that difference against predicting none, and how well a linear probe of the embeddings predicts the azimuth of
    the strongest source. The same command continues a run that was stopped.

    \b
        avbench binaural sim-v1-data/ --recordings sim-v1/ -o binaural/
        avbench binaural sim-v1-data/ --recordings sim-v1/ -o shipped/ --weights trained/ --split test --split val
    """
    if width is not None and width % 4:
        raise click.BadParameter(f"{width} is no multiple of 4", param_hint="--width")

    from avbench.benchmark.training.study.binaural_report import report_text, write_report
    from avbench.benchmark.training.study.binaural_study import StudyRequest, study_binaural
    from avbench.preprocessing.base.atomic import remove_strays
    from avbench.preprocessing.base.locks import sole_writer

    request = StudyRequest(
        data=data,
        recordings=recordings,
        out=out,
        splits=tuple(dict.fromkeys(splits)),
        weights=weights,
        pairs=pairs,
        held_out_pairs=held_out_pairs,
        epochs=epochs,
        width=width,
        seed=seed,
        cpu=device == "cpu",
    )
    with sole_writer(out):
        remove_strays(*out.glob("stages/*"))
        study = study_binaural(request)
        written = write_report(out, study)
    click.echo(report_text(study))
    for path in written:
        click.echo(f"written: {path}")
