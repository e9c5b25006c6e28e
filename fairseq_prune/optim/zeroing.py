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
    addresses = []
    for tensor in tensors:
        if engine is not None and _in_memory(bits, torch.int8) and _in_memory(tensor):
            addresses.append(tensor.data_ptr())
        else:
            # memory-efficient half precision leaves the state it loads on the CPU until it steps
            zero_pruned_(tensor, bits.to(tensor.device))
    if engine is not None and addresses:
        array = (ctypes.c_void_p * len(addresses))(*addresses)
        check(engine.engine_zero(bits.data_ptr(), bits.numel(), array, len(addresses)))


def _in_memory(tensor: Tensor, kind: torch.dtype = torch.float32) -> bool:
    """Whether the numbers lie as the engine takes them."""
    return tensor.device.type == "cpu" and tensor.dtype == kind and tensor.is_contiguous()
