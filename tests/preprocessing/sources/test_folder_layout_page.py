"""Every line of docs/folder_layout.md that promises a layout or a note has a test that names it.

A line is a row of a table, keyed by its section and the first name in it, or a paragraph with one of the words of
PROMISE, keyed by its first six words. TESTS says which tests hold a line to its word. A paragraph makes several
promises: its tests hold those that they name, and this table cannot show that they hold all of them.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from avbench.preprocessing.recording.pose_convention import TrajectoryConvention
from avbench.preprocessing.sources.common.kinds import SUFFIXES, Role
from avbench.preprocessing.sources.common.rig_file import read_rig
from avbench.preprocessing.sources.common.trajectory_file import read_trajectory_file

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "tests" / "preprocessing"
PAGE = (ROOT / "docs" / "folder_layout.md").read_text(encoding="utf-8")
PROMISE = re.compile(r"\b(?:read|refused|noted|note|taken|added|said)\b", re.IGNORECASE)


def promises(page: str) -> list[str]:
    """The keys of all lines of a page that promise something, in their order."""
    keys, heading = [], ""
    page = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    page = re.sub(r"^\|.*\n\|[-|]+$", "", page, flags=re.MULTILINE)  # heads of tables
    for block in re.split(r"\n\s*\n|\n(?=[#|]|- )", page):
        text = block.strip()
        if text.startswith("#"):
            heading = text.lstrip("# ")
        elif text.startswith("|"):
            keys.append(f"{heading}: {text.split('|')[1].split(', ')[0].strip()}")
        elif PROMISE.search(text):
            keys.append(" ".join(text.split()[:6]))
    return keys


# Files below tests/preprocessing, and the tests in them.
FILES = {
    "rig": "sources/test_rig_file.py",
    "source": "sources/test_folder_source.py",
    "text": "sources/test_trajectory_text.py",
    "poses": "prepare/test_check_poses.py",
    "file": "sources/test_trajectory_file.py",
    "checks": "sources/test_trajectory_checks.py",
    "conventions": "sources/test_conventions.py",
    "axes": "sources/test_picture_axes.py",
    "ambisonics": "sources/test_ambisonics.py",
    "array": "sources/test_array_geometry.py",
    "video": "media/test_video.py",
    "sound": "media/test_sound_files.py",
    "rectify": "media/test_rectify.py",
    "colmap": "sources/test_colmap.py",
    "page": "sources/test_folder_layout_page.py",
    "noise": "recording/test_position_noise.py",
    "row": "rows/test_pair_row.py",
    "prepare": "prepare/test_prepare.py",
}

TESTS = {
    "The folder layout: `<name>.mp4`": """page::test_the_suffixes_of_the_page_are_those_that_are_found
        video::test_frames_are_right_whatever_the_codec
        video::test_frames_are_right_in_every_container_that_is_read""",
    "The folder layout: `<name>.wav`": """page::test_the_suffixes_of_the_page_are_those_that_are_found
        sound::test_ranges_of_a_file_are_bit_exact sound::test_other_lossless_files_are_read
        source::test_sound_is_bit_exact_in_all_channels""",
    "The folder layout: `<name>.tum`": """page::test_the_suffixes_of_the_page_are_those_that_are_found
        source::test_poses_may_be_a_txt_file_which_counts_for_nothing_beside_another""",
    "The folder layout: `<name>.toml`": "source::test_a_recording",
    "The folder layout: `rig.toml`": """source::test_a_common_rig_file_is_enough
        source::test_common_rig_files_are_read_from_the_outside_in""",
    "Folders are searched through; `kitchen/morning.mp4` is": """
        source::test_folders_are_searched_and_ids_are_paths
        source::test_a_video_of_a_kind_that_is_not_read_is_said_as_such
        source::test_a_sound_file_of_a_kind_that_is_not_read_is_said
        source::test_links_to_folders_and_files_are_followed_and_circles_end
        rig::test_the_recordings_own_file_goes_before_the_common_one_field_by_field source::test_missing_files
        prepare::test_good_recordings_come_out_beside_broken_ones""",
    "The rig file: `licence`": """rig::test_everything source::test_what_is_not_stated_is_said""",
    "The rig file: `group`": """rig::test_everything source::test_what_is_not_stated_is_said
        prepare::test_groups_stay_whole_and_wishes_count""",
    "The rig file: `split`": """rig::test_mistakes_are_told_with_file_and_field
        prepare::test_groups_stay_whole_and_wishes_count""",
    "The rig file: `axes_of`": """axes::test_a_nod_of_the_sensor_is_a_nod_of_the_upright_picture
        axes::test_poses_of_the_upright_picture_stay_as_they_are
        axes::test_one_line_names_all_that_must_be_stated""",
    "The rig file: `camera.axes_of`": "axes::test_a_table_may_have_axes_of_its_own",
    "The rig file: `camera.turn_deg`": """axes::test_a_nod_of_the_sensor_is_a_nod_of_the_upright_picture
        axes::test_a_turn_of_the_rig_replaces_the_display_matrix_and_says_so""",
    "The rig file: `camera.width`": """rig::test_the_camera_is_enough
        rig::test_mistakes_are_told_with_file_and_field source::test_intrinsics_of_another_picture""",
    "The rig file: `camera.fx`": """rig::test_the_camera_is_enough
        rig::test_an_error_names_the_file_that_holds_the_field""",
    "The rig file: `camera.cx`": """rig::test_the_camera_is_enough
        rig::test_mistakes_are_told_with_file_and_field rectify::test_every_pixel_comes_from_where_the_lens_says""",
    "Here, as in OpenCV, the centre": """rectify::test_every_pixel_comes_from_where_the_lens_says
        colmap::test_cameras_project_as_opencv_does
        colmap::test_a_text_model_beside_a_video_becomes_pairs_with_true_labels""",
    "The rig file: `camera.distortion`": """rig::test_the_camera_is_enough rig::test_lens_models""",
    "The rig file: `camera.coefficients`": """rig::test_lens_models
        rig::test_mistakes_are_told_with_file_and_field""",
    "The rig file: `microphones.array_kind`": """source::test_kinds_of_channels source::test_one_channel
        source::test_a_recording""",
    "The rig file: `microphones.ambisonics`": """ambisonics::test_the_convention_is_stated_by_the_rig
        ambisonics::test_the_default_is_said""",
    "The rig file: `microphones.use_first_order`": """
        ambisonics::test_higher_orders_are_read_by_their_first_four_channels_when_asked""",
    "The rig file: `microphones.positions_m`": """source::test_microphone_positions
        source::test_five_positions_for_seven_channels""",
    "The rig file: `microphones.metres_per_unit`": "array::test_the_unit_and_a_large_array_can_be_stated",
    "The rig file: `microphones.large_array`": """array::test_the_unit_and_a_large_array_can_be_stated
        array::test_positions_that_cannot_be_are_refused_with_the_likely_cause""",
    "The rig file: `time.trajectory_offset_s`": "source::test_offsets_are_added",
    "The rig file: `time.sound_offset_s`": "source::test_offsets_are_added",
    "The rig file: `time.sync_sigma_s`": """source::test_offsets_are_added
        rig::test_mistakes_are_told_with_file_and_field""",
    "The rig file: `time.first_pose`": """
        source::test_the_first_pose_moves_to_the_first_frame_when_that_is_stated
        rig::test_mistakes_are_told_with_file_and_field""",
    "The rig file: `time.sound_rate_hz`": """source::test_a_true_rate_of_the_sound_places_its_samples
        source::test_a_rate_that_cannot_be_is_refused""",
    "The rig file: `streams.video`": """rig::test_streams
        video::test_one_of_several_video_streams_is_chosen_by_its_number
        video::test_a_small_second_video_stream_is_said""",
    "The rig file: `streams.sound`": """rig::test_streams
        sound::test_streams_of_one_array_are_joined_in_the_order_stated
        sound::test_the_first_of_unlike_streams_is_used_and_said""",
    "The rig file: `trajectory.transform`": """rig::test_everything file::test_columns_say_what_the_poses_are
        conventions::test_poses_of_a_body_with_its_camera""",
    "The rig file: `trajectory.axes`": """rig::test_everything
        conventions::test_every_choice_of_camera_axes_gives_the_same_labels""",
    "The rig file: `trajectory.T_body_camera`": """rig::test_everything
        rig::test_mistakes_are_told_with_file_and_field conventions::test_poses_of_a_body_with_its_camera""",
    "The rig file: `trajectory.time_unit`": """rig::test_everything file::test_time_units""",
    "The rig file: `trajectory.scale`": """rig::test_everything file::test_contradictions_with_the_rig_file
        file::test_positions_may_be_left_unused""",
    "The rig file: `trajectory.metres_per_unit`": """rig::test_everything file::test_units_of_length
        conventions::test_millimetres_with_a_body""",
    "The rig file: `trajectory.columns`": """page::test_fields_of_the_trajectory_reach_its_reader
        text::test_a_csv_without_names_is_refused_with_the_way_on_and_read_when_the_rig_names_them""",
    "The rig file: `trajectory.time_column`": """page::test_fields_of_the_trajectory_reach_its_reader
        text::test_two_columns_of_times_are_refused_until_one_is_named
        text::test_a_column_of_frames_goes_before_a_foreign_clock_when_asked""",
    "The rig file: `trajectory.frames_from`": """page::test_fields_of_the_trajectory_reach_its_reader
        rig::test_mistakes_are_told_with_file_and_field
        text::test_frames_are_counted_from_0_or_as_the_numbers_show_or_as_stated""",
    "The rig file: `trajectory.check_poses`": "poses::test_the_rig_file_is_followed_rather_than_the_option",
    "Its poses are compared with the": """poses::test_the_refusal_names_the_setting
        poses::test_a_note_instead_of_a_refusal_and_no_check_at_all""",
    "The rig file: `trajectory.pose_source`": """rig::test_everything source::test_gopro_orientation""",
    "The rig file: `trajectory.pose_sigma_deg`": "rig::test_everything",
    "The rig file: `trajectory.position_sigma_m`": "rig::test_everything",
    "The rig file: `trajectory.position_sigma`": """page::test_fields_of_the_trajectory_reach_its_reader
        rig::test_mistakes_are_told_with_file_and_field
        noise::test_a_stated_noise_is_in_the_files_own_unit_and_needs_no_note""",
    "The rig file: `trajectory.world_up`": """source::test_up_in_the_world
        rig::test_mistakes_are_told_with_file_and_field""",
    "The rig file: `trajectory.up_source`": """source::test_up_in_the_camera source::test_up_in_the_world
        source::test_up_vectors_and_their_source_go_together""",
    "Unknown fields are refused.": "rig::test_mistakes_are_told_with_file_and_field",
    "Lens models: `none`": """rig::test_the_camera_is_enough rig::test_mistakes_are_told_with_file_and_field""",
    "Lens models: `brown_conrady`": """rig::test_lens_models
        rectify::test_projection_agrees_with_other_implementations""",
    "Lens models: `kannala_brandt`": """rig::test_everything rig::test_mistakes_are_told_with_file_and_field
        rectify::test_projection_agrees_with_other_implementations""",
    "Lens models: `fisheye624`": """rig::test_lens_models
        rectify::test_arias_lens_agrees_with_arias_own_software""",
    "A phone held upright films with": """axes::test_a_nod_of_the_sensor_is_a_nod_of_the_upright_picture
        axes::test_one_line_names_all_that_must_be_stated""",
    "Turned pictures: axes of the upright picture or of the sensor: `[camera]`": """
        axes::test_a_table_may_have_axes_of_its_own
        axes::test_a_decentred_lens_of_the_sensor_is_applied_before_the_turn
        axes::test_a_size_that_contradicts_the_axes_is_refused_with_the_way_on""",
    "Turned pictures: axes of the upright picture or of the sensor: `[microphones]`": """
        axes::test_microphones_of_the_sensor_go_where_the_picture_goes
        ambisonics::test_channels_of_the_sensor_are_turned_with_the_picture""",
    "Turned pictures: axes of the upright picture or of the sensor: `[trajectory]`": """
        axes::test_up_columns_go_with_the_trajectory axes::test_other_axes_and_a_body_go_before_the_turn""",
    "Without the statement a recording whose": "axes::test_one_line_names_all_that_must_be_stated",
    "Positions in centimetres or millimetres make": """
        array::test_positions_that_cannot_be_are_refused_with_the_likely_cause
        array::test_channels_in_one_place_are_named
        source::test_sound_that_contradicts_the_places_of_the_microphones_is_said""",
    "The sound itself is checked too:": """
        source::test_sound_that_contradicts_the_places_of_the_microphones_is_said
        array::test_positions_of_another_unit_are_noticed
        array::test_delays_that_the_positions_do_not_allow_are_noticed
        array::test_too_short_positions_on_a_line_are_noticed_and_too_long_ones_cannot_be""",
    "Ambisonics: `acn_sn3d`": """ambisonics::test_the_convention_is_stated_by_the_rig
        ambisonics::test_levels_that_a_convention_cannot_have_are_said""",
    "Ambisonics: `acn_n3d`": """ambisonics::test_the_convention_is_stated_by_the_rig
        ambisonics::test_levels_that_a_convention_cannot_have_are_said""",
    "Ambisonics: `fuma`": """ambisonics::test_the_convention_is_stated_by_the_rig
        ambisonics::test_levels_that_a_convention_cannot_have_are_said""",
    "The data set's column `ambisonic_convention` says": """
        row::test_the_row_says_in_which_convention_ambisonic_channels_are ambisonics::test_the_default_is_said
        ambisonics::test_a_recording_in_another_convention_than_stated_has_a_note
        ambisonics::test_higher_orders_are_read_by_their_first_four_channels_when_asked""",
    "The video's presentation time stamps, as": """
        video::test_stamps_are_those_that_were_written_in_integer_nanoseconds
        video::test_an_avi_with_reordered_frames_has_no_times
        video::test_frames_of_an_avi_without_reordering_are_at_the_places_of_their_packets
        source::test_a_sound_file_begins_with_the_first_frame source::test_offsets_are_added""",
    "A sound file is moved to": """source::test_a_sound_file_begins_with_the_first_frame
        checks::test_poses_from_zero_under_a_video_that_begins_later_are_noted
        source::test_the_first_pose_moves_to_the_first_frame_when_that_is_stated""",
    "A note gives both lengths where": """source::test_lengths_of_sound_and_pictures_are_compared
        source::test_the_rate_that_would_fit_is_named source::test_a_true_rate_of_the_sound_places_its_samples""",
    "Where a container has several video": """video::test_one_of_several_video_streams_is_chosen_by_its_number
        video::test_a_small_second_video_stream_is_said
        video::test_a_container_that_was_copied_in_part_is_said_however_short""",
    "Sound files are read bit by": """sound::test_ranges_of_a_file_are_bit_exact
        sound::test_a_wav_without_a_true_length_is_read_whole_and_said
        sound::test_a_length_past_the_header_s_32_bits_is_unwrapped
        sound::test_a_wav_that_was_copied_in_part_is_said_however_short sound::test_headers_of_64_bits_are_read
        sound::test_a_flac_of_unstated_length_is_read_whole row::test_a_damaged_frame_costs_its_pairs_only
        row::test_a_clip_that_cannot_be_read_costs_its_pairs_only""",
    "Where a container has several sound": """sound::test_streams_of_one_array_are_joined_in_the_order_stated
        sound::test_joined_streams_are_each_in_their_own_time
        sound::test_streams_that_cannot_be_joined_are_refused
        sound::test_the_first_of_unlike_streams_is_used_and_said""",
    "Encoders put some milliseconds of silence": """sound::test_an_encoder_delay_that_is_stated_is_taken_off
        sound::test_an_encoder_delay_that_is_not_stated_is_said_in_milliseconds
        sound::test_a_bass_channel_in_the_middle_of_an_array_is_said""",
    "**TUM** (`.tum` or `.txt`): `timestamp tx": """file::test_tum
        text::test_rows_of_matrices_are_poses_of_the_frames_in_order
        text::test_matrices_written_column_by_column_are_refused_with_the_columns_that_read_them
        file::test_columns_go_by_name_in_any_order text::test_csv_separators
        text::test_commas_between_semicolons_are_decimal_points
        text::test_a_remark_behind_the_numbers_of_a_row_is_left_aside""",
    "The trajectory: time": """page::test_names_of_times_and_pieces_are_read file::test_time_units
        text::test_ros_messages_with_stamps_in_two_parts text::test_frame_numbers_under_other_names""",
    "The trajectory: rotation": """page::test_a_matrix_in_named_columns_is_read
        file::test_columns_go_by_name_in_any_order""",
    "The trajectory: position": """
        text::test_a_line_that_names_the_columns_is_believed_whatever_stands_around_it
        file::test_orientations_alone_are_rotation_only""",
    "The trajectory: up": """file::test_up_columns
        conventions::test_up_is_the_same_in_every_convention_from_the_world_and_from_columns""",
    "The trajectory: piece": """page::test_names_of_times_and_pieces_are_read file::test_pieces_and_quality""",
    "The trajectory: quality": """file::test_pieces_and_quality file::test_quality_and_up_are_checked""",
    "**A comment that names all columns": """
        text::test_a_line_that_names_the_columns_is_believed_whatever_stands_around_it
        text::test_two_lines_that_contradict_each_other_are_refused
        text::test_a_comment_about_the_quaternion_that_is_not_understood_is_refused
        text::test_a_csv_without_names_is_refused_with_the_way_on_and_read_when_the_rig_names_them""",
    "**Times.** A stamp in the header": """
        text::test_rostopic_counts_nanoseconds_and_the_stamp_of_the_message_goes_before_its_arrival
        text::test_two_columns_of_times_are_refused_until_one_is_named
        text::test_a_column_of_frames_goes_before_a_foreign_clock_when_asked
        text::test_euroc_counts_nanoseconds_with_and_without_saying_so
        text::test_a_stamp_that_can_only_be_nanoseconds_is_read_as_such_and_said
        text::test_frames_are_counted_from_0_or_as_the_numbers_show_or_as_stated
        text::test_frames_that_begin_with_1_and_end_early_are_read_from_0_with_a_note""",
    "The trajectory: `world_camera`": """conventions::test_every_choice_of_camera_axes_gives_the_same_labels
        conventions::test_world_to_camera_read_as_camera_to_world_is_noticed""",
    "The trajectory: `camera_world`": """conventions::test_every_choice_of_camera_axes_gives_the_same_labels
        conventions::test_camera_to_world_read_as_world_to_camera_is_noticed""",
    "The trajectory: `world_body`": "conventions::test_poses_of_a_body_with_its_camera",
    "The trajectory: `body_world`": "conventions::test_poses_of_a_body_with_its_camera",
    "The trajectory: `opencv`": """conventions::test_every_choice_of_camera_axes_gives_the_same_labels
        conventions::test_up_in_the_world_is_the_same_up_in_the_camera""",
    "The trajectory: `opengl`": """conventions::test_every_choice_of_camera_axes_gives_the_same_labels
        conventions::test_up_in_the_world_is_the_same_up_in_the_camera""",
    "The trajectory: `ros_body`": """conventions::test_every_choice_of_camera_axes_gives_the_same_labels
        conventions::test_up_in_the_world_is_the_same_up_in_the_camera""",
    "The trajectory: `unity`": """conventions::test_every_choice_of_camera_axes_gives_the_same_labels
        conventions::test_up_in_the_world_is_the_same_up_in_the_camera""",
    "The trajectory: `unreal`": """conventions::test_every_choice_of_camera_axes_gives_the_same_labels
        conventions::test_up_in_the_world_is_the_same_up_in_the_camera""",
    "Refused, each with one line that": """file::test_bad_rows
        text::test_rows_of_matrices_are_poses_of_the_frames_in_order""",
    "Refused, because no camera does it:": """
        checks::test_a_walk_in_millimetres_is_refused_until_its_unit_is_stated
        checks::test_vehicles_are_read_with_a_note
        checks::test_turns_that_no_head_makes_are_refused_and_fast_ones_noted
        checks::test_one_wrong_pose_or_one_jump_does_not_refuse_a_recording""",
    "Noted: positions that are all zero": """
        checks::test_positions_of_zero_are_noted_where_they_are_called_metric
        checks::test_a_first_pose_of_1_0_0_0_is_noted
        checks::test_a_stated_up_that_lies_on_its_side_only_with_w_last_is_noted
        checks::test_poses_sparser_than_is_bridged_name_the_option
        checks::test_poses_in_another_folder_are_named_unless_they_are_those_of_another_video
        checks::test_models_elsewhere_are_named_with_the_way_on""",
    "**Scale unknown.** A camera that stands": """
        noise::test_still_pairs_are_not_favoured_and_their_directions_do_not_count
        noise::test_a_stated_noise_is_in_the_files_own_unit_and_needs_no_note
        noise::test_an_estimated_noise_is_said noise::test_a_clean_walk_has_the_least_share_of_its_reach""",
}

# Lines that no test holds to their word. This set may only shrink.
NOT_TESTED_YET: frozenset[str] = frozenset()


@cache
def functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_every_line_of_the_page_has_a_test_and_every_test_a_line() -> None:
    keys = promises(PAGE)
    assert len(keys) > 80
    assert sorted(keys) == sorted(set(keys)), "two lines have one key"
    assert sorted(set(keys) - set(TESTS) - NOT_TESTED_YET) == [], "a line without a test"
    assert sorted((set(TESTS) | NOT_TESTED_YET) - set(keys)) == [], "a test of a line that is not on the page"
    assert sorted(NOT_TESTED_YET & set(TESTS)) == [], "a line that has a test now"
    assert not NOT_TESTED_YET, "lines without a test are not added"


def test_every_named_test_exists() -> None:
    assert [key for key, tests in TESTS.items() if not tests.split()] == []
    named = {name for tests in TESTS.values() for name in tests.split()}
    gone = []
    for name in sorted(named):
        file, _, function = name.partition("::")
        path = FOLDER / FILES[file]
        if not function.startswith("test_") or function not in functions(path):
            gone.append(name)
    assert gone == []


def test_a_line_is_a_row_below_a_header_or_a_paragraph_that_promises() -> None:
    page = "# A\n\n| F | C |\n|---|---|\n| `a`, `b` | c |\n| d | |\n\nIt is read\nby us all.\n\nReady.\n- Said so.\n"
    assert promises(page) == ["A: `a`", "A: d", "It is read by us all.", "- Said so."]


# --- lines that no other test held ---------------------------------------------------------------------------------


def test_the_suffixes_of_the_page_are_those_that_are_found() -> None:
    rows = re.findall(r"^\| (`<name>\.(?!toml)[^|]*)\|", PAGE, re.MULTILINE)
    for role, row in zip((Role.VIDEO, Role.SOUND, Role.TRAJECTORY), rows, strict=True):
        assert re.findall(r"\.\w+", row) == list(SUFFIXES[role])


def test_fields_of_the_trajectory_reach_its_reader(tmp_path: Path) -> None:
    path = tmp_path / "walk.toml"
    path.write_text(
        "[camera]\nwidth = 64\nheight = 48\nfx = 50\nfy = 50\ncx = 31.5\ncy = 23.5\n[trajectory]\n"
        'columns = ["frame", "-", "t_s", "qw", "qx", "qy", "qz"]\ntime_column = "frame"\nframes_from = 1\n'
        "position_sigma = 0.5\n",
        encoding="utf-8",
    )
    stated = read_rig([path]).convention
    assert stated.columns == ("frame", "-", "t_s", "qw", "qx", "qy", "qz")
    assert (stated.time_column, stated.frames_from, stated.position_sigma) == ("frame", 1, 0.5)


@pytest.mark.parametrize("time", ["timestamp", "time", "stamp", "t"])
@pytest.mark.parametrize(("unit", "factor"), [("", 1), ("_s", 1), ("_ms", 10**3), ("_us", 10**6), ("_ns", 10**9)])
@pytest.mark.parametrize("piece", ["segment", "graph_uid", "session_uid"])
def test_names_of_times_and_pieces_are_read(tmp_path: Path, time: str, unit: str, factor: int, piece: str) -> None:
    path = tmp_path / "walk.csv"
    rows = "".join(f"{n * factor},1,0,0,0,{uid}\n" for n, uid in enumerate("bba"))
    path.write_text(f"{time}{unit},qw,qx,qy,qz,{piece}\n{rows}", encoding="utf-8")
    track = read_trajectory_file(path, TrajectoryConvention()).trajectory
    assert track.time_ns.tolist() == [0, 10**9, 2 * 10**9]
    assert track.segment is not None
    assert track.segment.tolist() == [0, 0, 1]


def test_a_matrix_in_named_columns_is_read(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    names = ",".join(f"r{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3))
    # A turn by 90 degrees about z: x goes to y, so that the first column, not the first row, is y.
    path.write_text(f"t_s,{names}\n" + "".join(f"{n},0,-1,0,1,0,0,0,0,1\n" for n in range(3)), encoding="utf-8")
    rotation = read_trajectory_file(path, TrajectoryConvention()).trajectory.T_world_camera[0, :3, :3]
    np.testing.assert_allclose(rotation @ [1, 0, 0], [0, 1, 0], atol=1e-12)
