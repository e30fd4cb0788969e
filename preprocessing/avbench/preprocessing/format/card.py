"""The Hugging Face card of a prepared data set: `README.md` with the YAML head that names splits and their files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from statistics import median

from avbench.preprocessing.base.escape import markdown_code, markdown_text, one_line, yaml_text
from avbench.preprocessing.format.manifest import Manifest, PackedRecording
from avbench.preprocessing.format.schema import COLUMNS, CONVENTIONS, SCHEMA_VERSION
from avbench.preprocessing.format.shards import DATA_FOLDER

HUB_LICENCES = {
    "Apache-2.0": "apache-2.0",
    "BSD-3-Clause": "bsd-3-clause",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "CC-BY-NC-SA-4.0": "cc-by-nc-sa-4.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0",
    "CC0-1.0": "cc0-1.0",
    "MIT": "mit",
}
"""SPDX identifiers and what the hub calls them; everything else is "other" there, with its name beside it."""

SIMULATED = "simulated"
"""The pose source of recordings that were never filmed."""

DERIVED = "derived"
"""Subject of the settings of a data set that was made from another one: `made_by`, a command, and a `statement`."""

_FINDINGS = {
    "right": "rotations and directions agree",
    "rotations_right": "rotations agree, directions cannot be compared",
    "other_reading": "another reading of the poses fits, this one does not",
    "unexplained": "they differ, and no usual mistake explains it",
    "too_little": "the pictures show too little",
    "off": "not compared",
}
"""The findings of the comparison of poses with pictures, in words."""

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))


def render_card(manifest: Manifest, title: str) -> str:
    """Write the card.

    Args:
        manifest: What the data set holds.
        title: Its name.
    """
    pairs = sum(recording.prepared.rows for recording in manifest.recordings)
    parts = (
        ["---", *_yaml_head(manifest, title, pairs), "---"],
        [f"# {markdown_text(title)}"],
        *_introduction(manifest, pairs),
        _splits(manifest),
        ["No group (place, take or wearer) is in two splits."],
        *_reading(title),
        ["## Where it comes from"],
        [
            "| source | poses | scale | sound | licence | recordings | pairs |",
            "|---|---|---|---|---|---:|---:|",
            *_origins(manifest.recordings),
        ],
        *_pose_checks(manifest.recordings),
        ["## Conventions"],
        [f"- {name}: {text}" for name, text in CONVENTIONS.items()],
        *_columns(),
        *_making(manifest),
    )
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _introduction(manifest: Manifest, pairs: int) -> list[list[str]]:
    derived = manifest.settings.get(DERIVED)
    made_by = "avbench prepare" if derived is None else derived["made_by"]
    what = (
        "Pairs of video frames, the sound around each, and the relative pose of the camera, made by "
        f"{markdown_code(made_by)}."
    )
    simulated = sum(r.prepared.rows for r in manifest.recordings if r.prepared.pose_source == SIMULATED)
    statement = [] if derived is None else [[f"**{markdown_text(derived['statement'])}**"]]
    return [[what], *statement, [_origin(pairs, simulated)]]


def _splits(manifest: Manifest) -> list[str]:
    return [
        "| split | pairs | recordings | groups | MB |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {markdown_text(name)} | {size['pairs']} | {size['recordings']} | {size['groups']} "
            f"| {size['bytes'] / 1e6:.1f} |"
            for name, size in manifest.splits().items()
        ),
    ]


def _reading(title: str) -> list[list[str]]:
    return [
        ["## Reading it"],
        [
            "```python",
            "from datasets import load_dataset",
            f"pairs = load_dataset({json.dumps(f'path/to/{one_line(title)}', ensure_ascii=False)})",
            "```",
        ],
        [
            (
                "Sound is delivered as bytes of FLAC or WAV: decode them with a library that keeps every channel "
                "(soundfile)."
            ),
            'The audio decoder of `datasets` averages the channels in `["array"]`, so it is switched off here.',
        ],
    ]


def _columns() -> list[list[str]]:
    return [
        ["## Columns"],
        ["Models may see columns of the role `input` only."],
        [
            "| column | type | role | unit | |",
            "|---|---|---|---|---|",
            *(f"| {c.name} | {_type(str(c.arrow_type))} | {c.role} | {c.unit} | {c.description} |" for c in COLUMNS),
        ],
    ]


def _making(manifest: Manifest) -> list[list[str]]:
    return [
        ["## How it was made"],
        [
            f"Schema version {SCHEMA_VERSION}, data set fingerprint `{manifest.dataset_fingerprint}`.",
            "`manifest.json` has the hash of every shard and says what became of every recording.",
        ],
        [
            "```json",
            json.dumps({**manifest.settings, "packing": manifest.packing}, indent=1, ensure_ascii=False),
            "```",
        ],
    ]


def _yaml_head(manifest: Manifest, title: str, pairs: int) -> list[str]:
    # JSON strings are YAML strings, whatever is in them.
    licences = sorted({recording.prepared.licence for recording in manifest.recordings})
    known = HUB_LICENCES.get(licences[0]) if len(licences) == 1 else None
    size = next((name for limit, name in _SIZES if pairs < limit), "n>10M")
    head = [f"pretty_name: {yaml_text(title)}", f"license: {known or 'other'}"]
    if known is None:
        head.append(f"license_name: {yaml_text(' and '.join(licences))}")
    head += ["tags:", "- camera-pose", "- spatial-audio", "- audio-visual", "size_categories:", f"- {size}"]
    head += ["configs:", "- config_name: default", "  data_files:"]
    for name in manifest.splits():
        head += [f"  - split: {name}", f"    path: {DATA_FOLDER}/{name}-*.parquet"]
    return head


def _origin(pairs: int, simulated: int) -> str:
    if simulated == 0:
        return "All pairs come from recordings of the real world."
    if simulated == pairs:
        return "**All pairs are simulated.**"
    return f"**{simulated} of {pairs} pairs are simulated**, the others come from recordings of the real world."


def _origins(recordings: Iterable[PackedRecording]) -> list[str]:
    count: Counter[tuple[str, ...]] = Counter()
    rows: Counter[tuple[str, ...]] = Counter()
    for recording in recordings:
        made = recording.prepared
        key = (made.source, made.pose_source, made.scale, made.sound, made.licence)
        count[key] += 1
        rows[key] += made.rows
    return [f"| {' | '.join(map(markdown_text, key))} | {count[key]} | {rows[key]} |" for key in sorted(count)]


def _pose_checks(recordings: Iterable[PackedRecording]) -> list[list[str]]:
    """Which recordings' pictures agree with their poses; nothing where no recording was asked."""
    checks = [one.prepared.pose_check for one in recordings if one.prepared.pose_check is not None]
    if not checks:
        return []
    count = Counter(check.finding for check in checks)
    residuals: dict[str, list[float]] = {}
    for check in checks:
        if check.rotation_residual_deg is not None:
            residuals.setdefault(check.finding, []).append(check.rotation_residual_deg)
    rows = [
        f"| {_FINDINGS.get(finding, markdown_text(finding))} | {count[finding]} | {_median(residuals.get(finding))} |"
        for finding in sorted(count)
    ]
    return [
        ["## Poses against pictures"],
        [
            "Some pairs of pictures of each recording were compared with its poses; `manifest.json` has the",
            "result of each under `pose_check`.",
        ],
        [
            "| what the pictures say | recordings | median angle between poses and pictures, degrees |",
            "|---|---:|---:|",
            *rows,
        ],
    ]


def _median(values: list[float] | None) -> str:
    return f"{median(values):.2f}" if values else ""


def _type(arrow_type: str) -> str:
    return (
        "bytes" if arrow_type.startswith("struct") else arrow_type.replace("child 0, ", "").replace("fixed_size_", "")
    )
