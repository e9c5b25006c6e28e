"""Zeros for all tensors of a parameter at once, by the engine where it is compiled."""

import ctypes
from typing import List

import torch
from torch import Tensor

from ..engine.library import check, find_library
from ..pruning import zero_pruned_


def zero_all_(tensors: List[Tensor], bits: Tensor) -> None:
    """``pruning.zero_pruned_`` of each.

    Args:
        tensors: floating point, each with as many elements as ``bits``.
        bits: from ``pruning.keep_bits``, flat.
    """
    engine = find_library()
    theirs = [t for t in tensors if engine is not None and _is_plain(t) and _is_plain_mask(bits)]
    if theirs:
        addresses = (ctypes.c_void_p * len(theirs))(*(t.data_ptr() for t in theirs))
        check(engine.engine_zero(bits.data_ptr(), bits.numel(), addresses, len(theirs)))
    for tensor in tensors:
        if not any(tensor is other for other in theirs):
            # memory-efficient half precision leaves the state it loads on the CPU until it steps
            zero_pruned_(tensor, bits.to(tensor.device))


def _is_plain(tensor: Tensor) -> bool:
    is_plain = tensor.device.type == "cpu" and tensor.is_contiguous()
    return is_plain and tensor.dtype == torch.float32


def _is_plain_mask(bits: Tensor) -> bool:
    return bits.device.type == "cpu" and bits.is_contiguous()
