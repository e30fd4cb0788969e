"""Networks that match pixels, such as RoMa: the pose comes from an essential matrix.

A robust essential matrix of the matched rays is taken apart into a rotation and a direction; which of the four
combinations is right is decided by the points that lie in front of both cameras. OpenCV gives the motion that takes
points of camera a into camera b, which is turned round.
"""

import cv2
import numpy as np
import torch

from avbench import PosePrediction

NO_ANSWER = PosePrediction(np.full((3, 3), np.nan), np.full(3, np.nan))
"""Counts as the worst error; the run says which pairs have it."""


def pose_from_matches(points_a, points_b, intrinsics, *, max_error_px=0.5):
    """A pose from matched pixels.

    Args:
        points_a: (M, 2) pixels of picture a; the centre of the top left pixel is (0, 0).
        points_b: (M, 2) the same points in picture b.
        intrinsics: 3x3 calibration matrix of both pictures, pixels.
        max_error_px: Largest distance of a right match from its epipolar line.

    Returns:
        A `PosePrediction` whose translation is a direction, and whose confidence is the share of matches that agree
        with it; `NO_ANSWER` with fewer than five matches, or where no motion explains them.
    """
    if len(points_a) < 5:
        return NO_ANSWER
    rays_a, rays_b = (_normalised(points, intrinsics) for points in (points_a, points_b))
    focal_px = (intrinsics[0, 0] + intrinsics[1, 1]) / 2.0
    stacked, agreeing = cv2.findEssentialMat(
        rays_a, rays_b, np.eye(3), method=cv2.USAC_MAGSAC, prob=0.99999, threshold=max_error_px / focal_px
    )
    best = (0, None, None)
    # Five points may allow several matrices, which come below each other.
    for essential in [] if stacked is None else np.split(stacked, len(stacked) // 3):
        in_front, R_b_a, t_b_a, _ = cv2.recoverPose(essential, rays_a, rays_b, np.eye(3), mask=agreeing.copy())
        if in_front > best[0]:
            best = (in_front, R_b_a, t_b_a[:, 0])
    in_front, R_b_a, t_b_a = best
    if R_b_a is None:
        return NO_ANSWER
    return PosePrediction(R_b_a.T, -R_b_a.T @ t_b_a, confidence=in_front / len(points_a))


def _normalised(points_px, intrinsics):
    homogeneous = np.column_stack([points_px, np.ones(len(points_px))])
    return np.ascontiguousarray((homogeneous @ np.linalg.inv(intrinsics).T)[:, :2])


class MatchingModel:
    """A network that matches pixels of two pictures.

    Args:
        match: Takes two pictures (H, W, 3), uint8 RGB, and gives two arrays (M, 2) of matched pixels, x before y; the
            centre of the top left pixel is (0, 0).
        max_error_px: Largest distance of a right match from its epipolar line.
    """

    modalities = ("vision",)

    def __init__(self, match, max_error_px: float = 0.5):
        self.match = match
        self.max_error_px = max_error_px

    @torch.inference_mode()
    def predict(self, pairs):
        """Answer every pair; the translation is a direction."""
        return [self._answer(pair) for pair in pairs]

    def _answer(self, pair):
        points_a, points_b = self.match(pair.image_a, pair.image_b)
        return pose_from_matches(points_a, points_b, pair.intrinsics, max_error_px=self.max_error_px)


class Roma(MatchingModel):
    """RoMa (Edstedt et al., CVPR 2024); needs the package `romatch`.

    Args:
        matches: How many matches are drawn by their certainty.
        max_error_px: Largest distance of a right match from its epipolar line.
        device: Torch device.
    """

    def __init__(self, matches: int = 5000, max_error_px: float = 0.5, device: str = "cpu"):
        from PIL import Image
        from romatch import roma_outdoor

        network = roma_outdoor(device=device)

        def match(image_a, image_b):
            warp, certainty = network.match(Image.fromarray(image_a), Image.fromarray(image_b), device=device)
            drawn, _ = network.sample(warp, certainty, num=matches)
            height, width = image_a.shape[:2]
            points = network.to_pixel_coordinates(drawn, height, width, height, width)
            # RoMa counts from the corner of the top left pixel, avbench from its centre.
            return [found.double().cpu().numpy() - 0.5 for found in points]

        super().__init__(match, max_error_px)
