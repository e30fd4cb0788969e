from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import numpy as np
import pytest

from audio_scenes import ARIA_MICS_M, clip_of, plane_wave
from avbench.benchmark.audio import cache as cache_module
from avbench.benchmark.audio.cache import FeatureCache, sound_key
from avbench.benchmark.audio.features import DirectionSettings, direction_spectrum
from avbench.benchmark.audio.grid import DirectionGrid
from avbench.benchmark.data.pair import PairInput, SoundClip
from avbench.preprocessing.recording.recording import AmbisonicConvention, ArrayKind

UP = np.array([0.0, -1.0, 0.0])
SMALL = DirectionSettings(DirectionGrid(36, (0.0,)))


@pytest.fixture(scope="module")
def clip() -> SoundClip:
    return clip_of(plane_wave([1.0, 0.0, 1.0], ARIA_MICS_M, duration_s=0.2), 16000, ARIA_MICS_M)


def variants(clip: SoundClip) -> dict[str, SoundClip]:
    one_bit = clip.samples.copy()
    one_bit[100, 3] = np.nextafter(one_bit[100, 3], np.float32(1.0))
    moved = np.array(clip.mic_positions_m)
    moved[0, 0] += 1e-9
    return {
        "sample": dataclasses.replace(clip, samples=one_bit),
        "order": dataclasses.replace(clip, samples=clip.samples[:, ::-1].copy()),
        "rate": dataclasses.replace(clip, sample_rate_hz=16001),
        "padding": dataclasses.replace(clip, valid_start=1),
        "convention": dataclasses.replace(clip, ambisonic_convention=AmbisonicConvention.FUMA),
        "kind": dataclasses.replace(clip, array_kind=ArrayKind.STEREO),
        "position": dataclasses.replace(clip, mic_positions_m=moved),
        "no positions": dataclasses.replace(clip, mic_positions_m=None),
    }


def test_everything_that_matters_is_in_the_key(clip: SoundClip) -> None:
    parameters = dataclasses.asdict(SMALL)
    keys = {"base": sound_key(clip, UP, parameters, 1)}
    assert keys["base"] == sound_key(dataclasses.replace(clip, samples=clip.samples.copy()), UP.copy(), parameters, 1)
    keys |= {name: sound_key(other, UP, parameters, 1) for name, other in variants(clip).items()}
    keys["up"] = sound_key(clip, np.array([0.0, -1.0, 1e-9]), parameters, 1)
    keys["no up"] = sound_key(clip, None, parameters, 1)
    keys["settings"] = sound_key(clip, UP, dataclasses.asdict(dataclasses.replace(SMALL, frame_s=0.05)), 1)
    keys["version"] = sound_key(clip, UP, parameters, 2)
    assert len(set(keys.values())) == len(keys)


def test_no_picture_can_enter() -> None:
    """Neither the cache nor the features take anything that holds a picture."""
    for function in (sound_key, direction_spectrum):
        hints = str(inspect.signature(function))
        assert "PairInput" not in hints
        assert "image" not in hints
    assert not any(value is PairInput for value in vars(cache_module).values())


def entry() -> dict[str, np.ndarray]:
    return {"maps": np.arange(6, dtype=np.float32).reshape(2, 3), "peak": np.array(0.5), "name": np.array("srp")}


def assert_entry(found: dict[str, np.ndarray]) -> None:
    assert found.keys() == entry().keys()
    for name, expected in entry().items():
        np.testing.assert_array_equal(found[name], expected)
        assert found[name].dtype == expected.dtype


def test_the_second_time_nothing_is_computed(tmp_path: Path) -> None:
    store = FeatureCache(tmp_path)
    assert_entry(store.fetch("ab12", entry))

    def refuse() -> dict[str, np.ndarray]:
        raise AssertionError("computed again")

    assert_entry(store.fetch("ab12", refuse))
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 1
    with pytest.raises(AssertionError, match="computed again"):
        store.fetch("ab13", refuse)


@pytest.mark.parametrize("damage", ["empty", "cut", "bit", "text"])
def test_damaged_files_are_computed_again(tmp_path: Path, damage: str) -> None:
    store = FeatureCache(tmp_path)
    store.keep("ab12", entry())
    file = store.path("ab12")
    content = file.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    file.write_bytes({"empty": b"", "cut": content[:-20], "bit": bytes(flipped), "text": b"hello"}[damage])
    assert store.read("ab12") is None
    assert_entry(store.fetch("ab12", entry))
    assert file.read_bytes() == content


def test_a_whole_file_that_holds_no_arrays_is_computed_again(tmp_path: Path) -> None:
    import hashlib

    store = FeatureCache(tmp_path)
    path = store.path("ab12")
    path.parent.mkdir(parents=True)
    path.write_bytes(hashlib.sha256(b"no npz").digest() + b"no npz")
    assert store.fetch("ab12", lambda: {"x": np.arange(3)})["x"].tolist() == [0, 1, 2]


def test_nothing_is_kept_of_a_failed_computation(tmp_path: Path) -> None:
    store = FeatureCache(tmp_path)

    def fail() -> dict[str, np.ndarray]:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        store.fetch("cd34", fail)
    assert not list(tmp_path.rglob("*.features*"))
