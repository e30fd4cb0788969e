"""The model card of a bundle: what was trained on what, by which command, how well it did, and what it is not for.

Everything about the weights comes from the bundle's description; what differs from one machine to the next (command,
time, versions) stands in the card alone, so that equal weights keep an equal description.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

from avbench.benchmark.data.pair import Modality
from avbench.benchmark.models.backbones.reloc3r import WEIGHTS_LICENCE
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.models.learned.bundle_files import PARTS_OF_MODEL, describe_bundle
from avbench.benchmark.models.learned.entries import LEARNED
from avbench.benchmark.tables.scores import markdown_rows, markdown_table
from avbench.benchmark.training.config import STANDARD, flat_settings
from avbench.benchmark.training.loop import StageResult
from avbench.benchmark.training.stages.stage_table import STAGE_HEADERS, stage_rows, stage_seconds
from avbench.preprocessing.base.atomic import write_text
from avbench.preprocessing.base.escape import markdown_code, markdown_text
from avbench.preprocessing.format.card import HUB_LICENCES

MODEL_CARD_NAME = "MODEL_CARD.md"

_HUB_LICENCES = {**HUB_LICENCES, WEIGHTS_LICENCE: HUB_LICENCES["CC-BY-NC-SA-4.0"]}
_ENTRIES = {entry.name: entry for entry in LEARNED}
_TAGS = ("camera-pose", "relative-pose", "spatial-audio", "audio-visual")
_PAPER = (
    "Adebi, Majumder, Grauman: Audio-visual camera pose estimation with passive scene sounds and in-the-wild video. "
    "arXiv 2512.12165, 2025."
)


@dataclass(frozen=True)
class TrainingRun:
    """How the weights of one bundle came about, as far as the bundle's description does not say it.

    Attributes:
        command: What was typed, without paths; empty where the training was not started from the command line.
        stages: The stages whose weights are in the bundle, by name.
        device: What the run computed on.
        processes: Number of processes that trained together.
        threads: Threads of each.
        packages: Versions by package.
    """

    command: tuple[str, ...]
    stages: Mapping[str, StageResult]
    device: str
    processes: int
    threads: int
    packages: Mapping[str, str]


def write_model_card(folder: Path, run: TrainingRun) -> None:
    """Write the card of a bundle beside it.

    Raises:
        InputError: There is no bundle.
        AvbenchError: The card cannot be written.
    """
    content = describe_bundle(folder).content
    files = [part["weights"] for part in _parts(content).values() if "weights" in part]
    card = render_model_card(content, {file: (folder / file).stat().st_size for file in files}, run)
    write_text(folder / MODEL_CARD_NAME, card)


def render_model_card(content: Mapping[str, Any], file_bytes: Mapping[str, int], run: TrainingRun) -> str:
    """Write the card of a bundle that `avbench train` wrote.

    Args:
        content: The bundle's description, as `describe_bundle` reads it.
        file_bytes: Size of each weights file that it names.
        run: How it was trained.
    """
    facts = content["facts"]
    entries = _entries_of(content)
    sections = [
        *_yaml_head(facts),
        f"# {', '.join(entry.name for entry in entries) or 'Parts of models'}",
        _OPENING,
        *([_CONTROL] if facts["control"] else []),
        _origin(facts),
        "## Models",
        _model_table(content, entries, file_bytes),
        _part_table(content, file_bytes),
        _inputs_and_outputs(content),
        "## Data",
        *_data(facts),
        "## Training",
        *_training(facts, run),
        "## Figures on the validation split",
        markdown_table(STAGE_HEADERS, stage_rows(run.stages)),
        _FIGURES_ARE_CHOSEN,
        "## Use",
        *_use(entries),
        "## Limits",
        "\n".join(f"- {line}" for line in _limits(facts, entries)),
        "## Licence",
        f"{facts['licence']}. The data are under {' and '.join(facts['data_licences'])}.",
        "## Citation",
        "\n".join(f"- {line}" for line in _citations(entries, run.packages)),
    ]
    return "\n\n".join(sections) + "\n"


_OPENING = (
    "How a camera moved between two frames of one video: its rotation and its translation, with a confidence. Trained "
    "by `avbench train`."
)
_FIGURES_ARE_CHOSEN = (
    "Each stage keeps the epoch that does best on the validation split, so these figures are better than those of a "
    "test. They are of one seed; `avbench evaluate` on a test split gives scores with intervals."
)
_USE = (
    "For research on relative camera pose from pictures and sound: a baseline to compare with and a start for training "
    "on other recordings. In the folder of this card:"
)
_SIMULATED_ONLY = (
    "Trained on simulated rooms: not validated on real recordings. Real rooms, cameras and microphones differ from "
    "simulated ones; expect larger errors there."
)
_CONTROL = (
    "**A control, not a model to use.** Its heads were always given the sound of another pair: it shows what is gained "
    "without listening."
)


def _entries_of(content: Mapping[str, Any]) -> list[ModelEntry]:
    """The models that the bundle answers for, in the order of the registry."""
    kind = content["backbone"]["kind"]
    suffix = "" if kind == "tiny" else f":{kind}"
    names = {f"{head}{suffix}" for head in content["heads"]}
    if "sound" in content:
        names.add("audio")
    if suffix and "config" in content["backbone"]:
        names.add(f"vision{suffix}")  # without a head it gives its own pose
    return [entry for name, entry in _ENTRIES.items() if name in names]


def _yaml_head(facts: Mapping[str, Any]) -> list[str]:
    # JSON strings are YAML strings, whatever is in them.
    known = _HUB_LICENCES.get(facts["licence"])
    lines = ["---", f"license: {known or 'other'}"]
    if known is None:
        lines.append(f"license_name: {json.dumps(facts['licence'], ensure_ascii=False)}")
    tags = [*_TAGS, *(["simulated-training-data"] if _simulated(facts) else [])]
    lines += ["library_name: avbench", "tags:", *(f"- {tag}" for tag in tags), "---"]
    return ["\n".join(lines)]


def _simulated(facts: Mapping[str, Any]) -> int:
    """Number of simulated training pairs."""
    return sum(pairs for part, pairs in facts["simulated_pairs"].items() if part != "validation")


def _origin(facts: Mapping[str, Any]) -> str:
    simulated, pairs = _simulated(facts), sum(n for part, n in facts["pairs"].items() if part != "validation")
    if simulated == 0:
        return "No training pair is simulated."
    share = "All" if simulated == pairs else f"{simulated:,} of {pairs:,}"
    unseen = "" if _validated_on_real(facts) else " Nothing here was validated on real recordings."
    return f"**{share} training pairs are simulated.**{unseen}"


def _validated_on_real(facts: Mapping[str, Any]) -> bool:
    """Whether at least one validation pair was recorded in the real world."""
    return bool(facts["simulated_pairs"]["validation"] < facts["pairs"]["validation"])


def _parts(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What the description says of each part, by the names that parameters are counted under."""
    named = {"backbone": content["backbone"], "binaural": content.get("binaural"), "sound": content.get("sound")}
    found = {name: part for name, part in {**named, **content["heads"]}.items() if part is not None}
    return {name: part for name, part in found.items() if "sha256" in part}


def _bytes_of(part: Mapping[str, Any], file_bytes: Mapping[str, int]) -> int:
    """Bytes in the bundle; a published backbone has none there."""
    return file_bytes[part["weights"]] if "weights" in part else 0


def _model_table(content: Mapping[str, Any], entries: list[ModelEntry], file_bytes: Mapping[str, int]) -> str:
    parts, counts = _parts(content), content["parameters"]
    rows = []
    for entry in entries:
        used = [part for part in PARTS_OF_MODEL[_plain(entry)] if part in parts]
        parameters, size = sum(counts[part] for part in used), sum(_bytes_of(parts[part], file_bytes) for part in used)
        rows.append([f"`{entry.name}`", markdown_text(entry.description), f"{parameters:,}", f"{size:,}"])
    return markdown_rows(("model", "what it looks at", "parameters", "bytes"), rows)


def _code(text: str) -> str:
    """A code span in a cell, in which a pipe would begin the next one."""
    return markdown_code(text).replace("|", "\\|")


def _part_table(content: Mapping[str, Any], file_bytes: Mapping[str, int]) -> str:
    rows = []
    for name, part in _parts(content).items():
        title = f"head {name}" if name in content["heads"] else name
        if "weights" in part:
            file, size = _code(part["weights"]), f"{file_bytes[part['weights']]:,}"
        else:
            file, size = f"your own: {_code(PurePath(part['checkpoint']).name)}", "-"
        rows.append([markdown_text(title), file, f"`{part['sha256'][:12]}`", f"{content['parameters'][name]:,}", size])
    total = sum(_bytes_of(part, file_bytes) for part in _parts(content).values())
    rows.append(["all", "", "", f"{sum(content['parameters'].values()):,}", f"{total:,}"])
    return markdown_rows(("part", "file", "SHA-256", "parameters", "bytes"), rows)


def _inputs_and_outputs(content: Mapping[str, Any]) -> str:
    up = "Up vectors are used where they are known." if content["uses_up"] else "Up vectors are not used."
    length = "in metres" if content["metric"] else "a direction without length"
    return (
        "A pose is `T_a_b`, which maps points of camera b into camera a (OpenCV axes: x right, y down, z forward); its "
        f"translation is {length}. {up}"
    )


def _data(facts: Mapping[str, Any]) -> list[str]:
    rows = [
        [part, *(f"{facts[figure][part]:,}" for figure in ("pairs", "groups", "simulated_pairs"))]
        for part in facts["pairs"]
    ]
    sources, licences = " and ".join(facts["data_sources"]), " and ".join(facts["data_licences"])
    return [
        f"`{facts['data_name']}`, fingerprint `{facts['data']}`, read as {sources}, licence {licences}.",
        markdown_table(("used for", "pairs", "groups", "simulated"), rows),
        "A group (place, take or wearer) is in one of these rows only.",
        *([_taken_backbone(facts["taken_backbone"])] if facts["taken_backbone"] else []),
    ]


def _taken_backbone(taken: Mapping[str, Any]) -> str:
    rotation_deg = taken["validation"].get("clean_rotation_mean_deg")
    reached = "" if rotation_deg is None else f" Its mean rotation error on validation was {rotation_deg:.2f} degrees."
    return (
        f"The visual backbone was not trained here but taken from another bundle as it is: weights "
        f"`{taken['sha256'][:12]}`, trained on {taken['pairs']:,} pairs ({taken['simulated_pairs']:,} of them "
        f"simulated) of data `{taken['data']}`.{reached}"
    )


def _training(facts: Mapping[str, Any], run: TrainingRun) -> list[str]:
    text = [f"    {shlex.join(run.command)}" if run.command else "It was not started from the command line."]
    head_seed = "" if facts["head_seed"] is None else f", of the heads {facts['head_seed']}"
    text.append(f"Seed of the encoders: {facts['config']['seed']}{head_seed}. {_DETERMINED}")
    settings = _changed_settings(facts["config"])
    if settings:
        text += ["Settings other than those of the preset `standard`, as `--config` takes them:", settings]
    processes = f"{run.processes} processes on " if run.processes > 1 else ""
    seconds = sum(stage_seconds(stage) for stage in run.stages.values())
    versions = ", ".join(f"{name} {version}" for name, version in run.packages.items())
    text.append(
        f"Compute: {seconds:.0f} s of wall-clock time for the stages below, {processes}{run.device}, {run.threads} "
        f"thread{'' if run.threads == 1 else 's'}; computing features is not counted, and a stage that was found "
        f"finished counts the time of the run that trained it. Versions: {versions}."
    )
    return text


_DETERMINED = "Data, settings and seeds determine the weights on one machine; all settings are in `bundle.json`."


def _changed_settings(config: Mapping[str, Any]) -> str:
    """Settings that differ from the standard ones, as a block of TOML; empty where none does."""
    standard = json.loads(json.dumps(flat_settings(asdict(STANDARD))))
    changed = {name: value for name, value in flat_settings(config).items() if value != standard.get(name)}
    # Numbers, texts, booleans and lists of JSON are those of TOML.
    lines = [f"{name} = {json.dumps(value)}" for name, value in changed.items()]
    return "\n".join(["```toml", *lines, "```"]) if lines else ""


def _use(entries: list[ModelEntry]) -> list[str]:
    if not entries:
        return ["Nothing here answers by itself: the heads of this run are in the folders inside this one."]
    main = max(entries, key=lambda entry: (len(entry.modalities), _plain(entry) == "fusion"))
    arguments = ", ".join([*(json.dumps(value) for _, value in main.options), 'weights=Path(".")'])
    return [
        _USE,
        f"    avbench evaluate path/to/data --model {main.name} --weights .",
        "\n".join(
            [
                "```python",
                "from pathlib import Path",
                "from avbench.benchmark.models.learned.model import LearnedModel",
                "",
                f"model = LearnedModel({arguments})",
                "# poses = model.predict(pairs), with pairs from open_dataset(folder).inputs(split)",
                "```",
            ]
        ),
    ]


def _limits(facts: Mapping[str, Any], entries: list[ModelEntry]) -> list[str]:
    others = "Not validated on recordings other than those of this data set."
    lines = [others if _validated_on_real(facts) else _SIMULATED_ONLY]
    if any(Modality.AUDIO in entry.modalities for entry in entries):
        lines.append(
            "With two channels, or without the positions of the microphones, sound tells little or nothing of "
            "directions. Where pictures show nothing, a wrong but plausible sound cannot be distinguished from the "
            "right one."
        )
    if any(Modality.VISION in entry.modalities for entry in entries):
        lines.append("Pictures are cut to the network's aspect and shrunk; the far sides of wide ones are not seen.")
    lines.append("Not for navigation, and for nothing on which somebody's safety depends.")
    return lines


def _citations(entries: list[ModelEntry], packages: Mapping[str, str]) -> list[str]:
    version = f", version {packages['avbench']}" if "avbench" in packages else ""
    own = f"The avbench developers: avbench, benchmark and dataset preparation for audio-visual camera pose{version}."
    cited = {text for entry in entries for text in entry.citation.split("; ") if text and text not in _PAPER}
    return [own, _PAPER, *sorted(cited)]


def _plain(entry: ModelEntry) -> str:
    """Name of a model without its backbone."""
    return entry.name.partition(":")[0]
