"""Mistakes at the seams: where a row meets its label, frame a frame b, a recording its group, a score its condition."""

from __future__ import annotations

from mutations.mistake import Mistake

READER = "tests/benchmark/data/test_dataset_reader.py"
SCORING = "tests/benchmark/scoring/test_scoring.py"
PROBES = "tests/benchmark/conditions/test_probes.py"
BOARD = "tests/leaderboards/board/test_board.py"
LEARNED = "tests/benchmark/models/test_learned_inputs.py"
INPUTS = "tests/benchmark/models/test_network_inputs.py"
ROWS = "tests/preprocessing/rows/test_pair_row.py"
CONVENTIONS = "tests/preprocessing/sources/test_conventions.py"
EVALUATE = "tests/benchmark/evaluation/test_evaluate.py"
COMPARE = "tests/benchmark/cli/test_compare_command.py"
INTERVALS = "tests/benchmark/scoring/test_intervals.py"
HARNESS = "tests/benchmark/running/test_runs_harness.py"
CORRUPT = "tests/benchmark/evaluation/test_corrupt_command.py"
DEPTHS = "tests/benchmark/training/test_depths_joined.py"
TRAINING_PARTS = "tests/benchmark/training/test_training_parts.py"
REPORT = "tests/benchmark/report/test_report.py"
METRICS = "tests/benchmark/scoring/test_metric_conventions.py"
SUMMARIES = "tests/benchmark/scoring/statistics/test_summaries.py"

MISTAKES = (
    # Predictions and labels
    Mistake(
        "predictions are taken in the order of the file",
        "benchmark/scoring/score.py",
        "rows[condition[known], pair[known]] = known",
        "rows[condition[known], known % len(self.labels)] = known",
        (f"{SCORING}::test_answers_are_found_by_the_name_of_their_pair_and_their_condition",),
    ),
    Mistake(
        "predictions of another condition are scored",
        "benchmark/scoring/score.py",
        "rows[condition[known], pair[known]] = known",
        "rows[:, pair[known]] = known",
        (f"{SCORING}::test_answers_are_found_by_the_name_of_their_pair_and_their_condition",),
    ),
    # Frame a and frame b of a row
    Mistake(
        "up of frame b is that of frame a in the reader",
        "benchmark/data/dataset.py",
        'up_b=_vector(row.get("up_b"))',
        'up_b=_vector(row.get("up_a"))',
        (f"{READER}::test_inputs_are_what_was_written",),
    ),
    Mistake(
        "picture b is picture a in the reader",
        "benchmark/data/dataset.py",
        'image_b=_picture(row, "b", modalities, where, allocate)',
        'image_b=_picture(row, "a", modalities, where, allocate)',
        (f"{READER}::test_inputs_are_what_was_written",),
    ),
    Mistake(
        "sound b is sound a in the reader",
        "benchmark/data/dataset.py",
        'sound_b=_sound(row, "b", modalities, where, allocate)',
        'sound_b=_sound(row, "a", modalities, where, allocate)',
        (f"{READER}::test_inputs_are_what_was_written",),
    ),
    Mistake(
        "the valid part of clip b begins where that of clip a does, in the reader",
        "benchmark/data/dataset.py",
        'valid_start=row[f"audio_valid_start_{view}"]',
        'valid_start=row["audio_valid_start_a"]',
        (f"{READER}::test_inputs_are_what_was_written",),
    ),
    Mistake(
        "the valid part of clip b begins where that of clip a does, in the row",
        "preprocessing/rows/make.py",
        '"audio_valid_start_b": view_b.valid_start',
        '"audio_valid_start_b": view_a.valid_start',
        (f"{ROWS}::test_a_clip_at_the_edge_is_padded_and_says_so",),
    ),
    Mistake(
        "up of frame b is that of frame a in the row",
        "preprocessing/rows/make.py",
        "return vectors[a].tolist(), vectors[b].tolist(), str(source)",
        "return vectors[a].tolist(), vectors[a].tolist(), str(source)",
        (f"{ROWS}::test_up_from_the_trajectory_is_turned_into_the_camera",),
    ),
    Mistake(
        "the maps of sound b are made with up of frame a",
        "benchmark/models/learned/inputs.py",
        "direction_maps(pair.sound_a, up_a), direction_maps(pair.sound_b, up_b)",
        "direction_maps(pair.sound_a, up_a), direction_maps(pair.sound_b, up_a)",
        (f"{INPUTS}::test_each_frame_comes_with_its_own_picture_up_and_sound",),
    ),
    Mistake(
        "the spectrum of sound b is made with up of frame a",
        "benchmark/models/learned/inputs.py",
        "azimuth_spectrum(pair.sound_a, up_a), azimuth_spectrum(pair.sound_b, up_b)",
        "azimuth_spectrum(pair.sound_a, up_a), azimuth_spectrum(pair.sound_b, up_a)",
        (f"{INPUTS}::test_each_frame_comes_with_its_own_picture_up_and_sound",),
    ),
    Mistake(
        "level axes of frame b are those of frame a",
        "benchmark/models/learned/inputs.py",
        '"level_b": level_rotation(up_b)',
        '"level_b": level_rotation(up_a)',
        (f"{INPUTS}::test_each_frame_comes_with_its_own_picture_up_and_sound",),
    ),
    Mistake(
        "the network's picture b is picture a",
        "benchmark/models/learned/inputs.py",
        '"image_b": fit.picture(pair.image_b)',
        '"image_b": fit.picture(pair.image_a)',
        (f"{INPUTS}::test_each_frame_comes_with_its_own_picture_up_and_sound",),
    ),
    Mistake(
        "the maps of the two sounds are exchanged in a row",
        "benchmark/models/learned/inputs.py",
        'for view, one_map, one_spectrum in zip("ab", maps, spectra, strict=True)',
        'for view, one_map, one_spectrum in zip("ba", maps, spectra, strict=True)',
        (f"{INPUTS}::test_each_frame_comes_with_its_own_picture_up_and_sound",),
    ),
    Mistake(
        "the maps of the two sounds are exchanged before the encoder",
        "benchmark/models/learned/model.py",
        '                sounds["maps_a"],\n                sounds["maps_b"],\n',
        '                sounds["maps_b"],\n                sounds["maps_a"],\n',
        (f"{LEARNED}::test_a_learned_model_answers_what_its_parts_give",),
    ),
    Mistake(
        "the embeddings of the two sounds are exchanged before the encoder",
        "benchmark/models/learned/model.py",
        '                sounds["embedding_a"],\n                sounds["embedding_b"],\n',
        '                sounds["embedding_b"],\n                sounds["embedding_a"],\n',
        (f"{LEARNED}::test_a_learned_model_answers_what_its_parts_give",),
    ),
    Mistake(
        "the late head hears frame a",
        "benchmark/models/learned/model.py",
        'head(seen, sounds["spectrum_b"], sounds["embedding_b"], level)',
        'head(seen, sounds["spectrum_a"], sounds["embedding_a"], level)',
        (f"{LEARNED}::test_a_learned_model_answers_what_its_parts_give",),
    ),
    # Up, world and view
    Mistake(
        "up of a left-handed world is not mirrored with it",
        "preprocessing/recording/pose_convention.py",
        "return np.asarray(_world_mirror(axes) @ vector, dtype=np.float64)",
        "return np.asarray(vector, dtype=np.float64)",
        (f"{CONVENTIONS}::test_up_is_the_same_in_every_convention_from_the_world_and_from_columns",),
    ),
    Mistake(
        "up columns are taken to be in OpenCV axes",
        "preprocessing/recording/pose_convention.py",
        "return np.asarray(vectors @ _FROM_OPENCV[axes], dtype=np.float64)",
        "return np.asarray(vectors, dtype=np.float64)",
        (f"{CONVENTIONS}::test_up_is_the_same_in_every_convention_from_the_world_and_from_columns",),
    ),
    Mistake(
        "up columns are turned the wrong way round",
        "preprocessing/recording/pose_convention.py",
        "return np.asarray(vectors @ _FROM_OPENCV[axes], dtype=np.float64)",
        "return np.asarray(vectors @ _FROM_OPENCV[axes].T, dtype=np.float64)",
        (f"{CONVENTIONS}::test_up_is_the_same_in_every_convention_from_the_world_and_from_columns",),
    ),
    # Boards
    Mistake(
        "a board is ranked on its last condition",
        "leaderboards/board/board.py",
        "entry.value(self.config.conditions[0],",
        "entry.value(self.config.conditions[-1],",
        (f"{BOARD}::test_entries_are_ranked_and_scored_as_the_score_command_would",),
    ),
    Mistake(
        "a board is ranked on the first condition by name",
        "leaderboards/board/board.py",
        "entry.value(self.config.conditions[0],",
        "entry.value(sorted(self.config.conditions)[0],",
        (f"{BOARD}::test_entries_are_ranked_and_scored_as_the_score_command_would",),
    ),
    Mistake(
        "names of labels are sorted apart from their rotations",
        "benchmark/data/dataset.py",
        "for row, name in enumerate(names)\n",
        "for row, name in enumerate(sorted(names))\n",
        (f"{BOARD}::test_entries_are_ranked_and_scored_as_the_score_command_would",),
    ),
    Mistake(
        "every condition of an entry has the score of the first",
        "leaderboards/client/submit.py",
        "published_score(scored.score(condition))",
        "published_score(scored.score(board.config.conditions[0]))",
        (f"{BOARD}::test_entries_are_ranked_and_scored_as_the_score_command_would",),
    ),
    Mistake(
        "every table of a board's page shows its first condition",
        "leaderboards/pages/pages.py",
        "_row(rank, entry, condition)",
        "_row(rank, entry, board.config.conditions[0])",
        (f"{BOARD}::test_pages_say_the_same_and_escape_what_people_write",),
    ),
    Mistake(
        "links of a board's page go to the entries in the order of arrival",
        "leaderboards/pages/pages.py",
        "    return [_line(rank, entry, condition, best) for rank, entry in ranked]",
        '    return [__import__("dataclasses").replace('
        "_line(rank, entry, condition, best), url=web_address(first.submission.url))\n"
        "            for (rank, entry), first in zip(ranked, entries, strict=True)]",
        (f"{BOARD}::test_a_name_links_to_its_own_address",),
    ),
    # Groups and recordings
    Mistake(
        "intervals of a score are clustered by recording",
        "benchmark/scoring/score.py",
        'groups: list[str] = table.column("group_id").to_pylist()',
        'groups: list[str] = dataset.table(split, ("recording_id",)).slice(0, limit).column(0).to_pylist()',
        (f"{EVALUATE}::test_evaluate_writes_predictions_score_and_run",),
    ),
    Mistake(
        "intervals of probes are clustered by recording",
        "benchmark/evaluation/evaluate.py",
        "score_probes(plan.probes, scored, entry)",
        "score_probes(plan.probes, score_predictions(run.predictions, labels, dataset.table("
        'settings.split, ("recording_id",)).column(0).to_pylist()), entry)',
        (f"{PROBES}::test_a_model_of_sound_relies_on_it_and_is_harmed_by_lies",),
    ),
    Mistake(
        "intervals of a comparison are clustered by recording",
        "benchmark/evaluation/compare.py",
        '    clusters = draw_clusters(table.column("group_id").to_pylist())\n',
        '    recordings = dataset.table(split, ["recording_id"]).slice(0, limit).column(0)\n'
        "    clusters = draw_clusters(recordings.to_pylist())\n",
        (f"{COMPARE}::test_folders_and_files_are_compared_with_numbers_worked_out_by_hand",),
    ),
    Mistake(
        "another scene is another recording of the same place",
        "benchmark/conditions/probes/sound_donors.py",
        "lambda pair: (pair.group_id, pair.format)",
        "lambda pair: (pair.recording_id, pair.format)",
        (f"{PROBES}::test_another_scene_is_another_group_of_the_same_sound_format",),
    ),
    Mistake(
        "a pair of the same scene may share a frame",
        "benchmark/conditions/probes/sound_donors.py",
        "if _far(pair, other)), None)",
        "if other is not pair), None)",
        (f"{PROBES}::test_another_pair_of_the_scene_is_of_the_same_recording_and_elsewhere_in_time",),
    ),
    Mistake(
        "the noise of a probe is the same for every pair",
        "benchmark/conditions/probes/probe.py",
        'Stream.named("probe", "noise", f"version {PROBES_VERSION}", pair.pair_id)',
        'Stream.named("probe", "noise", f"version {PROBES_VERSION}")',
        (f"{PROBES}::test_every_clip_has_noise_of_its_own_and_the_same_at_every_level",),
    ),
    Mistake(
        "the noise of a probe is the same for both frames",
        "benchmark/conditions/probes/probe.py",
        "noisy(clip, self.snr_db, stream.child(view))",
        'noisy(clip, self.snr_db, stream.child("a"))',
        (f"{PROBES}::test_every_clip_has_noise_of_its_own_and_the_same_at_every_level",),
    ),
    Mistake(
        "an error at the threshold counts in the bootstrap of the AUC",
        "benchmark/metrics/definitions.py",
        "below = error_deg < threshold_deg",
        "below = error_deg <= threshold_deg",
        (f"{SUMMARIES}::test_an_error_at_the_threshold_of_an_auc_is_no_recall",),
    ),
    # Donors, probes and sounds
    Mistake(
        "a donor's clip a is heard in both frames",
        "benchmark/conditions/probes/probe.py",
        "sound_b=self._heard(pair.sound_b, donor.clip_b)",
        "sound_b=self._heard(pair.sound_b, donor.clip_a)",
        (f"{PROBES}::test_probed_sound_is_the_donors_and_pictures_stay",),
    ),
    Mistake(
        "a donor's clip is said to be valid where the pair's own is",
        "benchmark/conditions/probes/probe.py",
        "samples=found.samples, valid_start=found.valid_start, valid_stop=found.valid_stop",
        "samples=found.samples",
        (f"{PROBES}::test_probed_sound_is_the_donors_and_pictures_stay",),
    ),
    Mistake(
        "a donor is looked up in the first row group",
        "benchmark/conditions/probes/sound_bank.py",
        "self._dataset.encoded_group(self._groups[number], {Modality.AUDIO})",
        "self._dataset.encoded_group(self._groups[0], {Modality.AUDIO})",
        (f"{PROBES}::test_probed_sound_is_the_donors_and_pictures_stay",),
    ),
    Mistake(
        "frames a and b of the clips that may be shifted are exchanged",
        "benchmark/conditions/probes/sound_donors.py",
        'for view, time_ns in (("b", pair.time_b_ns), ("a", pair.time_a_ns))',
        'for view, time_ns in (("a", pair.time_b_ns), ("b", pair.time_a_ns))',
        (f"{PROBES}::test_a_shift_takes_the_clips_of_the_recording_that_are_shifted_alike",),
    ),
    Mistake(
        "pairs to which a probe cannot be applied count in it",
        "benchmark/scoring/probes.py",
        "[name in plan.pair_ids for name in run.labels.pair_id]",
        "[True for _ in run.labels.pair_id]",
        (f"{PROBES}::test_the_numbers_are_those_of_the_predictions",),
    ),
    Mistake(
        "harm is counted from clean sound",
        "benchmark/scoring/probes.py",
        "harm=_losses(probed, part(silence, applied), run.clusters)",
        "harm=_losses(probed, part(under, applied), run.clusters)",
        (f"{PROBES}::test_the_numbers_are_those_of_the_predictions",),
    ),
    Mistake(
        "a pair with one clip has sound",
        "benchmark/conditions/probes/probe.py",
        'return row["audio_valid_stop_a"] is not None and row["audio_valid_stop_b"] is not None',
        'return row["audio_valid_stop_a"] is not None',
        (f"{PROBES}::test_probed_sound_is_the_donors_and_pictures_stay",),
    ),
    # Conditions
    Mistake(
        "changes from clean are changes from the first condition",
        "benchmark/scoring/score.py",
        "clean = self.errors(CLEAN_CONDITION)",
        "clean = self.errors(self.conditions[0])",
        (f"{INTERVALS}::test_a_change_that_is_the_same_for_every_pair_is_told_without_an_interval",),
    ),
    Mistake(
        "a change from clean has the wrong sign",
        "benchmark/scoring/score.py",
        "difference(errors.sampled(metric, self.clusters), clean.sampled(metric, self.clusters))",
        "difference(clean.sampled(metric, self.clusters), errors.sampled(metric, self.clusters))",
        (f"{INTERVALS}::test_a_change_that_is_the_same_for_every_pair_is_told_without_an_interval",),
    ),
    Mistake(
        "conditions that a model cannot see share the answers of the first of all",
        "benchmark/running/run.py",
        "condition.name: unseen[0].name for condition in unseen[1:]",
        "condition.name: conditions[0].name for condition in unseen[1:]",
        (f"{HARNESS}::test_a_model_is_not_asked_under_conditions_that_it_cannot_see",),
    ),
    Mistake(
        "conditions are mixed in the predictions as the parts were written",
        "benchmark/running/parts.py",
        "sorted(range(len(places)), key=places.__getitem__)",
        "list(range(len(places)))",
        (f"{EVALUATE}::test_predictions_are_in_the_order_of_the_data_set",),
    ),
    Mistake(
        "another convention scores clean whatever the condition",
        "benchmark/scoring/conventions.py",
        "labels, aligned, ours = run.labels, run.answers(condition), run.errors(condition)",
        "labels, aligned, ours = run.labels, run.answers(), run.errors(condition)",
        (f"{METRICS}::test_another_convention_scores_the_condition_that_is_asked_for",),
    ),
    Mistake(
        "a corrupted split has its pictures exchanged",
        "benchmark/evaluation/written_suite.py",
        'zip("ab", condition.apply(images["a"], images["b"], pair_id), strict=True)',
        'zip("ba", condition.apply(images["a"], images["b"], pair_id), strict=True)',
        (f"{CORRUPT}::test_every_split_holds_the_pixels_that_a_run_shows",),
    ),
    Mistake(
        "the errors of the baseline's corruptions are those of the run",
        "benchmark/scoring/comparison.py",
        "{corruption: [of_b[i] for i in positions]",
        "{corruption: [of_a[i] for i in positions]",
        ("tests/benchmark/scoring/test_comparison.py::test_mean_corruption_error_by_hand",),
    ),
    Mistake(
        "a comparison has the baseline's conditions in their own order",
        "benchmark/evaluation/compare.py",
        "[run.errors(name) for name in shared]",
        "[run.errors(name) for name in run.conditions if name in shared]",
        (f"{COMPARE}::test_folders_and_files_are_compared_with_numbers_worked_out_by_hand",),
    ),
    # Rows and what is known of them
    Mistake(
        "the uncertainty of a label's rotation is that of its direction",
        "benchmark/evaluation/compare.py",
        'LabelSigma.of(table.column("pose_sigma_deg")',
        'LabelSigma.of(table.column("direction_sigma_deg")',
        (f"{COMPARE}::test_folders_and_files_are_compared_with_numbers_worked_out_by_hand",),
    ),
    Mistake(
        "a stratum of both views looks at view a only",
        "benchmark/scoring/strata.py",
        "values = np.minimum.reduce(columns)",
        "values = columns[0]",
        ("tests/benchmark/scoring/test_breakdown.py::test_a_pair_is_as_dark_as_the_darker_of_its_frames",),
    ),
    Mistake(
        "depths are in the order of their file",
        "benchmark/training/data/depths.py",
        "order = np.array([place[name] for name in pair_ids], dtype=np.int64)",
        "order = np.arange(len(pair_ids))",
        (f"{TRAINING_PARTS}::test_depths_are_read_in_the_order_that_is_asked_for",),
    ),
    Mistake(
        "depths of the two views are exchanged",
        "benchmark/training/data/depths.py",
        "for view, source in zip(out, (a, b), strict=True)",
        "for view, source in zip(out, (b, a), strict=True)",
        (f"{TRAINING_PARTS}::test_depths_are_read_in_the_order_that_is_asked_for",),
    ),
    Mistake(
        "what is trained on is divided by recording",
        "benchmark/training/data/pair_arrays.py",
        'groups = dataset.table(split, ("group_id",)).column("group_id").to_pylist()',
        'groups = dataset.table(split, ("recording_id",)).column("recording_id").to_pylist()',
        (f"{TRAINING_PARTS}::test_arrays_hold_what_models_are_given",),
    ),
    Mistake(
        "the ears of the two frames are exchanged",
        "benchmark/training/data/pair_arrays.py",
        'for view, one in zip("ab", ears, strict=True)',
        'for view, one in zip("ba", ears, strict=True)',
        (f"{TRAINING_PARTS}::test_arrays_hold_what_models_are_given",),
    ),
    Mistake(
        "embeddings of the two frames are exchanged as they are made",
        "benchmark/models/learned/model.py",
        "zip(places, embedded[0::2], embedded[1::2], strict=True)",
        "zip(places, embedded[1::2], embedded[0::2], strict=True)",
        (f"{LEARNED}::test_a_learned_model_answers_what_its_parts_give",),
    ),
    Mistake(
        "the yaw between level axes has frame a's level on both sides",
        "benchmark/models/learned/fusion.py",
        "rotation = level.level_a @ seen.rotation_a_b @ level.level_b.transpose(1, 2)",
        "rotation = level.level_a @ seen.rotation_a_b @ level.level_a.transpose(1, 2)",
        ("tests/benchmark/models/test_fusion_heads.py::test_an_untrained_gated_head_returns_the_pictures_pose",),
    ),
    Mistake(
        "a report's spectrum of sound b is made with up of frame a",
        "benchmark/report/pairs/worst.py",
        "((pair.sound_a, pair.up_a), (pair.sound_b, pair.up_b))",
        "((pair.sound_a, pair.up_a), (pair.sound_b, pair.up_a))",
        (f"{REPORT}::test_a_worst_pair_shows_its_own_pictures_sounds_and_answers",),
    ),
    Mistake(
        "a report's second picture is the first",
        "benchmark/report/pairs/worst.py",
        "picture_b=thumbnail(pair.image_b)",
        "picture_b=thumbnail(pair.image_a)",
        (f"{REPORT}::test_a_worst_pair_shows_its_own_pictures_sounds_and_answers",),
    ),
    Mistake(
        "intervals of a report are clustered by recording",
        "benchmark/report/gather.py",
        'draw_clusters(columns.column("group_id").to_pylist())',
        'draw_clusters(columns.column("recording_id").to_pylist())',
        (f"{REPORT}::test_every_number_of_the_page_is_that_of_the_result_file",),
    ),
    # Entries
    Mistake(
        "the rank that is said is that of an earlier entry of the name",
        "leaderboards/client/submit.py",
        "if other.entry_id == entry.entry_id)",
        "if other.submission.name == entry.submission.name)",
        (f"{BOARD}::test_the_rank_that_is_told_is_that_of_what_was_handed_in",),
    ),
    Mistake(
        "a submission is known by its content alone",
        "leaderboards/client/submit.py",
        "if one.content_sha256 == content and one.submission.name == info.name]",
        "if one.content_sha256 == content]",
        (f"{BOARD}::test_equal_numbers_share_a_rank",),
    ),
    # Recordings, groups, splits and shards
    Mistake(
        "splits are drawn by recording",
        "preprocessing/prepare/splits.py",
        "split_of_group(member.group_id, fractions, seed)",
        "split_of_group(member.recording_id, fractions, seed)",
        ("tests/preprocessing/prepare/test_splits.py::test_no_group_is_ever_cut",),
    ),
    Mistake(
        "a split that a recording asks for holds for it alone",
        "preprocessing/prepare/splits.py",
        "elif member.group_id in asked:",
        "elif member.split is not None:",
        ("tests/preprocessing/prepare/test_splits.py::test_a_wish_holds_for_the_whole_group",),
    ),
    Mistake(
        "the rows of a recording are said to begin at the start of a shard",
        "preprocessing/format/shards.py",
        "spans.append(Span(paths[number], row, 1))",
        "spans.append(Span(paths[number], 0, 1))",
        ("tests/preprocessing/format/test_shards.py::test_packing_keeps_every_row_in_order_and_names_the_split",),
    ),
    Mistake(
        "rows keep the split they came with",
        "preprocessing/format/shards.py",
        '                row["split"] = split\n',
        "",
        ("tests/preprocessing/format/test_shards.py::test_packing_keeps_every_row_in_order_and_names_the_split",),
    ),
    Mistake(
        "a group in two splits is not noticed when shards are read back",
        "preprocessing/prepare/assembly.py",
        "split_of_group.setdefault(group_id, shard.record.split)",
        "split_of_group.setdefault(recording_id, shard.record.split)",
        ("tests/preprocessing/format/test_card.py::test_a_place_in_two_splits_is_never_published",),
    ),
    # Poses, pictures, clips and microphones of a row
    Mistake(
        "a label is the pose of a in b",
        "preprocessing/rows/make.py",
        "relative_pose(poses.T_world_camera[a], poses.T_world_camera[b])",
        "relative_pose(poses.T_world_camera[b], poses.T_world_camera[a])",
        (f"{ROWS}::test_label_of_a_forward_walk_with_a_right_turn",),
    ),
    Mistake(
        "the level of clip b is that of clip a",
        "preprocessing/rows/make.py",
        '"level_b_dbfs": view_b.level_dbfs',
        '"level_b_dbfs": view_a.level_dbfs',
        (f"{ROWS}::test_a_clip_at_the_edge_is_padded_and_says_so",),
    ),
    Mistake(
        "the sharpness of picture b is that of picture a",
        "preprocessing/rows/make.py",
        '"sharpness_b": view_b.sharpness',
        '"sharpness_b": view_a.sharpness',
        (f"{ROWS}::test_pictures_and_intrinsics",),
    ),
    Mistake(
        "microphones are in the opposite order of their channels",
        "preprocessing/rows/make.py",
        "np.asarray(positions, dtype=np.float64).tolist()",
        "np.asarray(positions, dtype=np.float64)[::-1].tolist()",
        (f"{ROWS}::test_clips_are_centred_on_their_frames",),
    ),
    Mistake(
        "microphones of glasses are in the order of their numbers, not of their channels",
        "preprocessing/sources/aria/device.py",
        "in_cpf = np.array([cad.microphones_m[int(index[1])] for index in indices if index])",
        "in_cpf = np.array([cad.microphones_m[number] for number, index in enumerate(indices) if index])",
        ("tests/preprocessing/sources/test_aria_device.py::test_positions_follow_the_order_of_the_labels",),
    ),
    Mistake(
        "directions are found with microphones that are not those of the channels in use",
        "benchmark/audio/features.py",
        "where = positions[list(used)]",
        "where = positions[: len(used)]",
        ("tests/benchmark/audio/test_audio_features.py::test_faulty_channels_are_left_out_and_said",),
    ),
    Mistake(
        "a sound file begins at the video's zero, not with the first frame",
        "preprocessing/sources/common/rig_sound.py",
        "shift_ns += int(frame_time_ns[0]) if start_ns is None else start_ns",
        "shift_ns += 0 if start_ns is None else start_ns",
        ("tests/preprocessing/sources/test_folder_source.py::test_a_recording",),
    ),
    Mistake(
        "a common rig replaces the recording's own",
        "preprocessing/sources/common/rig_file.py",
        "        values.update(read_values(file, tables))\n",
        "        values = read_values(file, tables) | values\n",
        (
            "tests/preprocessing/sources/test_rig_file.py::test_the_recordings_own_file_goes_before_the_common_one_field_by_field",
        ),
    ),
    Mistake(
        "answers are given to the pairs of a batch from the last to the first",
        "benchmark/running/asking.py",
        "for pair, reply in zip(pairs, outcome.replies, strict=True)]",
        "for pair, reply in zip(pairs, outcome.replies[::-1], strict=True)]",
        (f"{EVALUATE}::test_predictions_depend_neither_on_parts_nor_on_batches",),
    ),
)
