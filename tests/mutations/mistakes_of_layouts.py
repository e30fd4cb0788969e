"""Mistakes in readers of layouts: direction and axes of poses, turn of the picture, frame, pixel centre."""

from __future__ import annotations

from mutations.mistake import Mistake

SOURCES = "preprocessing/sources"
TESTS = "tests/preprocessing/sources"
COLMAP_PAIRS = f"{TESTS}/test_colmap.py::test_a_text_model_beside_a_video_becomes_pairs_with_true_labels"
NERF_PAIRS = f"{TESTS}/test_nerf.py::test_transforms_beside_a_video_become_pairs_with_true_labels"
POSED_PAIRS = f"{TESTS}/test_posed_images.py::test_seven_scenes_become_pairs_with_true_labels"
EPIC_PAIRS = f"{TESTS}/test_epic_fields.py::test_poses_beside_a_video_become_pairs_with_true_labels"
RECORD3D_PAIRS = f"{TESTS}/test_record3d.py::test_an_export_becomes_pairs_with_true_labels"

MISTAKES_OF_LAYOUTS = (
    Mistake(
        "COLMAP's poses are read as camera-to-world",
        f"{SOURCES}/colmap/layout.py",
        "transform=PoseTransform.CAMERA_WORLD",
        "transform=PoseTransform.WORLD_CAMERA",
        (COLMAP_PAIRS,),
    ),
    Mistake(
        "COLMAP's quaternions are read with w last",
        f"{SOURCES}/colmap/model.py",
        "rotation_from_quaternion_xyzw(values[:, [1, 2, 3, 0]])",
        "rotation_from_quaternion_xyzw(values[:, [0, 1, 2, 3]])",
        (COLMAP_PAIRS,),
    ),
    Mistake(
        "COLMAP's first pixel has its centre at 0",
        f"{SOURCES}/named/camera.py",
        "PIXEL_CENTRE = 0.5",
        "PIXEL_CENTRE = 0.0",
        (COLMAP_PAIRS, NERF_PAIRS, RECORD3D_PAIRS),
    ),
    Mistake(
        "the first frame of a video is one number later",
        f"{SOURCES}/named/moments.py",
        "index = [(number - said.first) * step for number in numbers]",
        "index = [(number - said.first - 1) * step for number in numbers]",
        (f"{TESTS}/test_colmap.py::test_a_binary_model_with_rigs_reads_as_the_text_one",),
    ),
    Mistake(
        "pictures prove a count that is one frame off",
        "preprocessing/checks/picture_match.py",
        "return Count(numbers[0] - start / step, step, float(np.sqrt(best_cost)))",
        "return Count(numbers[0] - (start - 1) / step, step, float(np.sqrt(best_cost)))",
        (f"{TESTS}/test_colmap.py::test_pictures_prove_which_frames_the_names_mean",),
    ),
    Mistake(
        "a camera is scaled about the centre of the first pixel",
        f"{SOURCES}/named/recording.py",
        "cx_px=(camera.cx_px + 0.5) * sx - 0.5",
        "cx_px=camera.cx_px * sx",
        (f"{TESTS}/test_colmap.py::test_a_smaller_camera_is_scaled_about_the_pictures_corner",),
    ),
    Mistake(
        "poses of a picture that is turned stay those of the sensor",
        f"{SOURCES}/named/recording.py",
        "    trajectory = trajectory_upright(trajectory, placement.quarter_turns_cw[Placed.TRAJECTORY])\n",
        "",
        (
            f"{TESTS}/test_colmap.py::test_turned_pictures",
            f"{TESTS}/test_posed_images.py::test_pictures_that_lie_on_their_side_are_turned_with_their_poses",
        ),
    ),
    Mistake(
        "a stated turn between poses and pictures is passed over",
        f"{SOURCES}/named/recording.py",
        "    trajectory = trajectory_upright(trajectory, said.pose_quarter_turns_cw)\n",
        "",
        (f"{TESTS}/test_record3d.py::test_poses_of_the_sensor_are_turned_to_the_upright_picture",),
    ),
    Mistake(
        "the camera of transforms.json looks along +z",
        f"{SOURCES}/nerf/layout.py",
        "axes=CameraAxes.OPENGL",
        "axes=CameraAxes.OPENCV",
        (NERF_PAIRS,),
    ),
    Mistake(
        "the matrices of transforms.json are read as world-to-camera",
        f"{SOURCES}/nerf/layout.py",
        "transform=PoseTransform.WORLD_CAMERA",
        "transform=PoseTransform.CAMERA_WORLD",
        (NERF_PAIRS,),
    ),
    Mistake(
        "what nerfstudio applied to the world is left",
        f"{SOURCES}/nerf/layout.py",
        "            matrix = undo @ matrix\n",
        "",
        (f"{TESTS}/test_nerf.py::test_what_was_applied_to_the_world_is_undone",),
    ),
    Mistake(
        "the poses of 7-Scenes are read as world-to-camera",
        f"{SOURCES}/posed_images/layout.py",
        "transform=PoseTransform.WORLD_CAMERA",
        "transform=PoseTransform.CAMERA_WORLD",
        (POSED_PAIRS, f"{TESTS}/test_posed_images.py::test_a_list_of_poses_and_a_camera_matrix"),
    ),
    Mistake(
        "the poses of EPIC Fields are read as camera-to-world",
        f"{SOURCES}/epic_fields/layout.py",
        "transform=PoseTransform.CAMERA_WORLD",
        "transform=PoseTransform.WORLD_CAMERA",
        (EPIC_PAIRS,),
    ),
    Mistake(
        "the pictures of EPIC Fields count from 0",
        f"{SOURCES}/epic_fields/layout.py",
        "replace(said, first=1, rate_hz=near[0])",
        "replace(said, first=0, rate_hz=near[0])",
        (f"{TESTS}/test_epic_fields.py::test_numbers_are_moments_of_a_60_hz_count_and_not_frames",),
    ),
    Mistake(
        "ARKit's camera looks along +z",
        f"{SOURCES}/record3d/layout.py",
        "axes=CameraAxes.OPENGL",
        "axes=CameraAxes.OPENCV",
        (RECORD3D_PAIRS,),
    ),
    Mistake(
        "the trajectory of an Ego-Exo4D take is not found",
        f"{SOURCES}/aria/places.py",
        '    folders.append(around / "trajectory")\n',
        "",
        (f"{TESTS}/test_aria_places.py::test_gen2_takes_the_trajectory_of_the_take_and_not_its_own_odometry",),
    ),
)
