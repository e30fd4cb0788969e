"""The two-view transformer of Reloc3r (Dong et al., CVPR 2025, arXiv 2412.08376), written from its description.

A ViT encoder shared by both views, a decoder whose blocks attend to the other view, and a head that regresses one pose
per branch. Module names follow the keys of the published checkpoints, so that those load strictly; no line comes from
the public code, whose licence (CC BY-NC-SA 4.0, weights included) is not ours.

Conventions: view 1 is frame a, view 2 frame b. `pose_2to1` maps points of camera 2 into camera 1, which is `T_a_b`; its
translation is a direction, its length means nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LAYER_NORM_EPS = 1e-6
ROTATION_ROW_EPS = 1e-12


@dataclass(frozen=True)
class Reloc3rConfig:
    """Sizes of the network; the defaults are the published ones (426,523,916 parameters).

    No parameter's shape depends on the picture size, so one configuration serves the 224 and the 512 checkpoint.
    """

    patch_size: int = 16
    enc_embed_dim: int = 1024
    enc_depth: int = 24
    enc_num_heads: int = 16
    dec_embed_dim: int = 768
    dec_depth: int = 12
    dec_num_heads: int = 12
    mlp_ratio: int = 4
    rope_base: float = 100.0

    @property
    def head_dim(self) -> int:
        """Width of the pose head, which the published design ties to the patch size."""
        return 4 * self.patch_size**2


@dataclass(frozen=True)
class View:
    """One picture of every pair of a batch.

    Attributes:
        image: (B, 3, H, W) float32, RGB scaled to [-1, 1], W >= H. A portrait picture is stored with its axes swapped.
        true_shape: (B, 2) int64, height and width of the upright picture; height > width marks a portrait one.
    """

    image: Tensor
    true_shape: Tensor


@dataclass(frozen=True)
class Tokens:
    """Tokens of one view: (B, N, C), and (B, N, 2) their row and column in the upright picture."""

    values: Tensor
    positions: Tensor


@dataclass(frozen=True)
class BranchOutput:
    """What the head makes of one branch.

    Attributes:
        pooled: (B, head_dim) token mean of the head's feature map: the visual feature that fusion uses.
        feature: (B, head_dim) after the head's MLP.
        raw_translation: (B, 3).
        raw_rotation: (B, 9) before it is made a rotation.
        pose: (B, 4, 4).
    """

    pooled: Tensor
    feature: Tensor
    raw_translation: Tensor
    raw_rotation: Tensor
    pose: Tensor


@dataclass(frozen=True)
class TwoViewOutput:
    """Poses of both directions; `second.pose` is `pose_2to1` = `T_a_b`, `first.pose` is its independent reverse."""

    first: BranchOutput
    second: BranchOutput


def rotation_from_nine(raw: Tensor) -> Tensor:
    """Nearest rotation (B, 3, 3) to nine numbers (B, 9) read row by row, after each row is scaled to length 1.

    Determinant fix as in Kabsch's algorithm, so that the result is never a reflection (Levinson et al. 2020).
    """
    M = raw.reshape(-1, 3, 3)
    M = M / M.norm(dim=-1, keepdim=True).clamp_min(ROTATION_ROW_EPS)
    U, _, Vh = torch.linalg.svd(M)
    sign = torch.linalg.det(U @ Vh)
    scale = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], dim=-1)
    rotation: Tensor = (U * scale[:, None, :]) @ Vh
    return rotation


class RotaryEmbedding2D(nn.Module):
    """Rotary position embedding on a grid: half of a head's channels turn with the row, half with the column.

    Within a half of D channels, channel k pairs with k + D/2 and turns by position * base**(-2k/D) (Su et al. 2021, in
    two dimensions). Positions run from 0; the embedding has no parameters.
    """

    def __init__(self, base: float) -> None:
        super().__init__()
        self.base = base

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """Turn (B, heads, N, head channels) by integer positions (B, N, 2)."""
        rows, columns = x.chunk(2, dim=-1)
        return torch.cat([self._turn(rows, positions[..., 0]), self._turn(columns, positions[..., 1])], dim=-1)

    def _turn(self, x: Tensor, position: Tensor) -> Tensor:
        channels = x.shape[-1]
        exponent = torch.arange(0, channels, 2, device=x.device, dtype=torch.float32) / channels
        angle = position[:, None, :, None].float() * self.base**-exponent
        cosine, sine = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        first, second = x.chunk(2, dim=-1)
        return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


class SelfAttention(nn.Module):
    """Multi-head self-attention with rotary positions."""

    def __init__(self, dim: int, num_heads: int, rope: RotaryEmbedding2D) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.rope = rope
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """Attend within (B, N, C)."""
        batch, count, dim = x.shape
        qkv = self.qkv(x).reshape(batch, count, 3, self.num_heads, dim // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(self.rope(q, positions), self.rope(k, positions), v)
        merged: Tensor = self.proj(out.transpose(1, 2).reshape(batch, count, dim))
        return merged


class CrossAttention(nn.Module):
    """Multi-head attention of one view's tokens to the other's, with rotary positions of each."""

    def __init__(self, dim: int, num_heads: int, rope: RotaryEmbedding2D) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.rope = rope
        self.projq = nn.Linear(dim, dim)
        self.projk = nn.Linear(dim, dim)
        self.projv = nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, query: Tensor, other: Tensor, positions: Tensor, other_positions: Tensor) -> Tensor:
        """Attend from (B, N, C) to (B, M, C)."""
        q = self.rope(self._split(self.projq(query)), positions)
        k = self.rope(self._split(self.projk(other)), other_positions)
        out = F.scaled_dot_product_attention(q, k, self._split(self.projv(other)))
        merged: Tensor = self.proj(out.transpose(1, 2).flatten(2))
        return merged

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.num_heads, -1).transpose(1, 2)


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to (..., C)."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class EncoderBlock(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: int, rope: RotaryEmbedding2D) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.attn = SelfAttention(dim, num_heads, rope)
        self.norm2 = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(dim, mlp_ratio * dim)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """(B, N, C) to (B, N, C)."""
        x = x + self.attn(self.norm1(x), positions)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class DecoderBlock(nn.Module):
    """Self-attention, attention to the other view, MLP; the same weights serve both views."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: int, rope: RotaryEmbedding2D) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.attn = SelfAttention(dim, num_heads, rope)
        self.cross_attn = CrossAttention(dim, num_heads, rope)
        self.norm2 = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.norm3 = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(dim, mlp_ratio * dim)
        self.norm_y = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)

    def forward(self, x: Tensor, other: Tensor, positions: Tensor, other_positions: Tensor) -> Tensor:
        """(B, N, C), given the other view's tokens (B, M, C) as they were before this block."""
        x = x + self.attn(self.norm1(x), positions)
        x = x + self.cross_attn(self.norm2(x), self.norm_y(other), positions, other_positions)
        out: Tensor = x + self.mlp(self.norm3(x))
        return out


class PatchEmbedding(nn.Module):
    """Pictures to tokens; portrait pictures, stored with swapped axes, are turned back first."""

    def __init__(self, patch_size: int, dim: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.proj = nn.Conv2d(3, dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, view: View) -> Tokens:
        """Tokens in row-major order of the upright picture.

        Raises:
            ValueError: The stored pictures are taller than wide, or their sides are no multiples of the patch size.
        """
        height, width = view.image.shape[-2:]
        if height > width or height % self.patch_size or width % self.patch_size:
            raise ValueError(
                f"pictures of {width}x{height} px: they must be at least as wide as high, portrait ones with swapped "
                f"axes, and both sides multiples of {self.patch_size}"
            )
        portrait = view.true_shape[:, 0] > view.true_shape[:, 1]
        rows, columns = height // self.patch_size, width // self.patch_size
        values = view.image.new_empty((len(view.image), rows * columns, self.proj.out_channels))
        positions = view.true_shape.new_empty((len(view.image), rows * columns, 2))
        for is_portrait in (False, True):
            chosen = portrait if is_portrait else ~portrait
            if not bool(chosen.any()):
                continue
            pictures = view.image[chosen]
            tokens = self.proj(pictures.transpose(-1, -2) if is_portrait else pictures).flatten(2).transpose(1, 2)
            grid = (columns, rows) if is_portrait else (rows, columns)
            values = values.to(tokens.dtype)
            values[chosen] = tokens
            positions[chosen] = torch.cartesian_prod(
                torch.arange(grid[0], device=positions.device), torch.arange(grid[1], device=positions.device)
            ).to(positions.dtype)
        return Tokens(values, positions)


class ResidualConv(nn.Module):
    """Three 1x1 convolutions on tokens, each followed by a ReLU, added to their input."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.res_conv1 = nn.Conv2d(dim, dim, kernel_size=1)
        self.res_conv2 = nn.Conv2d(dim, dim, kernel_size=1)
        self.res_conv3 = nn.Conv2d(dim, dim, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        out = F.relu(self.res_conv1(x))
        out = F.relu(self.res_conv2(out))
        return x + F.relu(self.res_conv3(out))


class PoseHead(nn.Module):
    """Token mean of a small residual network, two linear layers, a translation and a rotation."""

    def __init__(self, token_dim: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(token_dim, dim)
        self.res_conv = nn.ModuleList([ResidualConv(dim), ResidualConv(dim)])
        self.more_mlps = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU())
        self.fc_t = nn.Linear(dim, 3)
        self.fc_rot = nn.Linear(dim, 9)

    def forward(self, tokens: Tensor) -> BranchOutput:
        """Pose of (B, N, C) tokens; in float32 whatever the precision around it."""
        with torch.autocast(tokens.device.type, enabled=False):
            x = self.proj(tokens.float()).transpose(1, 2)[..., None]  # 1x1 convolutions do not mind the grid's shape
            for block in self.res_conv:
                x = block(x)
            pooled = x.mean(dim=(2, 3))
            feature = self.more_mlps(pooled)
            raw_translation = self.fc_t(feature)
            raw_rotation = self.fc_rot(feature)
            pose = torch.eye(4, device=x.device).repeat(len(x), 1, 1)
            pose[:, :3, :3] = rotation_from_nine(raw_rotation)
            pose[:, :3, 3] = raw_translation
        return BranchOutput(pooled, feature, raw_translation, raw_rotation, pose)


class Reloc3rNetwork(nn.Module):
    """Encoder, decoder and head; see the module's docstring for the conventions."""

    def __init__(self, config: Reloc3rConfig) -> None:
        super().__init__()
        self.config = config
        rope = RotaryEmbedding2D(config.rope_base)
        self.patch_embed = PatchEmbedding(config.patch_size, config.enc_embed_dim)
        self.enc_blocks = nn.ModuleList(
            EncoderBlock(config.enc_embed_dim, config.enc_num_heads, config.mlp_ratio, rope)
            for _ in range(config.enc_depth)
        )
        self.enc_norm = nn.LayerNorm(config.enc_embed_dim, eps=LAYER_NORM_EPS)
        self.decoder_embed = nn.Linear(config.enc_embed_dim, config.dec_embed_dim)
        self.dec_blocks = nn.ModuleList(
            DecoderBlock(config.dec_embed_dim, config.dec_num_heads, config.mlp_ratio, rope)
            for _ in range(config.dec_depth)
        )
        self.dec_norm = nn.LayerNorm(config.dec_embed_dim, eps=LAYER_NORM_EPS)
        self.pose_head = PoseHead(config.dec_embed_dim, config.head_dim)

    def encode(self, view: View) -> Tokens:
        """Tokens of one view after the encoder and its norm."""
        tokens = self.patch_embed(view)
        x = tokens.values
        for block in self.enc_blocks:
            x = block(x, tokens.positions)
        return Tokens(self.enc_norm(x), tokens.positions)

    def decode(self, first: Tokens, second: Tokens) -> tuple[Tensor, Tensor]:
        """Decoder tokens of both views (B, N, C), (B, M, C), each having looked at the other."""
        x, y = self.decoder_embed(first.values), self.decoder_embed(second.values)
        for block in self.dec_blocks:
            # Both sides read the other as it was before this block.
            x, y = (
                block(x, y, first.positions, second.positions),
                block(y, x, second.positions, first.positions),
            )
        return self.dec_norm(x), self.dec_norm(y)

    def forward(self, first: View, second: View) -> TwoViewOutput:
        """Poses of both directions for a batch of pairs."""
        x, y = self.decode(self.encode(first), self.encode(second))
        return TwoViewOutput(self.pose_head(x), self.pose_head(y))
