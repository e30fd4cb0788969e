"""Training pairs without files: the rows that `prepare` makes from the files of the same recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avbench.preprocessing.base.geometry import invert_transform, relative_pose
from avbench.preprocessing.format.picture import PictureFormat, decode_picture
from avbench.preprocessing.format.schema import COLUMNS, table_from_rows
from avbench.preprocessing.format.sound_clip import decode_clip
from avbench.preprocessing.rows.choose import PairSettings, choose_pairs
from avbench.preprocessing.rows.make import RowSettings, moments_of, pair_rows, poses_of_frames
from avbench.preprocessing.simulate.pair_generator import pairs_of_room
from avbench.preprocessing.simulate.scene.world import RecordingSettings, make_world
from avbench.preprocessing.simulate.sound.world_sound import SimulatedSound
from avbench.preprocessing.simulate.write import write_recording
from avbench.preprocessing.sources.folder.files import find
from avbench.preprocessing.sources.folder.layout import open_ref

SETTINGS = RecordingSettings(0, "train", 3, duration_s=3.0, width_px=128, height_px=96)
CHOICE = PairSettings(pairs=6, min_gap_s=0.5)


def test_rows_are_those_of_the_files(tmp_path: Path) -> None:
    rows = RowSettings()
    write_recording(tmp_path, SETTINGS)
    recording = open_ref(find(tmp_path)[0])
    poses = poses_of_frames(recording, rows)
    indices = choose_pairs(moments_of(recording, poses, rows), CHOICE, SETTINGS.name).indices
    from_files = list(pair_rows(recording, poses, indices, rows))
    generated = [pair.row for pair in pairs_of_room(SETTINGS, CHOICE, rows)]
    assert len(generated) == 6
    media = {"image_a", "image_b", "sharpness_a", "sharpness_b", "brightness_a", "brightness_b"}
    for ours, theirs in zip(generated, from_files, strict=True):
        assert decode_clip(ours["audio_a"]["bytes"], "a").samples.shape == (16000, 7)
        for column in COLUMNS:
            if column.name in ("split", "source") or column.name in media:
                continue
            if isinstance(theirs[column.name], (float, list)):
                np.testing.assert_allclose(ours[column.name], theirs[column.name], atol=1e-5, err_msg=column.name)
            else:
                assert ours[column.name] == theirs[column.name], column.name
        pictures = [decode_picture(row["image_b"]["bytes"], "b").astype(float) for row in (ours, theirs)]
        assert np.abs(pictures[0] - pictures[1]).mean() < 6.0
        assert ours["brightness_a"] == pytest.approx(theirs["brightness_a"], abs=3.0)


def test_rows_fit_the_schema() -> None:
    pairs = list(pairs_of_room(SETTINGS, PairSettings(pairs=2, min_gap_s=0.5), RowSettings()))
    table = table_from_rows([pair.row for pair in pairs])
    assert table.num_rows == 2
    assert set(table["split"].to_pylist()) == {"train"}


def test_side_outputs_are_what_the_row_holds() -> None:
    rows = RowSettings(picture=PictureFormat.PNG)
    for pair in pairs_of_room(SETTINGS, PairSettings(pairs=2, min_gap_s=0.5), rows, depth=True):
        for image, clip, side in ((pair.image_a, pair.clip_a, "a"), (pair.image_b, pair.clip_b, "b")):
            np.testing.assert_array_equal(decode_picture(pair.row[f"image_{side}"]["bytes"], side), image)
            np.testing.assert_array_equal(decode_clip(pair.row[f"audio_{side}"]["bytes"], side).samples, clip)
        assert pair.depth_a is not None
        assert pair.depth_b is not None
        assert pair.depth_a.shape == pair.depth_b.shape == (96, 128)
        np.testing.assert_allclose(np.linalg.norm(pair.up_a), 1.0)


def test_depth_and_label_agree() -> None:
    """Points seen by a, moved by the label into b, lie on what b sees, where nothing stands between."""
    for pair in pairs_of_room(SETTINGS, CHOICE, RowSettings(), depth=True):
        row = pair.row
        if row["view_overlap"] < 0.5:
            continue
        assert pair.depth_a is not None
        assert pair.depth_b is not None
        T_a_b = np.eye(4)
        T_a_b[:3, :3], T_a_b[:3, 3] = pair.rotation_a_b, pair.translation_a_b_m
        v, u = np.mgrid[4:96:8, 4:128:8].reshape(2, -1)
        rays = np.stack(
            [(u - row["cx_px"]) / row["fx_px"], (v - row["cy_px"]) / row["fy_px"], np.ones(len(u))], axis=-1
        )
        T_b_a = invert_transform(T_a_b)
        points = rays * pair.depth_a[v, u, None] @ T_b_a[:3, :3].T + T_b_a[:3, 3]
        z = points[:, 2]
        column = np.rint(row["fx_px"] * points[:, 0] / z + row["cx_px"])
        line = np.rint(row["fy_px"] * points[:, 1] / z + row["cy_px"])
        inside = (z > 0.1) & (column >= 0) & (column < 128) & (line >= 0) & (line < 96)
        seen = pair.depth_b[line[inside].astype(int), column[inside].astype(int)]
        agrees = np.abs(seen - z[inside]) < 0.05 * z[inside]
        assert inside.sum() > 20
        assert agrees.mean() > 0.75


def test_labels_are_those_of_the_motion() -> None:
    world = make_world(SETTINGS)
    for pair in pairs_of_room(SETTINGS, CHOICE, RowSettings()):
        poses = world.motion.poses(np.array([pair.row["time_a_ns"], pair.row["time_b_ns"]]) / 1e9)
        expected = relative_pose(poses[0], poses[1])
        np.testing.assert_allclose(pair.rotation_a_b, expected[:3, :3], atol=1e-9)
        np.testing.assert_allclose(pair.translation_a_b_m, expected[:3, 3], atol=1e-9)


def test_few_pairs_compute_little_sound() -> None:
    """One pair of a long recording: two stretches, and nothing outside them can be read."""
    world = make_world(SETTINGS)
    sound = SimulatedSound(world, np.array([[30000, 34000], [-500, 4000], [3000, 6000]]))
    assert sound.read(0, 6000).shape == (6000, 7)
    np.testing.assert_array_equal(sound.read(100, 200), sound.read(0, 6000)[100:200])
    with pytest.raises(ValueError, match="not announced"):
        sound.read(5000, 7000)


def test_pictures_that_would_be_shrunk_are_refused() -> None:
    with pytest.raises(ValueError, match="draw them smaller"):
        next(pairs_of_room(SETTINGS, CHOICE, RowSettings(size_px=64)))
