"""Kept values: as they are, as fp16, or as int8 with a scale for each output channel."""

import numpy as np
import torch
from torch import Tensor

from ...pruning import PruneError

_LARGEST = 127


def is_lossy_for(values: str, weight: Tensor) -> bool:
    """Whether ``values`` stores ``weight`` in less: biases and norms stay as they are."""
    width = {"exact": 8, "fp16": 2, "int8": 1}[values]
    matrix = weight.is_floating_point() and weight.dim() >= 2 and weight.numel() > 0
    return matrix and weight.element_size() > width


def row_scales(weight: Tensor, name: str) -> np.ndarray:
    """fp16 scale of each output channel (row): the largest magnitude over 127, rounded up.

    Raises:
        PruneError: a weight is not finite, or too large.
    """
    rows = weight.detach().reshape(weight.shape[0], -1)
    # the largest and the smallest: no copy of all magnitudes
    largest = torch.maximum(rows.amax(dim=1), -rows.amin(dim=1)).double().numpy()
    wanted = largest / _LARGEST
    with np.errstate(over="ignore"):
        scales = wanted.astype(np.float16)
        below = scales.astype(np.float64) < wanted
        scales[below] = np.nextafter(scales[below], np.float16(np.inf))
    if not np.isfinite(scales).all():
        raise PruneError(f"{name} has weights that are not finite or too large for int8")
    return scales


def quantize(rows: Tensor, scales: np.ndarray) -> np.ndarray:
    """int8 values of some rows (R, ...), flat."""
    scale = torch.from_numpy(scales.astype(np.float32))
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    values = (rows.float().reshape(len(scales), -1) / scale.unsqueeze(1)).round_()
    return values.clamp_(-_LARGEST, _LARGEST).to(torch.int8).reshape(-1).numpy()


def dequantize(values: np.ndarray, row: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """float32 of int8 ``values``, each in the output channel ``row``."""
    with np.errstate(invalid="ignore"):  # of scales that nobody wrote
        return values.view(np.int8) * scales.view(np.float16).astype(np.float32)[row]


def to_half(rows: Tensor, name: str) -> np.ndarray:
    """fp16 values of some rows, flat.

    Raises:
        PruneError: a finite weight is beyond 65504.
    """
    half = rows.detach().half()
    if bool((half.isinf() & ~rows.isinf()).any()):
        raise PruneError(f"{name} has weights too large for fp16; pack without --values fp16")
    return half.reshape(-1).numpy()
