"""Reading weights that users bring, without ever running code from a file."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from avbench.preprocessing.base.errors import InputError

_SHOWN_KEYS = 3


def read_weights(path: Path) -> dict[str, Tensor]:
    """Weights of a `.safetensors`, `.pth`, `.pt` or `.ckpt` file, on the CPU.

    A pickle may hold tensors, plain containers and the parsed arguments of a training script, in a dictionary that has
    the weights itself or under `model` or `state_dict`; anything that would run code is refused.

    Raises:
        InputError: The file is missing, damaged, holds code, or holds no weights.
    """
    if not path.is_file():
        raise InputError(path, found="no such file", expected="a checkpoint (.safetensors or .pth)")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(path, found=f"unreadable ({error})", expected="a safetensors file") from error
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # reading as a pickle what is none fails in every way that there is
        raise InputError(
            path,
            found=f"unreadable or holding code ({_first_line(error)})",
            expected="tensors in plain containers",
            hint="convert it to .safetensors where it comes from",
        ) from error
    if isinstance(content, Mapping):
        for key in ("model", "state_dict"):
            if isinstance(content.get(key), Mapping):
                content = content[key]
                break
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise InputError(path, found="no dictionary of weights", expected="named tensors, or such under `model`")
    return dict(content)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def check_shapes(network: nn.Module, weights: Mapping[str, Tensor], where: str | Path) -> None:
    """Check that weights are those of a network: names and shapes must agree to the last one.

    Raises:
        InputError: A name is missing or left over, or a shape differs.
    """
    expected = network.state_dict()
    missing, extra = sorted(expected.keys() - weights.keys()), sorted(weights.keys() - expected.keys())
    if missing or extra:
        raise InputError(
            where,
            found=f"{len(missing)} names missing {missing[:_SHOWN_KEYS]}, {len(extra)} unknown {extra[:_SHOWN_KEYS]}",
            expected=f"the {len(expected)} names of this network",
            hint="check that the checkpoint belongs to this model and configuration",
        )
    for name, tensor in expected.items():
        if weights[name].shape != tensor.shape:
            raise InputError(
                f"{where}: {name}", found=str(tuple(weights[name].shape)), expected=str(tuple(tensor.shape))
            )


def load_strictly(network: nn.Module, weights: Mapping[str, Tensor], where: str | Path) -> None:
    """Load weights into a network; names and shapes must agree to the last one.

    Raises:
        InputError: As `check_shapes`.
    """
    check_shapes(network, weights, where)
    network.load_state_dict(dict(weights), strict=True)
