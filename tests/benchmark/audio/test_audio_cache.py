from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import numpy as np
import pytest

from audio_scenes import ARIA_MICS_M, clip_of, plane_wave
from avbench.benchmark.audio import cache as cache_module
from avbench.benchmark.audio.cache import FeatureCache, cached_direction_spectrum, sound_key
from avbench.benchmark.audio.features import DirectionSettings, DirectionSpectrum, direction_spectrum
from avbench.benchmark.audio.grid import DirectionGrid
from avbench.benchmark.data.pair import PairInput, SoundClip
from avbench.preprocessing.recording.recording import AmbisonicConvention, ArrayKind

UP = np.array([0.0, -1.0, 0.0])
SMALL = DirectionSettings(DirectionGrid(36, (0.0,)))


@pytest.fixture(scope="module")
def clip() -> SoundClip:
    return clip_of(plane_wave([1.0, 0.0, 1.0], ARIA_MICS_M, duration_s=0.2), 16000, ARIA_MICS_M)


def assert_equal(a: DirectionSpectrum, b: DirectionSpectrum) -> None:
    for field in dataclasses.fields(DirectionSpectrum):
        one, other = getattr(a, field.name), getattr(b, field.name)
        if field.name == "report":
            np.testing.assert_array_equal(one.level_dbfs, other.level_dbfs)
            assert one.faults == other.faults
        elif isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
        else:
            assert one == other, field.name


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
    for function in (sound_key, cached_direction_spectrum, direction_spectrum):
        hints = str(inspect.signature(function))
        assert "PairInput" not in hints
        assert "image" not in hints
    assert not any(value is PairInput for value in vars(cache_module).values())


@pytest.mark.parametrize("which", ["spectrum", "lag", "none"])
def test_a_spectrum_comes_back_whole(clip: SoundClip, tmp_path: Path, which: str) -> None:
    subject = {
        "spectrum": clip,
        "lag": clip_of(clip.samples[:, [0, 3]], 16000, None, ArrayKind.BINAURAL),
        "none": clip_of(clip.samples * 0.0, 16000, ARIA_MICS_M),
    }[which]
    store = FeatureCache(tmp_path)
    expected = direction_spectrum(subject, UP, SMALL)
    assert_equal(cached_direction_spectrum(store, subject, UP, SMALL), expected)
    assert_equal(cached_direction_spectrum(store, subject, UP, SMALL), expected)
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 1


def test_the_second_time_nothing_is_computed(clip: SoundClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FeatureCache(tmp_path)
    first = cached_direction_spectrum(store, clip, UP, SMALL)

    def refuse(*_: object) -> DirectionSpectrum:
        raise AssertionError("computed again")

    monkeypatch.setattr(cache_module, "direction_spectrum", refuse)
    assert_equal(cached_direction_spectrum(store, clip, UP, SMALL), first)
    with pytest.raises(AssertionError, match="computed again"):
        cached_direction_spectrum(store, clip, None, SMALL)


@pytest.mark.parametrize("damage", ["empty", "cut", "bit", "text", "folder"])
def test_damaged_files_are_computed_again(clip: SoundClip, tmp_path: Path, damage: str) -> None:
    store = FeatureCache(tmp_path)
    expected = cached_direction_spectrum(store, clip, UP, SMALL)
    (file,) = [p for p in tmp_path.rglob("*") if p.is_file()]
    content = file.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    if damage == "folder":
        other = FeatureCache(tmp_path / "not" / "there")
        assert_equal(cached_direction_spectrum(other, clip, UP, SMALL), expected)
        return
    file.write_bytes({"empty": b"", "cut": content[:-20], "bit": bytes(flipped), "text": b"hello"}[damage])
    assert_equal(cached_direction_spectrum(store, clip, UP, SMALL), expected)
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


def test_no_sound_needs_no_cache(tmp_path: Path) -> None:
    assert cached_direction_spectrum(FeatureCache(tmp_path), None, UP).reason is not None
    assert not list(tmp_path.iterdir())
