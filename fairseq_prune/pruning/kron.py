"""Optimal brain surgeon with a Kronecker-factored Fisher matrix: whole rows make up for a weight.

The Fisher matrix of a weight [rows, columns] is taken for a product: what a row's output does to
the loss, times what columns do together. So neighbours in a row share one matrix with all other
rows, estimated from many more gradients than one of their own (``obs``), and a whole row fits.
Zeng and Urtasun 2018 (MLPrune) and van der Ouderaa et al. 2023 (arXiv 2312.17244, "The LLM
Surgeon", section 3) prune by such factors. Here both are made of the gradients of batches, as
in Gupta et al. 2018 ("Shampoo", algorithm 1), so that any layer has them.
"""

from typing import Dict, List, Tuple

import torch
from torch import Tensor

from .fisher import ROW_SHARE, check_options
from .fisher_rows import FisherRows
from .guard import is_guarded, row_factors
from .score import Inputs, Score, Scorer, times
from .statistics import Statistic

#: Columns that make up for each other at most; wider matrices are cut.
WIDEST = 1024


class KroneckerFactors(Statistic):
    """For each block of columns, the products of columns' gradients, summed over rows, [width,
    width]; then for each block the sums of squares of rows, [rows]. Flat, means over batches.

    At most WIDEST float32 a column and one a row: 84 MB for the 216 M weights of the paper.
    """

    #: With 1,024, what survives makes up for what these sentences lack, not others
    #: (docs/scores.md).
    samples = 4096

    def of_gradient(self, gradient: Tensor) -> Tensor:
        blocks = _blocks(gradient)
        of_rows = blocks.square().sum(2)
        # of an embedding, a batch has seen few words
        seen = blocks[:, of_rows.sum(0) > 0]
        return torch.cat([(seen.transpose(1, 2) @ seen).reshape(-1), of_rows.reshape(-1)])


def kron(
    inputs: Inputs, exponent: float = 0.25, damping: float = 0.1, guard: str = ""
) -> Dict[str, Scorer]:
    """|w| / [H^-1]_ii^exponent, H the Fisher matrix of what is left of the row, damped.

    With exponent 1/2 its square is twice the loss that Hassibi and Stork 1993, equation 5, expect;
    a smaller exponent trusts it less, as that of ``fisher``.

    Args:
        damping: what is added to H's diagonal, in units of its mean over the weight class.
        guard: as of ``fisher``; each row counts as much then as a row of the class in the mean.
    """
    scorers = {}
    for name, rows in _rows_of(inputs, damping, guard).items():
        weight = inputs.weights[name]
        left = _blocks(inputs.masks.get(name, torch.ones_like(weight, dtype=torch.bool)))
        importance = torch.stack([of_block.importance(kept) for of_block, kept in zip(rows, left)])
        scorers[name] = times(_whole(importance, weight).pow_(exponent).reshape(-1))
    return scorers


def compensate(
    inputs: Inputs, exponent: float = 0.25, damping: float = 0.1, guard: str = ""
) -> Dict[str, Tensor]:
    """The surviving weights S of each row, set to where the loss is least without the others Q.

    w_S + H_SS^-1 H_SQ w_Q: Hassibi and Stork 1993, equation 5, for several weights at once. Pruned
    weights are zero in the result.

    Args:
        inputs: with the weights before this pruning, and the masks after it.
        exponent, damping, guard: as of ``kron``; the first changes nothing here.
    """
    updated = {}
    for name, rows in _rows_of(inputs, damping, guard).items():
        weight, mask = inputs.weights[name].detach(), inputs.masks[name]
        blocks = _blocks(weight.float())
        for of_block, block, kept in zip(rows, blocks, _blocks(mask)):
            of_block.make_up_(block, kept)
        change = _whole(blocks, weight) - weight.float()
        moved = weight + change.to(weight.dtype)
        updated[name] = torch.where(mask, moved, torch.zeros_like(weight))
    return updated


KRON = Score(kron, KroneckerFactors, update=compensate, row_share=ROW_SHARE, check=check_options)


def _rows_of(inputs: Inputs, damping: float, guard: str) -> Dict[str, List[FisherRows]]:
    """Of each weight, those of each block of columns."""
    by_name = {}
    for weight_class, names in inputs.by_class().items():
        parts = {}
        for name in names:
            blocks, rows, width = _shape(inputs.weights[name])
            size = blocks * width * width
            columns = inputs.statistics[name][:size].view(blocks, width, width)
            scales = inputs.statistics[name][size:].view(blocks, rows)
            parts[name] = columns, scales
        count = sum(inputs.weights[name].numel() for name in names)
        mean = sum(float(scales.double().sum()) for _, scales in parts.values()) / max(1, count)
        added = damping * (mean or 1.0)
        for name, (columns, scales) in parts.items():
            weight = inputs.weights[name]
            if is_guarded(guard, weight_class) and weight.dim() > 1:
                scales = _alike(scales, mean * weight.shape[1:].numel())
            by_name[name] = [FisherRows.of(c, s, added) for c, s in zip(columns, scales)]
    return {name: by_name[name] for name in inputs.weights}


def _alike(scales: Tensor, trace: float) -> Tensor:
    """Scales [blocks, rows] that add up to ``trace`` in each row.

    A row of zeros has as much in each block.
    """
    totals = scales.sum(dim=0)
    blocks = max(1, len(scales))
    factors = row_factors(totals, trace)
    return torch.where(factors > 0, scales * factors, trace / blocks)


def _shape(weight: Tensor) -> Tuple[int, int, int]:
    """Blocks of columns, rows, columns in a block. A vector is a column."""
    rows = weight.shape[0] if weight.dim() else 1
    columns = weight.shape[1:].numel()
    blocks = max(1, -(-columns // WIDEST))
    return blocks, rows, -(-columns // blocks)


def _blocks(weight: Tensor) -> Tensor:
    """[blocks, rows, width], the last block filled up with zeros."""
    blocks, rows, width = _shape(weight)
    flat = weight.reshape(rows, weight.shape[1:].numel())
    padded = torch.nn.functional.pad(flat, (0, blocks * width - flat.shape[1]))
    return padded.view(rows, blocks, width).transpose(0, 1).contiguous()


def _whole(blocks: Tensor, like: Tensor) -> Tensor:
    """What ``_blocks`` was made of."""
    count, rows, width = blocks.shape
    flat = blocks.transpose(0, 1).reshape(rows, count * width)
    return flat[:, : like.shape[1:].numel()].reshape(like.shape)
