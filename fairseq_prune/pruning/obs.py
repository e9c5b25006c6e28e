"""Optimal brain surgeon in blocks: which weight is missed least, if its neighbours make up.

Hassibi and Stork 1993; with the empirical Fisher matrix, in blocks along rows, Singh and
Alistarh 2020 ("WoodFisher", arXiv 2004.14340, section 3) and Kurtic et al. 2022 ("oBERT", arXiv
2203.07259, equation 3). The inverse is made directly: blocks are small.
"""

from typing import Dict, Iterator, List, NamedTuple, Tuple

import torch
from torch import Tensor

from .fisher import ROW_SHARE, check_options
from .guard import is_guarded, row_factors
from .score import Inputs, Score, Scorer, times
from .statistics import Statistic

#: Neighbours in a row that make up for each other.
BLOCK = 50
#: Gradients that are multiplied at once.
_WAITING = 16
#: Blocks whose matrices are worked on at once: 1,024 take 10 MB.
_AT_ONCE = 1024
#: Least damping of a block in units of its own mean diagonal, so that none is singular in float32.
_LEAST = 1e-5


def _blocks(weight: Tensor) -> Tensor:
    """Rows cut into blocks, [blocks, BLOCK]; a row's last is filled up with zeros."""
    if weight.numel() == 0:
        return weight.new_zeros(0, BLOCK)
    rows = weight.reshape(weight.shape[0], -1) if weight.dim() > 1 else weight.reshape(1, -1)
    padded = torch.nn.functional.pad(rows, (0, -rows.shape[1] % BLOCK))
    return padded.reshape(-1, BLOCK)


def _whole(blocks: List[Tensor], like: Tensor) -> Tensor:
    """What ``_blocks`` was made of, from consecutive pieces of its result."""
    if like.numel() == 0:
        return torch.zeros_like(like)
    rows = like.shape[0] if like.dim() > 1 else 1
    return torch.cat(blocks).reshape(rows, -1)[:, : like.numel() // rows].reshape(like.shape)


class BlockFisher(Statistic):
    """Blocks of the empirical Fisher matrix: [blocks, BLOCK, BLOCK], the mean of g g^T.

    BLOCK float32 a weight, 1.2 GB for 6 million, and a third of that for gradients that wait:
    several are multiplied at once, since each time all blocks pass through memory.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: Dict[str, List[Tensor]] = {}

    def of_gradient(self, gradient: Tensor) -> Tensor:
        blocks = _blocks(gradient)
        return blocks.unsqueeze(2) * blocks.unsqueeze(1)

    def take(self, name: str, gradient: Tensor) -> None:
        waiting = self._waiting.setdefault(name, [])
        waiting.append(_blocks(gradient).clone())
        if len(waiting) == _WAITING:
            self._multiply(name)

    def _multiply(self, name: str) -> None:
        waiting = self._waiting.pop(name, [])
        if not waiting:
            return
        gradients = torch.stack(waiting, dim=1)  # [blocks, batches, BLOCK]
        if name not in self.sums:
            self.sums[name] = gradients.new_zeros(len(gradients), BLOCK, BLOCK)
        self.sums[name].baddbmm_(gradients.transpose(1, 2), gradients)

    def settle(self) -> None:
        for name in list(self._waiting):
            self._multiply(name)


def obs(
    inputs: Inputs, exponent: float = 0.25, damping: float = 0.1, guard: str = ""
) -> Dict[str, Scorer]:
    """|w| / [H^-1]_ii^exponent, H the Fisher block of the weights that are left, damped.

    With exponent 1/2 its square is twice the loss that Hassibi and Stork 1993, equation 5, expect;
    a smaller exponent trusts it less, as that of ``fisher``.

    Args:
        damping: what is added to H's diagonal, in units of its mean over the weight class.
        guard: as of ``fisher``.
    """
    scorers = {}
    for name, scale in _scales(inputs, guard, damping).items():
        weight, pieces = inputs.weights[name], []
        for _, _, matrices in _damped(name, inputs, scale):
            inverse = torch.cholesky_inverse(torch.linalg.cholesky(matrices))
            pieces.append(torch.diagonal(inverse, dim1=1, dim2=2).pow(-exponent))
        scorers[name] = times(_whole(pieces, weight).reshape(-1))
    return scorers


def compensate(
    inputs: Inputs, exponent: float = 0.25, damping: float = 0.1, guard: str = ""
) -> Dict[str, Tensor]:
    """The surviving weights S of each block, set to where the loss is least without the others Q.

    w_S + H_SS^-1 H_SQ w_Q: Hassibi and Stork 1993, equation 5, for several weights at once. Pruned
    weights are zero in the result.

    Args:
        inputs: with the weights before this pruning, and the masks after it.
        exponent, damping, guard: as of ``obs``; the first changes nothing here.
    """
    updated = {}
    for name, scale in _scales(inputs, guard, damping).items():
        weight, pieces = inputs.weights[name], []
        blocks = _blocks(weight.detach().float() * inputs.masks[name].logical_not())
        for span, left, matrices in _damped(name, inputs, scale):
            gone = blocks[span].unsqueeze(2)
            full = inputs.statistics[name][span] * scale.factors[span, None, None]
            # the damping is on the diagonal, which S and Q do not share
            wanted = (full @ gone).squeeze(2) * left
            pieces.append(torch.linalg.solve(matrices, wanted.unsqueeze(2)).squeeze(2))
        change = _whole(pieces, weight)
        kept = inputs.masks[name]
        updated[name] = torch.where(
            kept, weight.detach() + change.to(weight.dtype), torch.zeros_like(weight)
        )
    return updated


OBS = Score(obs, BlockFisher, update=compensate, row_share=ROW_SHARE, check=check_options)


class _Scale(NamedTuple):
    """How the Fisher matrices of a weight are used."""

    factors: Tensor  # [blocks], what each is multiplied by
    damping: Tensor  # [blocks], what is added to the diagonal at least


def _scales(inputs: Inputs, guard: str, damping: float) -> Dict[str, _Scale]:
    scales = {}
    for weight_class, names in inputs.by_class().items():
        traces = {n: torch.diagonal(inputs.statistics[n], dim1=1, dim2=2).sum(1) for n in names}
        count = sum(inputs.weights[name].numel() for name in names)
        mean = sum(float(t.double().sum()) for t in traces.values()) / max(1, count)
        guarded = is_guarded(guard, weight_class)
        for name in names:
            factors = torch.ones_like(traces[name])
            # never singular in float32
            added = torch.full_like(factors, max(damping, 1e-6) * (mean or 1.0))
            if guarded and inputs.weights[name].dim() > 1:
                factors = _factors(traces[name], inputs.weights[name], mean)
                # a row that was not seen has the mean throughout
                added += (factors == 0) * mean
            scales[name] = _Scale(factors, added)
    return {name: scales[name] for name in inputs.weights}


def _factors(traces: Tensor, weight: Tensor, mean: float) -> Tensor:
    """For each block, what brings the mean of its row's diagonal to ``mean``."""
    if weight.numel() == 0:
        return traces
    rows = len(weight)
    means = traces.view(rows, -1).sum(1) / (weight.numel() // rows)
    return row_factors(means, mean).repeat_interleave(len(traces) // rows)


def _damped(name: str, inputs: Inputs, scale: _Scale) -> Iterator[Tuple[slice, Tensor, Tensor]]:
    """Some blocks at a time: which, [n, BLOCK] 1 for weights that are left, their matrices.

    Rows and columns of pruned weights, and of the filling, are those of a diagonal matrix.
    """
    weight = inputs.weights[name]
    mask = inputs.masks[name] if name in inputs.masks else torch.ones_like(weight)
    left = _blocks(mask.float())
    blocks = inputs.statistics[name]
    for start in range(0, len(blocks), _AT_ONCE):
        span = slice(start, start + _AT_ONCE)
        some = left[span]
        factors = scale.factors[span, None, None]
        matrices = blocks[span] * factors * some.unsqueeze(1) * some.unsqueeze(2)
        diagonals = torch.diagonal(matrices, dim1=1, dim2=2)
        # a block far above the mean of its class needs more than that mean's part
        own = _LEAST * diagonals.mean(dim=1, keepdim=True)
        diagonals.add_(torch.maximum(own, scale.damping[span, None]))
        yield span, some, matrices
