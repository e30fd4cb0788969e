"""Small whole files of every kind that is read, the commands that read them, and why a damaged one may be accepted."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy.spatial.transform import Rotation

from avbench.benchmark.predictions.file import read_predictions
from avbench.leaderboards.board.board import create_board
from avbench.leaderboards.board.submission import SubmissionInfo
from avbench.leaderboards.client.submit import submit
from avbench.preprocessing.simulate.scene.scene import scene_to_dict
from avbench.preprocessing.simulate.scene.world import RecordingSettings, make_world
from avbench.preprocessing.simulate.write import SIMULATOR_VERSION
from fuzz.mutations import ANY, JSON, JSON_LINES, SAFETENSORS, TEXT, Mutation
from fuzz.tables import PARQUET
from media_files import HEIGHT_PX, TICKS, WIDTH_PX, write_video
from named_scenes import opengl_pose, true_pose, world_to_camera, write_clip, write_picture
from reference_bundle import reference_bundle
from report_page import make_dataset, make_run
from training_data import training_data

RATE_HZ = 16_000
FRAMES = 20
NAMED_FRAMES = 8
NAMED_RIG = 'licence = "CC0-1.0"\ngroup = "house"\n\n[pictures]\nrate_hz = 20\n\n'
RIG = f"""licence = "CC0-1.0"
group = "house"
split = "test"

[camera]
width = {WIDTH_PX}
height = {HEIGHT_PX}
fx = 100.0
fy = 100.5
cx = 63.5
cy = 47.5

[trajectory]
scale = "metric"

[microphones]
array_kind = "microphones"
positions_m = [[0.05, 0.0, 0.0], [-0.05, 0.0, 0.01]]
"""
SUITE = """name = "night"
description = "Dark and foggy."
clean = true

[[conditions]]
corruption = "fog"
severities = [1, 3]
frames = "both"
"""
TRAINING = """seed = 1
heads = ["vision"]

[vision.schedule]
epochs = 1
learning_rate = 0.001
"""

CALIBRATION = {
    "DeviceClassInfo": {"DeviceClass": "Aria", "BuildVersion": "DVT-S"},
    "OriginSpecification": {"ChildLabel": "camera-slam-left"},
    "CameraCalibrations": [
        {
            "Label": "camera-rgb",
            "Projection": {
                "Name": "FisheyeRadTanThinPrism",
                "Params": [1220.0, 1440.0, 1450.0, *[0.01 * number for number in range(12)]],
            },
            "T_Device_Camera": {"UnitQuaternion": [1.0, [0.0, 0.0, 0.0]], "Translation": [0.1, 0.2, 0.3]},
        }
    ],
}

NOTHING_READ = "the same result as of the whole file: what changed is not read, or means the same"


@dataclass(frozen=True)
class Target:
    """One kind of file.

    Attributes:
        kind: Its name.
        file: The file, in the folder of whole files.
        mutations: How it is damaged; a mutation that is in it twice is made twice as often.
        commands: Read it, one after the other, until one refuses; run in a copy of the folder.
        needs: Files and folders that are copied.
        share: How many of the mutants are of this kind, in relation to the others.
        accepted: Why a damaged file may be accepted with another result than the whole one; empty if it may not.
        recording: Whether it is part of a recording: many are prepared by one command, as users do.
    """

    kind: str
    file: str
    mutations: tuple[Mutation, ...]
    commands: tuple[tuple[str, ...], ...]
    needs: tuple[str, ...]
    share: int
    accepted: str = ""
    recording: bool = False


def _recording(folder: Path, sound: str = "walk.wav", trajectory: str = "walk.csv") -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    write_video(folder / "walk.mp4", [int(i / 20 / TICKS) for i in range(FRAMES)])
    samples = (3000 * rng.standard_normal((RATE_HZ, 2))).astype(np.int16)
    soundfile.write(folder / sound, samples, RATE_HZ, subtype="PCM_16")
    times = [0.05 * i for i in range(FRAMES)]
    angles = [0.02 * i for i in range(FRAMES)]
    poses = [
        (t, 0.05 * i, 0.01 * i, 0.1 * i, 0.0, float(np.sin(a / 2)), 0.0, float(np.cos(a / 2)))
        for i, (t, a) in enumerate(zip(times, angles, strict=True))
    ]
    if trajectory.endswith(".csv"):
        lines = ["time_s,tx,ty,tz,qx,qy,qz,qw", *(",".join(f"{value:.6f}" for value in pose) for pose in poses)]
    else:
        lines = ["# timestamp tx ty tz qx qy qz qw", *(" ".join(f"{value:.6f}" for value in pose) for pose in poses)]
    (folder / trajectory).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "walk.toml").write_text(RIG, encoding="utf-8")


def make_whole_files(folder: Path, run_command: Callable[[Sequence[str], Path], None]) -> None:
    """Everything that the targets name, in a new folder.

    Args:
        folder: The folder.
        run_command: Runs an `avbench` command in a folder and raises if it fails.
    """
    _recording(folder / "rec" / "take")
    _recording(folder / "rec_flac" / "take", sound="walk.flac", trajectory="walk.tum")
    make_dataset(folder / "data", pairs=8, groups=4)
    conditions = ("clean", "fog-1", "probe-mute", "probe-mirrored")
    _probes(make_run(folder / "run", folder / "data", conditions=conditions, failed=1))
    shutil.copy(make_run(folder / "clean", folder / "data", conditions=("clean",)) / "predictions.parquet", folder)
    (folder / "predictions.parquet").rename(folder / "answers.parquet")
    board = create_board(folder / "board", folder / "data", title="A challenge")
    for name in ("first", "second"):
        submit(board, folder / "answers.parquet", SubmissionInfo(name, "A team", "A model.", "https://example.org/x"))
    (folder / "suite.toml").write_text(SUITE, encoding="utf-8")
    reference_bundle(folder / "bundle")
    for variant in ("head-seed-1", "control", "directions", "no-up"):
        shutil.rmtree(folder / "bundle" / variant)
    (folder / "answers.csv").write_text(_csv(folder / "answers.parquet"), encoding="utf-8")
    (folder / "calibration.json").write_text(json.dumps(CALIBRATION), encoding="utf-8")
    _scene(folder)
    _named_scenes(folder)
    _training(folder, run_command)
    run_command(["prepare", "rec", "-o", "prepared", "--split", "test", "--jobs", "1"], folder)
    run_command(["corrupt", "data", "--suite", "suite.toml", "-o", "corrupted", "--workers", "0"], folder)
    run_command(EVALUATE, folder)
    settings = read_predictions(folder / "begun" / "predictions.parquet").info["settings"]
    shutil.rmtree(folder / "begun")
    (folder / "begun" / "parts").mkdir(parents=True)
    (folder / "begun" / "parts" / "settings.json").write_text(json.dumps(settings), encoding="utf-8")


def _named_scenes(folder: Path) -> None:
    """A small scene of every layout whose poses belong to named pictures."""
    for name in ("colmap_text", "colmap_binary", "nerf", "posed", "record3d"):
        for number in range(NAMED_FRAMES):
            inside = {"posed": f"frame-{number}.color.png", "record3d": f"rgb/{number}.png"}
            write_picture(folder / name / inside.get(name, f"images/{number}.png"), number)
        (folder / name / "rig.toml").write_text(NAMED_RIG, encoding="utf-8")
    world_camera = [
        [*map(float, numbers)] for numbers in map(np.concatenate, map(world_to_camera, range(NAMED_FRAMES)))
    ]
    camera = (WIDTH_PX, HEIGHT_PX, 100.0, 101.0, 61.5, 50.5)
    text, binary = folder / "colmap_text" / "sparse" / "0", folder / "colmap_binary" / "sparse" / "0"
    text.mkdir(parents=True)
    binary.mkdir(parents=True)
    (text / "cameras.txt").write_text("# cameras\n1 PINHOLE " + " ".join(map(str, camera)) + "\n", encoding="utf-8")
    rows = [f"{n + 1} {' '.join(map(str, pose))} 1 {n}.png\n1.5 2.5 -1\n" for n, pose in enumerate(world_camera)]
    (text / "images.txt").write_text("# images\n" + "".join(rows), encoding="utf-8")
    (binary / "cameras.bin").write_bytes(struct.pack("<QIiQQ4d", 1, 1, 1, *camera))
    entries = [
        struct.pack("<I7dI", n + 1, *pose, 1) + f"{n}.png".encode() + b"\0" + struct.pack("<Qddq", 1, 1.5, 2.5, -1)
        for n, pose in enumerate(world_camera)
    ]
    (binary / "images.bin").write_bytes(struct.pack("<Q", len(entries)) + b"".join(entries))
    times = [f"{n}.png {0.05 * n:.3f}\n" for n in range(NAMED_FRAMES)]
    (folder / "colmap_text" / "times.txt").write_text("".join(times), encoding="utf-8")
    (folder / "colmap_text" / "rig.toml").write_text('[pictures]\ntimes = "times.txt"\n', encoding="utf-8")
    lens = dict(zip(("w", "h", "fl_x", "fl_y", "cx", "cy"), camera, strict=True))
    gl = [opengl_pose(n) for n in range(NAMED_FRAMES)]
    frames = [{"file_path": f"images/{n}.png", "transform_matrix": T.tolist()} for n, T in enumerate(gl)]
    _json(folder / "nerf" / "transforms.json", {**lens, "camera_model": "OPENCV", "k1": 0.01, "frames": frames})
    K = [100.0, 0.0, 0.0, 0.0, 101.0, 0.0, 61.5, 50.5, 1.0]
    poses = [[*Rotation.from_matrix(T[:3, :3]).as_quat().tolist(), *T[:3, 3].tolist()] for T in gl]
    _json(folder / "record3d" / "metadata.json", {"w": WIDTH_PX, "h": HEIGHT_PX, "fps": 20, "K": K, "poses": poses})
    for n in range(NAMED_FRAMES):
        np.savetxt(folder / "posed" / f"frame-{n}.pose.txt", true_pose(n))
    with_camera = NAMED_RIG + RIG[RIG.index("[camera]") : RIG.index("[trajectory]")]
    (folder / "posed" / "rig.toml").write_text(with_camera, encoding="utf-8")
    write_clip(folder / "epic" / "P01_01.mp4", frames=NAMED_FRAMES)
    (folder / "epic" / "rig.toml").write_text("[pictures]\nfirst = 1\n", encoding="utf-8")
    opencv = {"model": "OPENCV", "width": WIDTH_PX, "height": HEIGHT_PX, "params": [*camera[2:], 0.01, 0.0, 0.0, 0.0]}
    images = {f"frame_{n + 1:010d}.jpg": pose for n, pose in enumerate(world_camera)}
    _json(folder / "epic" / "P01_01.json", {"camera": opencv, "images": images})


def _json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")


def _probes(run: Path) -> None:
    loss = {"value": 2.5, "low": 1.0, "high": 4.0, "groups": 4, "pairs": 8, "note": "", "standard_error": 0.5}
    loss |= {"smallest_detectable": 1.4, "p_value": 0.01}
    probe: dict[str, Any] = {
        "probe": "mute",
        "kind": "gone",
        "pairs": 8,
        "left_out": 1,
        "left_out_are": "without sound",
    }
    probe |= {"loss": {"rotation.mean_deg": loss}, "harm": None}
    lie = {**probe, "probe": "mirrored", "kind": "lies", "harm": {"rotation.mean_deg": loss}}
    answered = read_predictions(run / "predictions.parquet").content_sha256()
    probes = {"predictions_sha256": answered, "probes": [probe, lie]}
    (run / "probes.json").write_text(json.dumps(probes), encoding="utf-8")
    document = json.loads((run / "run.json").read_text(encoding="utf-8"))
    machine = {"system": "Linux", "processor": "x86_64", "cores": 2, "python": "3.11", "device": None}
    document |= {"git": {"commit": "ab" * 20, "dirty": False}, "machine": machine, "peak_memory_mib": 200.0}
    (run / "run.json").write_text(json.dumps(document), encoding="utf-8")


def _training(folder: Path, run_command: Callable[[Sequence[str], Path], None]) -> None:
    """A training run that is finished: its command only reads what is there."""
    training_data(folder / "training", groups=4)
    (folder / "training.toml").write_text(TRAINING, encoding="utf-8")
    run_command(TRAIN, folder)


def _csv(answers: Path) -> str:
    """A predictions file as text."""
    predictions = read_predictions(answers)
    lines = ["pair_id,qx,qy,qz,qw,tx,ty,tz"]
    for pair, rotation, translation in zip(
        predictions.pair_id, predictions.rotation_a_b, predictions.translation_a_b, strict=True
    ):
        known = np.isfinite(rotation).all()
        quaternion = Rotation.from_matrix(rotation).as_quat() if known else (0.0, 0.0, 0.0, 1.0)
        values = (*quaternion, *(translation if known else (0.0, 0.0, 1.0)))
        lines.append(",".join([pair, *(f"{value:.9f}" for value in values)]))
    return "\n".join(lines) + "\n"


def _scene(folder: Path) -> None:
    """The scene beside a simulated recording, without simulating one."""
    settings = RecordingSettings(seed=1, split="test", index=0)
    scene = scene_to_dict(make_world(settings).scene)
    document = {"simulator_version": SIMULATOR_VERSION, "settings": asdict(settings), "scene": scene}
    (folder / "room.scene.json").write_text(json.dumps(document), encoding="utf-8")


EVALUATE = ["evaluate", "data", "--model", "identity", "-o", "begun", "--timeout-s", "0", "--no-report"]
_SIFT = ("evaluate", "data", "--model", "sift", "-o", "found", "--timeout-s", "0", "--no-report", "--workers", "0")
_VISION = (
    *("evaluate", "data", "--model", "vision", "--weights", "bundle", "-o", "found", "--timeout-s", "0"),
    *("--limit", "2", "--no-report", "--workers", "0"),
)
TRAIN = [
    *("train", "--model", "vision", "--data", "training", "-o", "trained", "--preset", "smoke"),
    *("--config", "training.toml", "--device", "cpu", "--jobs", "1"),
]
_TRAINED = ("training", "trained", "training.toml")
_REPORT = ("report", "run", "data", "-o", "page.html", "--pairs", "1")
_SCORE = ("score", "run/predictions.parquet", "data")
_SHOW = ("board", "show", "board")
_SUBMIT = ("submit", "answers.parquet", "--board", "board", "--name", "another")
_MEDIA = "a picture or sample that changed is still one; what cannot be decoded is left out and counted in a note"
_NUMBERS = "another number within the limits, or a comment, is another whole file"
_BOARD = ("board", "answers.parquet")


def _named(kind: str, file: str, mutations: tuple[Mutation, ...], share: int) -> Target:
    """A file of a scene whose poses belong to named pictures, opened and its first frame read."""
    scene = file.split("/", 1)[0]
    return Target(kind, file, mutations, (("call", "recording", scene),), (scene,), share, _NUMBERS)


TARGETS = (
    Target("video", "rec/take/walk.mp4", ANY, (), (), 9, _MEDIA, recording=True),
    Target("wav", "rec/take/walk.wav", ANY, (), (), 7, _MEDIA, recording=True),
    Target("flac", "rec_flac/take/walk.flac", ANY, (), (), 7, _MEDIA, recording=True),
    Target("trajectory csv", "rec/take/walk.csv", TEXT, (), (), 9, _NUMBERS, recording=True),
    Target("trajectory tum", "rec_flac/take/walk.tum", TEXT, (), (), 9, _NUMBERS, recording=True),
    Target("rig", "rec/take/walk.toml", TEXT, (), (), 9, _NUMBERS, recording=True),
    Target("manifest", "data/manifest.json", JSON, (_SCORE,), ("data", "run"), 7),
    Target(
        "prepared manifest",
        "prepared/manifest.json",
        JSON,
        (("prepare", "rec", "-o", "prepared", "--split", "test", "--jobs", "1"),),
        ("prepared", "rec"),
        5,
        "a recording whose record changed is prepared again",
    ),
    Target(
        "corrupted manifest",
        "corrupted/manifest.json",
        JSON,
        (
            ("corrupt", "data", "--suite", "suite.toml", "-o", "corrupted", "--workers", "0"),
            ("evaluate", "corrupted", "--split", "clean", *EVALUATE[2:]),
        ),
        ("data", "corrupted", "suite.toml"),
        4,
        "texts that name the suite and how it was made",
    ),
    Target("shard", "data/data/test-00000-of-00001.parquet", ANY, (_SCORE, _SIFT), ("data", "run"), 6),
    Target(
        "predictions",
        "answers.parquet",
        PARQUET,
        (_SUBMIT, ("score", "answers.parquet", "data")),
        ("board", "data", "answers.parquet"),
        9,
        "other answers, or other words about them, are another submission",
    ),
    Target(
        "predictions of a run",
        "run/predictions.parquet",
        PARQUET,
        (_SCORE, _REPORT),
        ("data", "run"),
        3,
        "other answers are scored as such",
    ),
    Target("run.json", "run/run.json", JSON, (_REPORT,), ("data", "run"), 4, "another fact about the run is shown"),
    Target("score.json", "run/score.json", JSON, (_REPORT,), ("data", "run"), 4),
    Target("probes.json", "run/probes.json", JSON, (_REPORT,), ("data", "run"), 4, "other losses are shown as such"),
    Target("board.json", "board/board.json", JSON, (_SHOW, _SUBMIT), _BOARD, 6, "another title or ranking is shown"),
    Target(
        "entries.jsonl",
        "board/entries.jsonl",
        JSON_LINES,
        (_SHOW, _SUBMIT),
        _BOARD,
        7,
        "other names and numbers within the limits, or an entry less, are shown as such",
    ),
    Target("labels", "board/private/labels.parquet", PARQUET, (_SUBMIT,), _BOARD, 4),
    Target(
        "suite",
        "suite.toml",
        TEXT,
        (("corrupt", "data", "--suite", "suite.toml", "-o", "c", "--workers", "0"),),
        ("data", "suite.toml"),
        6,
        "another name, corruption or severity is another suite",
    ),
    Target("settings of parts", "begun/parts/settings.json", JSON, (tuple(EVALUATE),), ("data", "begun"), 3),
    Target(
        "bundle",
        "bundle/bundle.json",
        JSON,
        (_VISION,),
        ("data", "bundle"),
        6,
        "other facts about its training, or use of up vectors, are those of another bundle",
    ),
    Target("weights", "bundle/head-vision.safetensors", SAFETENSORS, (_VISION,), ("data", "bundle"), 4),
    Target(
        "predictions csv",
        "answers.csv",
        TEXT,
        (("submit", "answers.csv", *_SUBMIT[2:]),),
        ("board", "answers.csv"),
        5,
        "other answers are another submission",
    ),
    Target("training settings", "trained/train.json", JSON, (tuple(TRAIN),), _TRAINED, 3),
    Target("training config", "training.toml", TEXT, (tuple(TRAIN),), _TRAINED, 3),
    Target(
        "history of a stage",
        "trained/work/stages/vision-*/history.json",
        JSON,
        (tuple(TRAIN),),
        _TRAINED,
        3,
        "other losses are shown as such",
    ),
    Target(
        "weights of a stage",
        "trained/work/stages/vision-*/weights.safetensors",
        SAFETENSORS,
        (tuple(TRAIN),),
        _TRAINED,
        3,
        "other weights, whole, are those of another run",
    ),
    Target(
        "scene",
        "room.scene.json",
        JSON,
        (("call", "scene", "room.scene.json"),),
        ("room.scene.json",),
        4,
        "another room within the limits is drawn as such",
    ),
    Target(
        "aria calibration",
        "calibration.json",
        JSON,
        (("call", "aria", "calibration.json"),),
        ("calibration.json",),
        4,
        "another lens within the limits, or other words about the device",
    ),
    _named("colmap images", "colmap_binary/sparse/0/images.bin", ANY, 6),
    _named("colmap cameras", "colmap_binary/sparse/0/cameras.bin", ANY, 4),
    _named("colmap images txt", "colmap_text/sparse/0/images.txt", TEXT, 5),
    _named("colmap cameras txt", "colmap_text/sparse/0/cameras.txt", TEXT, 3),
    _named("list of times", "colmap_text/times.txt", TEXT, 3),
    _named("transforms", "nerf/transforms.json", JSON, 6),
    _named("pose file", "posed/frame-3.pose.txt", TEXT, 3),
    _named("picture", "posed/frame-0.color.png", ANY, 2),
    _named("rig of pictures", "posed/rig.toml", TEXT, 4),
    _named("epic fields", "epic/P01_01.json", JSON, 6),
    _named("record3d", "record3d/metadata.json", JSON, 5),
)


def whole_file(base: Path, target: Target) -> Path:
    """The whole file of a target; parts of its path may depend on what was made."""
    (path,) = base.glob(target.file)
    return path
