"""The card and the data set as the Hugging Face library sees them, without a network."""

from __future__ import annotations

import html
import io
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from markdown_it import MarkdownIt

from avbench.preprocessing.format.card import render_card
from avbench.preprocessing.format.manifest import Manifest, PreparedRecording
from avbench.preprocessing.format.schema import COLUMNS, huggingface_features
from avbench.preprocessing.format.shards import (
    Span,
    dataset_shards,
    iter_rows,
    payload_bytes,
    row_digest,
    rows_digest,
    write_rows,
)
from avbench.preprocessing.prepare.assembly import Contents, PackSettings, assemble
from avbench.preprocessing.prepare.recording_part import PrepareSettings
from sample_rows import place_of, sample_row


def build(out: Path, splits: dict[str, str], *, rows: int = 3, **facts: Any) -> Manifest:
    """A data set of hand-made rows, packed in earnest."""
    prepared, spans = [], {}
    for name in sorted(splits):
        listed = [sample_row(name, number, sound=number != 1) for number in range(rows)]
        write_rows(out.parent / "parts" / f"{name}.parquet", listed)
        spans[name] = [Span(out.parent / "parts" / f"{name}.parquet", 0, rows)]
        made = PreparedRecording(
            recording_id=name,
            fingerprint="f",
            rows=rows,
            rows_sha256=rows_digest(row_digest(row) for row in listed),
            payload_bytes=sum(payload_bytes(row) for row in listed),
            group_id=place_of(name),
            asked_split=None,
            source="memory",
            licence="CC0-1.0",
            pose_source="measured",
            scale="metric",
            sound="3 channels, 8000 Hz, int16",
            candidates={"in_gap": rows, "chosen": rows},
            notes=(),
        )
        prepared.append(replace(made, **{key: value[name] for key, value in facts.items() if name in value}))
    contents = Contents(PrepareSettings(), PackSettings(shard_bytes=4000), prepared, spans, splits, [])
    return assemble(out, contents, lambda text: None)


def head_of(card: str) -> dict[str, Any]:
    head = card.split("---\n")[1]
    document = yaml.safe_load(head)
    assert isinstance(document, dict)
    return document


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def test_the_hugging_face_library_loads_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "walks"
    manifest = build(out, {"a": "train", "b": "test", "c": "train"})
    assert len(manifest.shards) > 2
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {name: split.num_rows for name, split in loaded.items()} == {"train": 6, "test": 3}
    for name, split in loaded.items():
        assert split.features == datasets.Features.from_dict(huggingface_features())
        ours = list(iter_rows(dataset_shards(out, name)))
        undecoded = split.cast_column("image_a", datasets.Image(decode=False)).cast_column(
            "image_b", datasets.Image(decode=False)
        )
        assert list(undecoded) == ours  # every cell, bytes of sound and pictures included
        picture = split[0]["image_a"]
        assert (picture.width, picture.height) == (16, 12)
        assert isinstance(split[0]["audio_a"]["bytes"], bytes)


def test_what_loading_needs_comes_with_the_package() -> None:
    """The library decodes pictures with Pillow and does not install it by itself."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=!~ \[]", requirement)[0].lower() for requirement in project["dependencies"]}
    assert {"datasets", "pillow"} <= names


def test_sound_read_through_the_library_keeps_every_channel(tmp_path: Path) -> None:
    import soundfile

    out = tmp_path / "walks"
    build(out, {"a": "train"})
    loaded = datasets.load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
    samples, rate = soundfile.read(io.BytesIO(loaded[0]["audio_a"]["bytes"]), dtype="int16")
    assert rate == 8000
    assert samples.shape == (80, 3)
    assert loaded[1]["audio_a"] is None


def test_the_card_names_splits_licence_and_columns(tmp_path: Path) -> None:
    out = tmp_path / "walks"
    manifest = build(out, {"a": "train", "b": "test"})
    card = (out / "README.md").read_text(encoding="utf-8")
    assert card == render_card(manifest, "walks")
    head = head_of(card)
    assert head["pretty_name"] == "walks"
    assert head["license"] == "cc0-1.0"
    assert head["size_categories"] == ["n<1K"]
    assert head["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "test", "path": "data/test-*.parquet"},
                {"split": "train", "path": "data/train-*.parquet"},
            ],
        }
    ]
    for column in COLUMNS:
        assert f"| {column.name} |" in card
    assert manifest.dataset_fingerprint in card
    assert "All pairs come from recordings of the real world." in card


def test_a_place_in_two_splits_is_never_published(tmp_path: Path) -> None:
    assert place_of("a") == place_of("c")
    with pytest.raises(RuntimeError, match=f"group {place_of('a')} is in test and in train"):
        build(tmp_path / "walks", {"a": "train", "b": "train", "c": "test"})
    assert not (tmp_path / "walks" / "data").exists()


def test_what_is_simulated_is_called_simulated(tmp_path: Path) -> None:
    mixed = build(tmp_path / "mixed", {"a": "train", "b": "test"}, pose_source={"a": "simulated"})
    assert "**3 of 6 pairs are simulated**" in render_card(mixed, "x")
    whole = build(tmp_path / "whole", {"a": "train"}, pose_source={"a": "simulated"})
    assert "**All pairs are simulated.**" in render_card(whole, "x")


def test_licences_the_hub_does_not_know_are_named(tmp_path: Path) -> None:
    manifest = build(tmp_path / "x", {"a": "train", "b": "train"}, licence={"a": 'ours: "quoted"', "b": "MIT"})
    head = head_of(render_card(manifest, "tricky: # title"))
    assert head["license"] == "other"
    assert head["license_name"] == 'MIT and ours: "quoted"'
    assert head["pretty_name"] == "tricky: # title"


def test_what_people_write_is_text_on_the_card(tmp_path: Path) -> None:
    hostile = "a | b `c` <script>alert(1)</script> [x](javascript:alert(1))\n# more"
    manifest = build(tmp_path / "x", {"a": "train"}, licence={"a": hostile})
    card = render_card(manifest, hostile)
    head = head_of(card)
    assert head["pretty_name"] == hostile
    assert head["license_name"] == hostile
    rendered = MarkdownIt("gfm-like", {"linkify": False}).render(card.split("---", 2)[2])
    assert "<script" not in rendered
    assert "<a " not in rendered
    assert html.unescape(rendered).count("a | b `c` <script>alert(1)</script> [x](javascript:alert(1)) # more") >= 3
    assert re.search(r"<h1>a \| b `c`", rendered)
