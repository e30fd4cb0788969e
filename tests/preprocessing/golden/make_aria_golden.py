"""Write `aria_golden.json`: what projectaria-tools reads from the recordings that the tests of the aria layout use.

projectaria-tools is Aria's own reader. It is large and not a dependency; to make the file anew, install it into an
environment of its own and run there:

    python make_aria_golden.py ../../../../shared/data aria_golden.json
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from projectaria_tools.core import calibration, data_provider, mps
from projectaria_tools.core.sensor_data import TimeDomain
from projectaria_tools.core.stream_id import StreamId

RGB, SOUND = StreamId("214-1"), StreamId("231-1")
MICROPHONES = [f"mic{i}" for i in range(7)]
SUBTYPES = {
    "gen1": ["DVT-S", "DVT-L", "EVT-S", "EVT-L"],
    "gen2": [f"{build}_{size}" for build in ("EVT", "DVT") for size in ("SS", "SL", "LS", "LL")],
}
SIZES = {"gen1": [(2880, 2880), (1408, 1408), (704, 704)], "gen2": [(4032, 3024), (2016, 1512), (2560, 1920)]}
CELLS = 8  # pictures are compared by their means over a grid of 8 x 8 cells


def cell_means(image: np.ndarray) -> list[Any]:
    height, width = image.shape[0] // CELLS * CELLS, image.shape[1] // CELLS * CELLS
    cells = image[:height, :width].reshape(CELLS, height // CELLS, CELLS, width // CELLS, 3)
    return cells.mean(axis=(1, 3)).round(3).tolist()


def recording(path: Path) -> dict[str, Any]:
    provider = data_provider.create_vrs_data_provider(str(path))
    device = provider.get_device_calibration()
    camera = device.get_camera_calib("camera-rgb")
    generator = np.random.default_rng(20)
    points = np.c_[generator.uniform(-0.8, 0.8, (20, 2)), np.ones(20)]
    images = [provider.get_image_data_by_index(RGB, i)[0].to_numpy_array() for i in range(provider.get_num_data(RGB))]
    golden = {
        "subtype": device.get_device_subtype(),
        "parameters": camera.get_projection_params().tolist(),
        "size_px": camera.get_image_size().tolist(),
        "T_device_camera": camera.get_transform_device_camera().to_matrix().tolist(),
        "frame_time_ns": provider.get_timestamps_ns(RGB, TimeDomain.DEVICE_TIME),
        "frame_sha256": [hashlib.sha256(image.tobytes()).hexdigest() for image in images],
        "frame_cell_means": [cell_means(image) for image in images],
        "points": points.tolist(),
        "pixels": [camera.project_no_checks(point).tolist() for point in points],
    }
    if provider.check_stream_is_active(SOUND):
        blocks = [provider.get_audio_data_by_index(SOUND, i) for i in range(provider.get_num_data(SOUND))]
        samples = np.concatenate([np.array(data.data).reshape(-1, 8) for data, _ in blocks])
        golden["sound_block_start_ns"] = [int(record.capture_timestamps_ns[0]) for _, record in blocks]
        golden["sound_samples"] = len(samples)
        golden["sound_part"] = {"start": 2000, "samples": samples[2000:2400:5].tolist()}
        golden["sound_rms"] = np.sqrt(np.mean(samples.astype(float) ** 2, axis=0)).tolist()
    labels = {provider.get_label_from_stream_id(stream): stream for stream in provider.get_all_streams()}
    if "vio_high_frequency" in labels:
        stream = labels["vio_high_frequency"]
        poses = [provider.get_vio_high_freq_data_by_index(stream, i) for i in (0, 100, 236)]
        golden["vio_index"] = [0, 100, 236]
        golden["vio_T_odometry_device"] = [pose.transform_odometry_device.to_matrix().tolist() for pose in poses]
        golden["vio_time_ns"] = [round(pose.tracking_timestamp.total_seconds() * 1e6) * 1000 for pose in poses]
    return golden


def cad(path: Path, subtypes: list[str], sizes: list[tuple[int, int]]) -> dict[str, Any]:
    """The CAD positions of all builds and the lens at all picture sizes, by editing the calibration of one device."""
    provider = data_provider.create_vrs_data_provider(str(path))
    text = dict(provider.get_file_tags())["calib_json"]
    microphones = {}
    for subtype in subtypes:
        data = json.loads(text)
        data["DeviceClassInfo"]["BuildVersion"] = subtype
        device = calibration.device_calibration_from_json_string(json.dumps(data))
        microphones[subtype] = [
            device.get_transform_device_sensor(label, True).translation().ravel().tolist() for label in MICROPHONES
        ]
    full = calibration.device_calibration_from_json_string(text).get_camera_calib("camera-rgb")
    factors = {(1408, 1408): (0.5, (32, 32)), (704, 704): (0.25, (32, 32)), (2560, 1920): (0.635, (0, 0))}
    rescaled = {}
    for size in sizes:
        scale, offset = factors.get(size, (size[0] / max(sizes)[0], (0, 0)))
        small = full.rescale(np.array(size), scale, np.array(offset, dtype=float))
        rescaled["x".join(map(str, size))] = small.get_projection_params().tolist()[:3]
    return {"microphones_m": microphones, "rescaled": rescaled}


def trajectories(folder: Path) -> dict[str, Any]:
    rows = [0, 1, 5000, 11000]
    open_loop = mps.read_open_loop_trajectory(str(folder / "open_loop_trajectory.csv"))
    closed_loop = mps.read_closed_loop_trajectory(str(folder / "closed_loop_trajectory.csv"))
    online = mps.read_online_calibration(str(folder / "online_calibration.jsonl"))
    rgb = online[60].get_camera_calib("camera-rgb")
    return {
        "rows": rows,
        "open_loop_rows": len(open_loop),
        "closed_loop_rows": len(closed_loop),
        "open_loop": [open_loop[row].transform_odometry_device.to_matrix().tolist() for row in rows],
        "closed_loop": [closed_loop[row].transform_world_device.to_matrix().tolist() for row in rows],
        "online_index": 60,
        "online_T_device_camera": rgb.get_transform_device_camera().to_matrix().tolist(),
        "online_parameters": rgb.get_projection_params().tolist(),
    }


def main(shared: Path, output: Path) -> None:
    gen1, gen2 = shared / "aria_gen1_adt" / "video.vrs", shared / "aria_gen2" / "recording.vrs"
    golden = {
        "gen1": recording(gen1) | cad(gen1, SUBTYPES["gen1"], SIZES["gen1"]),
        "gen2": recording(gen2) | cad(gen2, SUBTYPES["gen2"], SIZES["gen2"]),
        "mps": trajectories(shared / "aria_mps_sample"),
    }
    output.write_text(json.dumps(golden, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
