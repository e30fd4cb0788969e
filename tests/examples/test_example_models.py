"""The adapters in examples/models, each with a small random network behind the interface that it adapts."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from avbench.benchmark.cli.evaluate import evaluate
from avbench.benchmark.cli.models import models
from avbench.benchmark.data.pair import PairInput
from avbench.benchmark.predictions.file import Status, read_predictions
from avbench.preprocessing.base.geometry import (
    axis_rotation,
    direction_error_deg,
    invert_transform,
    make_transform,
    nearest_rotation,
    rotation_error_deg,
)
from foreign_python import numpy_environment
from prepared_data import pair_row, write_dataset

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "models"
WORLD = make_transform(axis_rotation("x", 70.0) @ axis_rotation("z", -25.0), (3.0, -7.0, 11.0))
"""Where another world has its origin."""

# Worked out by hand. Camera a sits at (1, 0, 0) of the world and looks along its x axis, camera b at (1, 0, 2) along z:
# camera a's right (x) is the world's -z, its forward (z) the world's x; both share y. Seen from a, b is 2 to the left
# (x = -2), and what is forward for b (the world's z) is to the left of a.
C_A = np.array([[0.0, 0, 1, 1], [0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]])
C_B = np.array([[1.0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]])
ROTATION_A_B = np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])
POSITION_B_IN_A = np.array([-2.0, 0, 0])
# The inverses, by hand as well: a point p of the world is at R' (p - c) of a camera.
E_A = np.array([[0.0, 0, -1, 0], [0, 1, 0, 0], [1, 0, 0, -1], [0, 0, 0, 1]])
E_B = np.array([[1.0, 0, 0, -1], [0, 1, 0, 0], [0, 0, 1, -2], [0, 0, 0, 1]])


@pytest.fixture(scope="module", autouse=True)
def _beside() -> Iterator[None]:
    sys.path.append(str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def seen(
    image_a: np.ndarray | None = None, image_b: np.ndarray | None = None, K: np.ndarray | None = None
) -> PairInput:
    generator = np.random.default_rng(0)
    pictures = [
        generator.integers(0, 256, (60, 80, 3), dtype=np.uint8) if image is None else image
        for image in (image_a, image_b)
    ]
    K = np.array([[70.0, 0, 39.5], [0, 70, 29.5], [0, 0, 1]]) if K is None else K
    return PairInput("p", *pictures, K, None, None, None, None)


class RandomPoses(nn.Module):
    """Pictures (..., N, 3, H, W) to a translation, a quaternion (x, y, z, w) and two more numbers for each of them."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.see = nn.Conv2d(3, 16, 14, stride=14)
        self.say = nn.Linear(16, 9)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        assert pictures.shape[-1] % 14 == pictures.shape[-2] % 14 == 0
        assert 0.0 <= pictures.min() <= pictures.max() <= 1.0
        features = self.see(pictures.flatten(0, -4)).mean(dim=(-2, -1))
        return self.say(50.0 * torch.tanh(features)).unflatten(0, pictures.shape[:-3])


def transforms(encoding: torch.Tensor, world: np.ndarray | None = None) -> np.ndarray:
    """The poses (N, 4, 4) of an encoding, in a world that was moved: by scipy, not by what is tested."""
    from scipy.spatial.transform import Rotation

    values = encoding.detach().double().numpy().reshape(-1, 9)
    rotation = Rotation.from_quat(values[:, 3:7]).as_matrix()
    return make_transform(rotation, values[:, :3]) @ (np.eye(4) if world is None else world)


def test_golden_poses() -> None:
    for E in (E_A, E_B), (E_A[:3], E_B[:3]):
        found = example("world_to_camera").relative_pose(*E)
        np.testing.assert_allclose(found, make_transform(ROTATION_A_B, POSITION_B_IN_A), atol=1e-15)
    found = example("camera_to_world").relative_pose(C_A, C_B)
    np.testing.assert_allclose(found, make_transform(ROTATION_A_B, POSITION_B_IN_A), atol=1e-15)


def test_moving_the_world_does_not_change_an_answer_and_the_wrong_formula_is_found_out() -> None:
    right = make_transform(ROTATION_A_B, POSITION_B_IN_A)
    E_a, E_b = E_A @ WORLD, E_B @ WORLD
    C_a, C_b = invert_transform(WORLD) @ C_A, invert_transform(WORLD) @ C_B
    np.testing.assert_allclose(example("world_to_camera").relative_pose(E_a, E_b), right, atol=1e-12)
    np.testing.assert_allclose(example("camera_to_world").relative_pose(C_a, C_b), right, atol=1e-12)

    def wrong(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.linalg.inv(one) @ other

    assert rotation_error_deg(wrong(E_a, E_b)[:3, :3], wrong(E_A, E_B)[:3, :3]) > 10.0
    assert rotation_error_deg(wrong(E_A, E_B)[:3, :3], ROTATION_A_B) > 10.0
    # Of two views it looks right where the first camera is the world, which is how such a mistake stays hidden.
    alone = wrong(np.eye(4), E_b @ np.linalg.inv(E_a))
    np.testing.assert_allclose(alone, np.linalg.inv(right), atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_a_network_of_either_kind_answers_alike_in_every_world(seed: int) -> None:
    network = RandomPoses(seed)
    pair = seen()
    answers = []
    for world in (np.eye(4), WORLD):
        to_camera = example("world_to_camera").WorldToCameraModel(
            lambda pictures, world=world: torch.from_numpy(transforms(network(pictures), world)), width_px=140
        )
        from_camera = example("camera_to_world").CameraToWorldModel(
            lambda pair, world=world: torch.from_numpy(
                invert_transform(transforms(network(example("pictures").network_pictures(pair, width_px=140)), world))
            )
        )
        answers += [model.predict([pair])[0] for model in (to_camera, from_camera)]
    assert rotation_error_deg(answers[0].rotation_a_b, np.eye(3)) > 1.0
    for answer in answers[1:]:
        np.testing.assert_allclose(answer.rotation_a_b, answers[0].rotation_a_b, atol=1e-9)
        np.testing.assert_allclose(answer.translation_a_b, answers[0].translation_a_b, atol=1e-9)


def test_pictures_keep_their_shape_and_become_whole_patches() -> None:
    tall = np.zeros((90, 60, 3), np.uint8)
    tall[:45] = 255
    found = example("pictures").network_pictures(seen(tall, tall), width_px=140)
    assert found.shape == (2, 3, 210, 140)
    assert found[0, :, :95].min() > 0.99
    assert found[0, :, 115:].max() < 0.01


# What the packages of these models offer, with a random network of a few thousand numbers behind it.
PACKAGES = {
    "vggt/models/vggt.py": """
import torch
from tests_network import RandomPoses
class VGGT(torch.nn.Module):
    @classmethod
    def from_pretrained(cls, name):
        assert name == "tiny"
        return cls()
    def __init__(self):
        super().__init__()
        self.network = RandomPoses()
    def forward(self, images):
        # As there: (S, 3, H, W) is one scene.
        images = images[None] if images.ndim == 4 else images
        return {"pose_enc": self.network(images)}
""",
    "vggt/utils/pose_enc.py": """
import torch
from tests_network import transforms
def pose_encoding_to_extri_intri(encoding, size):
    assert encoding.shape[:2] == (1, 2) and encoding.shape[2] == 9 and len(size) == 2
    return torch.from_numpy(transforms(encoding))[None, :, :3], None
""",
    "pi3/models/pi3.py": """
import numpy as np, torch
from tests_network import RandomPoses, transforms
class Pi3(torch.nn.Module):
    @classmethod
    def from_pretrained(cls, name):
        assert name == "tiny"
        return cls()
    def __init__(self):
        super().__init__()
        self.network = RandomPoses()
    def forward(self, images):
        assert images.shape[:3] == (1, 2, 3)
        return {"camera_poses": torch.from_numpy(np.linalg.inv(transforms(self.network(images))))[None]}
""",
    "mapanything/models/__init__.py": """
import numpy as np, torch
from tests_network import RandomPoses, transforms
class MapAnything(torch.nn.Module):
    @classmethod
    def from_pretrained(cls, name):
        assert name == "tiny"
        return cls()
    def __init__(self):
        super().__init__()
        self.network = RandomPoses()
    def infer(self, views):
        assert all(view["ready"] and view["intrinsics"].shape == (1, 3, 3) for view in views)
        poses = [torch.from_numpy(np.linalg.inv(transforms(self.network(view["img"])))) for view in views]
        return [{"camera_poses": pose} for pose in poses]
""",
    "mapanything/utils/image.py": """
from torch.nn.functional import interpolate
def preprocess_inputs(views):
    ready = []
    for view in views:
        assert view["img"].shape[2] == 3 and view["img"].max() > 1
        picture = interpolate(view["img"].permute(2, 0, 1)[None].float() / 255, size=(98, 140), mode="bilinear")
        ready.append({"img": picture, "intrinsics": view["intrinsics"][None], "ready": True})
    return ready
""",
}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch) -> Path:
    """The packages, importable from a folder."""
    for name, code in PACKAGES.items():
        path = tmp_path / "packages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in path.relative_to(tmp_path / "packages").parents[:-1]:
            (tmp_path / "packages" / folder / "__init__.py").touch()
        path.write_text(code)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setitem(sys.modules, "tests_network", sys.modules[__name__])
    yield tmp_path / "packages"
    for name in list(sys.modules):
        if name.partition(".")[0] in {"vggt", "pi3", "mapanything", "romatch"}:
            del sys.modules[name]


@pytest.mark.parametrize(
    ("module", "name", "options", "metric"),
    [
        ("world_to_camera", "Vggt", {"width_px": 140}, False),
        ("camera_to_world", "Pi3", {"width_px": 140}, False),
        ("camera_to_world", "MapAnything", {}, True),
    ],
)
@pytest.mark.usefixtures("packages")
def test_the_packages_are_called_as_they_want_to_be(module: str, name: str, options: dict, metric: bool) -> None:
    model = getattr(example(module), name)(checkpoint="tiny", **options)
    torch.manual_seed(99)
    pair = seen()
    [answer] = model.predict([pair])
    assert answer.metric is metric
    # The same from the encodings: the pose of each camera, and from one to the other in two steps.
    if name == "MapAnything":
        from mapanything.utils.image import preprocess_inputs

        views = [{"img": torch.tensor(image), "intrinsics": torch.eye(3)} for image in (pair.image_a, pair.image_b)]
        pictures = torch.cat([view["img"] for view in preprocess_inputs(views)])
    else:
        pictures = example("pictures").network_pictures(pair, width_px=140)
    E_a, E_b = transforms(RandomPoses()(pictures))
    point_in_b = np.array([0.3, -0.2, 2.0, 1.0])
    point_in_world = np.linalg.solve(E_b, point_in_b)
    point_in_a = make_transform(answer.rotation_a_b, answer.translation_a_b) @ point_in_b
    np.testing.assert_allclose(point_in_a, E_a @ point_in_world, atol=1e-5)
    assert rotation_error_deg(answer.rotation_a_b, np.eye(3)) > 1.0


ROMA = """
import torch
class Roma(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.depth = torch.nn.Linear(2, 1)
    def match(self, image_a, image_b, device):
        assert image_a.size == image_b.size == (80, 60) and image_a.mode == "RGB"
        # The scene is what the network makes up: each pixel has a random depth, moved by the pose of the test.
        from tests_network import ROMA_SCENE
        return ROMA_SCENE(self.depth), torch.ones(4000)
    def sample(self, warp, certainty, num):
        return warp[torch.multinomial(certainty, num)], certainty[:num]
    def to_pixel_coordinates(self, coordinates, height_a, width_a, height_b, width_b):
        scale = torch.tensor([width_a / 2, height_a / 2])
        return scale * (coordinates[:, :2] + 1), scale * (coordinates[:, 2:] + 1)
def roma_outdoor(device):
    return Roma()
"""
K = np.array([[70.0, 0, 39.5], [0, 72.0, 29.5], [0, 0, 1]])


def ROMA_SCENE(depth: nn.Module) -> torch.Tensor:  # noqa: N802 - as the package looks for it
    """Matches (4000, 4) in coordinates from -1 to 1 between the corners of the pictures."""
    generator = torch.Generator().manual_seed(7)
    points_a = torch.rand((4000, 2), generator=generator, dtype=torch.float64) * torch.tensor([80.0, 60.0]) - 0.5
    rays = torch.cat([points_a, torch.ones(4000, 1)], dim=1).double() @ torch.linalg.inv(torch.from_numpy(K)).T
    with torch.no_grad():
        metres = 2.0 + 3.0 * torch.sigmoid(50.0 * depth(rays[:, :2].float())).double()
    T_b_a = torch.from_numpy(np.linalg.inv(make_transform(ROMA_ROTATION, ROMA_TRANSLATION)))
    in_b = (rays * metres) @ T_b_a[:3, :3].T + T_b_a[:3, 3]
    points_b = (in_b @ torch.from_numpy(K).T)[:, :2] / in_b[:, 2:]
    # A fifth of the matches is wrong.
    points_b[::5] = torch.rand((800, 2), generator=generator, dtype=torch.float64) * 60.0
    size = torch.tensor([80.0, 60.0])
    return torch.cat([2.0 * (points + 0.5) / size - 1.0 for points in (points_a, points_b)], dim=1)


ROMA_ROTATION = axis_rotation("y", 8.0) @ axis_rotation("x", -3.0)
ROMA_TRANSLATION = np.array([0.4, -0.1, 0.2])


def test_matches_become_the_pose_that_made_them(packages: Path) -> None:
    (packages / "romatch").mkdir()
    (packages / "romatch" / "__init__.py").write_text(ROMA)
    model = example("matches").Roma(matches=2000)
    [answer] = model.predict([seen(K=K)])
    assert rotation_error_deg(answer.rotation_a_b, ROMA_ROTATION) < 0.02
    assert direction_error_deg(answer.translation_a_b, ROMA_TRANSLATION) < 0.2
    assert answer.confidence == pytest.approx(0.8, abs=0.05)


def test_too_few_matches_are_no_answer() -> None:
    matches = example("matches")
    points = np.random.default_rng(0).uniform(0, 60, (4, 2))
    [answer] = matches.MatchingModel(lambda a, b: (points, points)).predict([seen()])
    assert np.isnan(answer.rotation_a_b).all()


def test_a_golden_essential_matrix() -> None:
    # Camera b stands a metre to the right of a and looks the same way: points move left by focal length over depth.
    generator = np.random.default_rng(1)
    points_a = generator.uniform((0, 0), (80, 60), (200, 2))
    depth = generator.uniform(3.0, 9.0, 200)
    points_b = points_a - np.column_stack([70.0 / depth, np.zeros(200)])
    intrinsics = np.array([[70.0, 0, 39.5], [0, 70, 29.5], [0, 0, 1]])
    answer = example("matches").pose_from_matches(points_a, points_b, intrinsics)
    np.testing.assert_allclose(nearest_rotation(answer.rotation_a_b), np.eye(3), atol=1e-6)
    np.testing.assert_allclose(answer.translation_a_b, [1.0, 0.0, 0.0], atol=1e-6)


def test_an_adapter_is_evaluated_from_the_command_line(tmp_path: Path, packages: Path) -> None:
    data = write_dataset(
        tmp_path / "data", {"test": [pair_row(f"p{number}", group_id=f"g{number}") for number in range(4)]}
    )
    (packages / "tests_network.py").write_text((Path(__file__)).read_text())
    model = f"{FOLDER / 'world_to_camera.py'}:Vggt"
    arguments = [str(data), "--model", model, "-o", str(tmp_path / "run"), "--no-report"]
    options = ["--set", "checkpoint=tiny", "--set", "width_px=140"]
    result = CliRunner().invoke(evaluate, [*arguments, *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    predictions = read_predictions(tmp_path / "run" / "predictions.parquet")
    assert set(predictions.status) == {Status.OK}
    shown = CliRunner().invoke(models, [model]).output
    assert "--set checkpoint=...  a text; default facebook/VGGT-1B" in shown


def test_an_environment_without_torch_is_told_in_one_line(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data", {"test": [pair_row("p", group_id="g")]})
    python = numpy_environment(tmp_path / "environment")
    arguments = [str(data), "--model", f"{FOLDER / 'matches.py'}:Roma", "-o", str(tmp_path / "run")]
    result = CliRunner().invoke(evaluate, [*arguments, "--python", str(python)])
    assert "matches.py: found ModuleNotFoundError: No module named 'cv2' (matches.py:" in str(result.exception)
    assert f"it ran with {python}" in str(result.exception)
