"""The Hugging Face card of a suite that was written out: `README.md` with the YAML head that names the splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from avbench.preprocessing.base.escape import markdown_code, markdown_text, yaml_text
from avbench.preprocessing.format.card import HUB_LICENCES, SIMULATED
from avbench.preprocessing.format.shards import DATA_FOLDER

ORIGIN_COLUMNS = ("licence", "source", "pose_source")
"""Columns of the source that the card tells of."""


def render_corrupted_card(title: str, manifest: Mapping[str, Any], origin: pa.Table) -> str:
    """Write the card.

    Args:
        title: Name of the data set.
        manifest: Its manifest.
        origin: `ORIGIN_COLUMNS` of all pairs of the source.
    """
    licences, sources, poses = (sorted(set(origin.column(name).to_pylist())) for name in ORIGIN_COLUMNS)
    simulated = origin.column("pose_source").to_pylist().count(SIMULATED)
    described = (
        f"The split {markdown_code(manifest['source_split'])} of a data set of frame pairs, once for each condition of "
        f"the suite {markdown_code(manifest['suite'])}, made by `avbench corrupt`. The corruptions of the pictures are "
        "computed, not filmed; sound, labels and everything else are those of the source."
    )
    came = (
        f"{simulated} of {origin.num_rows} pairs are simulated. Licence: {markdown_text(' and '.join(licences))}; "
        f"source: {markdown_text(', '.join(sources))}; poses: {markdown_text(', '.join(poses))}."
    )
    fingerprints = (
        f"Source fingerprint `{manifest['source_fingerprint']}`, suite fingerprint `{manifest['suite_fingerprint']}`, "
        f"fingerprint of this data set `{manifest['dataset_fingerprint']}`. Pictures that a condition changes are "
        f"{manifest['picture'].upper()}; the others are the source's own bytes."
    )
    lines = [
        "---",
        *_yaml_head(title, licences, [entry["split"] for entry in manifest["splits"]]),
        "---",
        "",
        f"# {markdown_text(title)}",
        "",
        described,
        "",
        came,
        "",
        "All splits hold the same pairs: never train on one and test on another.",
        "",
        "| split | condition | pairs | MB |",
        "|---|---|---:|---:|",
        *(_split_row(entry) for entry in manifest["splits"]),
        "",
        fingerprints,
        "",
    ]
    return "\n".join(lines)


def _yaml_head(title: str, licences: list[str], splits: list[str]) -> list[str]:
    # JSON strings are YAML strings, whatever is in them.
    known = HUB_LICENCES.get(licences[0]) if len(licences) == 1 else None
    head = [f"pretty_name: {yaml_text(title)}", f"license: {known or 'other'}"]
    if known is None:
        head.append(f"license_name: {yaml_text(' and '.join(licences))}")
    head += ["tags:", "- camera-pose", "- spatial-audio", "- audio-visual"]
    head += ["configs:", "- config_name: default", "  data_files:"]
    for split in splits:
        head += [f"  - split: {split}", f"    path: {DATA_FOLDER}/{split}-*.parquet"]
    return head


def _split_row(entry: Mapping[str, Any]) -> str:
    megabytes = sum(shard["bytes"] for shard in entry["shards"]) / 1e6
    return f"| {entry['split']} | {entry['condition']} | {entry['pairs']} | {megabytes:.1f} |"
