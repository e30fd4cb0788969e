"""Poses against pictures, before rows are made: refuse, note, and the record for the manifest."""

from __future__ import annotations

from dataclasses import dataclass

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.checks.pictures.check import PoseCheck, check_poses
from avbench.preprocessing.checks.pictures.decision import Finding
from avbench.preprocessing.checks.pictures.words import figures, fitting_readings, fitting_settings, pose_note
from avbench.preprocessing.format.manifest import PoseCheckRecord
from avbench.preprocessing.recording.pose_convention import PoseCheckMode
from avbench.preprocessing.recording.recording import Recording
from avbench.preprocessing.rows.make import RowSettings

_GOES_ON = "--check-poses note prepares it all the same"


@dataclass(frozen=True)
class Checked:
    """What the pictures say of a recording that is not refused.

    Attributes:
        record: For the manifest.
        note: A line that the user should see, None where there is nothing to say.
    """

    record: PoseCheckRecord
    note: str | None


def check_recording(recording: Recording, mode: PoseCheckMode, rows: RowSettings) -> Checked:
    """Compare a recording's poses with its pictures.

    Args:
        recording: The recording.
        mode: What to do where they contradict each other, unless the rig file of the recording says it.
        rows: How poses are interpolated.

    Raises:
        InputError: Another reading of the poses explains the pictures, the stated one does not, and `mode` asks for
            a refusal.
    """
    if recording.poses_stated is not None:
        mode = recording.poses_stated.convention.check_poses or mode
    if mode is PoseCheckMode.OFF:
        return Checked(PoseCheckRecord(str(Finding.OFF)), None)
    check = check_poses(
        recording,
        max_gap_ns=round(rows.max_pose_gap_s * 1e9),
        tolerance_ns=round(rows.pose_tolerance_s * 1e9),
    )
    if check.decision.finding is Finding.OTHER and mode is PoseCheckMode.REFUSE:
        raise _refused(recording, check)
    return Checked(_record(recording, check), pose_note(check, recording))


def _refused(recording: Recording, check: PoseCheck) -> InputError:
    settings = fitting_settings(check, recording)
    how = f"in the rig file: {' or '.join(settings)}; " if settings else ""
    return InputError(
        f"{recording.recording_id}: trajectory",
        found=f"poses that the pictures contradict ({figures(check)})",
        expected=" or ".join(fitting_readings(check, recording)),
        hint=f"{how}{_GOES_ON}",
    )


def _record(recording: Recording, check: PoseCheck) -> PoseCheckRecord:
    return PoseCheckRecord(
        finding=str(check.decision.finding),
        readings=tuple(fitting_readings(check, recording)),
        not_separated=tuple(str(kind) for kind in check.decision.not_separated),
        unseen_offset_s=check.unseen_offset_s,
        unseen_focal_share=check.unseen_focal_share,
        pairs=check.pairs,
        parallax_share=round(check.with_parallax / check.pairs, 3) if check.pairs else None,
        motion_deg=check.motion_deg,
        rotation_residual_deg=check.rotation_deg,
        direction_residual_deg=check.direction_deg,
    )
