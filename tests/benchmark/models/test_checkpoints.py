"""Weights from users: good ones load, code never runs."""

from __future__ import annotations

import argparse
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from avbench.benchmark.models.learned.checkpoints import load_strictly, read_weights
from avbench.preprocessing.base.errors import InputError


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    return {"weight": torch.ones(2, 3), "bias": torch.arange(2.0)}


@pytest.mark.parametrize("wrap", ["plain", "model", "with_arguments", "safetensors"])
def test_every_supported_form_loads(tmp_path: Path, weights: dict[str, torch.Tensor], wrap: str) -> None:
    path = tmp_path / ("w.safetensors" if wrap == "safetensors" else "w.pth")
    if wrap == "safetensors":
        save_file(weights, path)
    elif wrap == "plain":
        torch.save(weights, path)
    elif wrap == "model":
        torch.save({"model": weights, "epoch": 3}, path)
    else:
        torch.save({"model": weights, "args": argparse.Namespace(lr=1e-4)}, path)
    network = nn.Linear(3, 2)
    load_strictly(network, read_weights(path), path)
    assert torch.equal(network.weight, weights["weight"])


class Exploit:
    """A pickle that would leave a file behind if it ran."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.target),))


def test_a_pickle_with_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"model": Exploit(tmp_path / "ran")}, path)
    with pytest.raises(InputError, match="holding code"):
        read_weights(path)
    path.write_bytes(pickle.dumps(Exploit(tmp_path / "ran"), protocol=2))
    with pytest.raises(InputError, match="holding code"):
        read_weights(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_damaged_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_weights(path)


def test_missing_file_and_no_weights(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_weights(tmp_path / "absent.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(InputError, match="no dictionary of weights"):
        read_weights(tmp_path / "list.pth")


def test_names_and_shapes_must_agree(weights: dict[str, torch.Tensor]) -> None:
    with pytest.raises(InputError, match=r"1 names missing \['bias'\], 1 unknown \['biass'\]"):
        load_strictly(nn.Linear(3, 2), {"weight": weights["weight"], "biass": weights["bias"]}, "w.pth")
    with pytest.raises(InputError, match=r"weight: found \(2, 3\), expected \(2, 4\)"):
        load_strictly(nn.Linear(4, 2), weights, "w.pth")
