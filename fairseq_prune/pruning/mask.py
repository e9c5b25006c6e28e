"""Masks: one bit per prunable weight, 1 = keep, 0 = pruned."""

from typing import Mapping

import torch
from torch import Tensor

#: Elements handled at once on a CPU; the widened mask then stays in cache.
_CHUNK = 1 << 16
_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def apply_(tensor: Tensor, mask: Tensor) -> None:
    """Set the pruned entries of ``tensor`` to +0.0, in place.

    Assigned, not multiplied: -1 * 0 is -0.0 and NaN * 0 is NaN.

    Args:
        tensor: floating-point, of any shape.
        mask: bool, of the same shape and on the same device; True is kept.
    """
    zero_pruned_(tensor, keep_bits(mask))


def keep_bits(mask: Tensor) -> Tensor:
    """A mask for ``zero_pruned_``: int8, all bits one (-1) = keep, 0 = pruned."""
    return mask.to(torch.int8).neg_()


def zero_pruned_(tensor: Tensor, bits: Tensor) -> None:
    """Set the pruned entries of ``tensor`` to +0.0, in place, several times as fast as
    ``masked_fill_``: an integer "and" leaves kept numbers as they are and no bit of others.

    Args:
        tensor: floating point, any shape.
        bits: from ``keep_bits``, as many elements.
    """
    tensor, bits = tensor.detach(), bits.reshape(-1)
    if not tensor.is_contiguous():
        tensor.masked_fill_(bits.view(tensor.shape) == 0, 0.0)
        return
    words = tensor.view(-1).view(_INTEGERS[tensor.element_size()])
    if words.is_cuda:
        words.bitwise_and_(bits)
        return
    for some_words, some_bits in zip(words.split(_CHUNK), bits.split(_CHUNK)):
        some_words.bitwise_and_(some_bits)


def sparsity(masks: Mapping[str, Tensor]) -> float:
    """Pruned / prunable over all ``masks``."""
    total = sum(mask.numel() for mask in masks.values())
    kept = sum(int(torch.count_nonzero(mask)) for mask in masks.values())
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
    check_packed(packed, shape)
    count = torch.Size(shape).numel()
    bits = torch.empty(packed.numel(), 8, dtype=torch.bool, device=packed.device)
    for bit in range(8):
        bits[:, bit] = (packed >> bit) & 1
    return bits.view(-1)[:count].reshape(shape).clone()


def check_packed(packed: Tensor, shape) -> None:
    """Raise ValueError unless ``packed`` has the type and length of a mask of ``shape``."""
    whole = packed.dtype == torch.uint8 and packed.layout == torch.strided and packed.dim() == 1
    if not whole or packed.numel() != (torch.Size(shape).numel() + 7) // 8:
        raise ValueError(f"{packed.numel()} bytes are no mask of shape {tuple(shape)}")
