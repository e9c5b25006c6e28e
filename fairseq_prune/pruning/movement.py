"""Movement: weights that training moves away from zero stay (Sanh et al. 2020)."""

from typing import Dict

import torch
from torch import Tensor

from .pieces import CHUNK
from .score import Inputs, Score, Scorer


def movement(inputs: Inputs) -> Dict[str, Scorer]:
    """Minus the sum of w g over all updates so far, in its order but above 0.

    Sanh et al. 2020, "Movement Pruning" (arXiv 2005.07683), equation 4, without the learning rate:
    the straight-through gradient of a score by which weights are kept. It is negative for weights
    that shrink. With x in units of its root mean square over the model, x of those that grow,
    1 / (2 FAR) of 0 and 1 / (4 FAR^2 |x|) of those that shrink are in the same order; only beyond
    FAR and below 1 / FAR they are alike.
    """
    sums = [inputs.statistics[name] for name in inputs.weights]
    count = sum(value.numel() for value in sums)
    pieces = (piece for value in sums for piece in value.reshape(-1).split(CHUNK))
    squares = sum(float(piece.double().square().sum()) for piece in pieces)
    unit = (squares / max(1, count)) ** 0.5 or 1.0
    return {name: _movement_of(inputs.statistics[name], unit) for name in inputs.weights}


#: So that all scores are float32 that are no denormals.
FAR = 2.0**40
MOVEMENT = Score(movement, state="movement")


def _movement_of(sums: Tensor, unit: float) -> Scorer:
    flat = sums.reshape(-1)

    def scorer(piece: Tensor, position: int) -> Tensor:
        x = flat[position : position + piece.numel()].to(piece.device) / unit
        sizes = x.abs().clamp(1 / FAR, FAR)
        of_others = torch.where(x < 0, 1 / (4 * FAR**2) / sizes, torch.full_like(x, 1 / (2 * FAR)))
        return torch.where(x > 0, sizes, of_others)

    return scorer
