"""Recordings of the layout *colmap*, found and opened.

A recording is a folder with a sparse model in it, in `sparse/0`, `sparse`, `colmap/sparse/0`, `0` or itself, and a
video or the pictures, which COLMAP's names are relative to: `images/`, or what the rig file says. The rig file is
`rig.toml` in that folder; what may stand in it is in `named.statement`.
"""

from __future__ import annotations

from pathlib import Path

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.recording.pose_convention import CameraAxes, PoseTransform
from avbench.preprocessing.recording.recording import Recording, Scale
from avbench.preprocessing.sources.colmap.model import MODEL_FILES, read_model
from avbench.preprocessing.sources.common.ref import Layout, RecordingRef
from avbench.preprocessing.sources.named.poses import NamedPoses, one_camera
from avbench.preprocessing.sources.named.recording import open_named
from avbench.preprocessing.sources.named.scene import Scene, files_below, folder_of, named_ref, scene_of
from avbench.preprocessing.sources.named.statement import Statement, read_statement

_PART_OF_MODEL = ("sparse", "colmap", "model", "text", "bin")
_SIDE_FILES = ("rigs", "frames")


def evidence(files: list[Path]) -> list[Path]:
    """Files that are part of a sparse model."""
    return [path for path in files if path.stem == "images" and path.suffix in (".txt", ".bin") and _has_cameras(path)]


def _has_cameras(path: Path) -> bool:
    return any(path.with_name(f"cameras{suffix}").exists() for suffix in (".txt", ".bin"))


def find(source: Path) -> list[RecordingRef]:
    """Find the recordings of a folder: one for every folder with sparse models.

    Raises:
        InputError: There is none.
    """
    root, files = files_below(source)
    scenes: dict[Path, list[Path]] = {}
    for model in dict.fromkeys(path.parent for path in evidence(files)):
        scenes.setdefault(_scene_folder(root, model), []).append(model)
    if not scenes:
        raise InputError(source, found="no sparse model", expected="cameras and images of COLMAP, such as in sparse/0")
    return [
        named_ref(root, folder, Layout.COLMAP, [file for model in models for file in _model_files(model)], files)
        for folder, models in sorted(scenes.items())
    ]


def _model_files(model: Path) -> list[Path]:
    wanted = (*MODEL_FILES, *_SIDE_FILES)
    return [path for path in sorted(model.iterdir()) if path.stem in wanted and path.suffix in (".txt", ".bin")]


def _scene_folder(root: Path, model: Path) -> Path:
    """The recording's folder of a model, within the searched one."""
    folder = model
    while folder != root and (folder.name.isdigit() or folder.name.lower() in _PART_OF_MODEL):
        folder = folder.parent
    return folder


def open_ref(ref: RecordingRef) -> Recording:
    """Open a recording.

    Raises:
        InputError: A file is missing, damaged, or contradicts another.
    """
    scene = scene_of(ref, folder_of(ref))
    statement = read_statement(scene.rigs, scene.own_rig)
    folder = _chosen_model(ref, scene, statement)
    model = read_model(folder)
    prefix = statement.pictures.prefix or ""
    cameras = [c for c, name in zip(model.cameras, model.names, strict=True) if name.startswith(prefix)]
    camera, notes = one_camera(model.path, cameras or model.cameras)
    poses = NamedPoses(
        path=model.path,
        names=model.names,
        poses=model.T_camera_world,
        transform=PoseTransform.CAMERA_WORLD,
        axes=CameraAxes.OPENCV,
        scale=Scale.UNKNOWN,
        pose_source="sfm_colmap",
        camera=camera,
        notes=notes,
    )
    return open_named(ref, scene, statement, poses)


def _chosen_model(ref: RecordingRef, scene: Scene, statement: Statement) -> Path:
    models = sorted({path.parent for path in ref.files if path.stem in MODEL_FILES and path.suffix in (".txt", ".bin")})
    stated = statement.pictures.poses
    if stated is not None:
        folder = scene.folder / stated
        if not folder.is_dir():
            raise InputError(f"{statement.path}: pictures.poses", found=stated, expected="the folder of a sparse model")
        return folder
    if len(models) > 1:
        names = ", ".join(model.relative_to(scene.folder).as_posix() or "." for model in models[:4])
        raise InputError(
            scene.folder,
            found=f"{len(models)} sparse models ({names})",
            expected="one: parts that COLMAP could not join do not share a world",
            hint=f'choose one in {scene.own_rig.name} under [pictures], such as poses = "sparse/0"',
        )
    return models[0]
