"""Masks: one bit per prunable weight, 1 = keep, 0 = pruned."""

from typing import Mapping

import torch
from torch import Tensor


def apply_(weight: Tensor, mask: Tensor) -> None:
    """Set the pruned entries of ``weight`` to +0.0, in place.

    Assigned, not multiplied: -1 * 0 is -0.0 and NaN * 0 is NaN.
    """
    with torch.no_grad():
        weight.masked_fill_(mask.logical_not().view_as(weight), 0.0)


def sparsity(masks: Mapping[str, Tensor]) -> float:
    """Pruned / prunable over all ``masks``."""
    total = sum(mask.numel() for mask in masks.values())
    kept = sum(int(mask.sum()) for mask in masks.values())
    return (total - kept) / total if total else 0.0


def pack(mask: Tensor) -> Tensor:
    """A bool mask as uint8, eight to the byte, the first in the lowest bit."""
    flat = mask.reshape(-1)
    padded = torch.nn.functional.pad(flat.to(torch.uint8), (0, -flat.numel() % 8))
    packed = padded[0::8].clone()
    for bit in range(1, 8):
        packed |= padded[bit::8] << bit
    return packed


def unpack(packed: Tensor, shape) -> Tensor:
    """The bool mask of ``shape`` that ``pack`` made ``packed`` from.

    Raises:
        ValueError: ``packed`` has not the length that ``shape`` needs.
    """
    count = torch.Size(shape).numel()
    if packed.dtype != torch.uint8 or packed.numel() != (count + 7) // 8:
        raise ValueError(f"{packed.numel()} bytes are no mask of shape {tuple(shape)}")
    bits = torch.empty(packed.numel(), 8, dtype=torch.bool, device=packed.device)
    for bit in range(8):
        bits[:, bit] = (packed >> bit) & 1
    return bits.view(-1)[:count].reshape(shape).clone()
