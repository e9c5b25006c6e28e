"""Optimal brain surgeon with a Kronecker-factored Fisher matrix: whole rows make up for a weight.

The Fisher matrix of a weight [rows, columns] is taken for a product: what a row's output does to
the loss, times what columns do together. So neighbours in a row share one matrix with all other
rows, estimated from many more gradients than one of their own (``obs``), and a whole row fits.
Zeng and Urtasun 2018 (MLPrune) and van der Ouderaa et al. 2023 (arXiv 2312.17244, "The LLM
Surgeon", section 3) prune by such factors. Here both are made of the gradients of batches, as
in Gupta et al. 2018 ("Shampoo", algorithm 1), so that any layer has them.
"""

import math
from typing import Dict, Iterator, List, NamedTuple, Tuple

import torch
from torch import Tensor

from .fisher import ROW_SHARE
from .score import Inputs, Score, Scorer, times
from .statistics import Statistic

#: Columns that make up for each other at most; wider matrices are cut.
WIDEST = 1024
#: Numbers in the matrices that are solved at once.
_AT_ONCE = 1 << 23


class KroneckerFactors(Statistic):
    """For each block of columns, the products of columns' gradients, summed over rows, [width,
    width]; then for each block the sums of squares of rows, [rows]. Flat, means over batches.

    At most WIDEST float32 a column and one a row: 60 MB for the 216 M weights of the paper.
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


def kron(inputs: Inputs, exponent: float = 0.25, damping: float = 0.1) -> Dict[str, Scorer]:
    """|w| / [H^-1]_ii^exponent, H the Fisher matrix of what is left of the row, damped.

    With exponent 1/2 its square is twice the loss that Hassibi and Stork 1993, equation 5, expect;
    a smaller exponent trusts it less, as that of ``fisher``.

    Args:
        damping: what is added to H's diagonal, in units of its mean over the weight class.
    """
    scorers = {}
    for name, rows in _rows_of(inputs, damping).items():
        weight = inputs.weights[name]
        left = _blocks(inputs.masks.get(name, torch.ones_like(weight, dtype=torch.bool)))
        found = torch.stack([_importance(*of_block) for of_block in zip(rows, left)])
        scorers[name] = times(_whole(found, weight).pow_(exponent).reshape(-1))
    return scorers


def compensate(inputs: Inputs, exponent: float = 0.25, damping: float = 0.1) -> Dict[str, Tensor]:
    """The surviving weights S of each row, set to where the loss is least without the others Q.

    w_S + H_SS^-1 H_SQ w_Q: Hassibi and Stork 1993, equation 5, for several weights at once. Pruned
    weights are zero in the result.

    Args:
        inputs: with the weights before this pruning, and the masks after it.
        exponent, damping: as of ``kron``; the first changes nothing here.
    """
    updated = {}
    for name, rows in _rows_of(inputs, damping).items():
        weight, mask = inputs.weights[name], inputs.masks[name]
        blocks = _blocks(weight.detach().float())
        for of_block, block, kept in zip(rows, blocks, _blocks(mask)):
            _make_up_(block, kept, of_block)
        whole = _whole(blocks, weight).to(weight.dtype)
        updated[name] = torch.where(mask, whole, torch.zeros_like(weight))
    return updated


KRON = Score(kron, KroneckerFactors, update=compensate, row_share=ROW_SHARE)


class _Rows(NamedTuple):
    """Fisher matrices of the rows of a block of columns: scale * columns + damping, of each."""

    columns: Tensor  # [width, width], with trace 1
    scale: Tensor  # [rows]
    damping: Tensor  # [rows], on the diagonal

    def matrices(self, rows: Tensor, places: Tensor, real: Tensor) -> Tensor:
        """[n, s, s]: those of ``rows``, restricted to ``places`` [n, s] where they are ``real``."""
        found = self.columns[places.unsqueeze(2), places.unsqueeze(1)]
        found *= (self.scale[rows, None] * real).unsqueeze(2) * real.unsqueeze(1)
        diagonal = torch.diagonal(found, dim1=1, dim2=2)
        diagonal += self.damping[rows, None]
        return found


def _rows_of(inputs: Inputs, damping: float) -> Dict[str, List[_Rows]]:
    """Of each weight, those of each block of columns."""
    found = {}
    for names in inputs.by_class().values():
        traces = {}
        for name in names:
            blocks, rows, width = _shape(inputs.weights[name])
            size = blocks * width * width
            columns = inputs.statistics[name][:size].view(blocks, width, width)
            scales = inputs.statistics[name][size:].view(blocks, rows)
            traces[name] = columns, scales
        count = sum(inputs.weights[name].numel() for name in names)
        mean = sum(float(scales.double().sum()) for _, scales in traces.values()) / max(1, count)
        added = damping * (mean or 1.0)
        for name, (columns, scales) in traces.items():
            found[name] = [_of_block(c, s, added) for c, s in zip(columns, scales)]
    return {name: found[name] for name in inputs.weights}


def _of_block(columns: Tensor, scale: Tensor, damping: float) -> _Rows:
    trace = torch.diagonal(columns).sum().clamp(min=torch.finfo(torch.float32).tiny)
    # never singular in float32
    least = 1e-5 * scale / len(columns)
    return _Rows(columns / trace, scale, (least + damping).clamp(min=1e-30))


def _importance(rows: _Rows, left: Tensor) -> Tensor:
    """[rows, width]: 1 / [H^-1]_ii, H of what is ``left`` of each row; else 0."""
    found = torch.zeros(left.shape, dtype=torch.float32, device=left.device)
    whole = left.all(dim=1)
    if bool(whole.any()):
        # H^-1 = Q (scale e + damping)^-1 Q^T for all of these at once
        values, vectors = torch.linalg.eigh(rows.columns.double())
        inverse = 1 / (rows.scale[whole, None] * values.clamp(min=0) + rows.damping[whole, None])
        found[whole] = 1 / (inverse @ vectors.square().t()).float()
    for some, places, real in _groups(left & ~whole.unsqueeze(1)):
        factor = torch.linalg.cholesky(rows.matrices(some, places, real))
        inverse = torch.diagonal(torch.cholesky_inverse(factor), dim1=1, dim2=2)
        found[some.unsqueeze(1), places] = real / inverse
    return found


def _make_up_(block: Tensor, kept: Tensor, rows: _Rows) -> None:
    """Move what is ``kept`` of ``block`` [rows, width], in place, to make up for the rest."""
    wanted = rows.scale.unsqueeze(1) * ((block * ~kept) @ rows.columns)
    for some, places, real in _groups(kept):
        factor = torch.linalg.cholesky(rows.matrices(some, places, real))
        of_rows = wanted[some.unsqueeze(1), places] * real
        change = torch.cholesky_solve(of_rows.unsqueeze(2), factor).squeeze(2)
        block[some.unsqueeze(1), places] += change * real


def _groups(left: Tensor) -> Iterator[Tuple[Tensor, Tensor, Tensor]]:
    """Rows with about as many weights left, together: where they are needs no more room.

    Gives: which rows [n], which of their columns [n, s], and 1 where these are left [n, s]: rows
    have s or fewer. Rows without any are in no group.
    """
    counts, order = left.sum(dim=1).sort(descending=True)
    counts = counts.tolist()
    start, end = 0, sum(count > 0 for count in counts)
    while start < end:
        most = counts[start]
        some = order[start : min(end, start + max(1, _AT_ONCE // most**2))]
        real, places = left[some].to(torch.int8).sort(dim=1, descending=True, stable=True)
        yield some, places[:, :most], real[:, :most].float()
        start += len(some)


def _shape(weight: Tensor) -> Tuple[int, int, int]:
    """Blocks of columns, rows, columns in a block. A vector is a column."""
    rows = weight.shape[0] if weight.dim() else 1
    columns = math.prod(weight.shape[1:])
    blocks = max(1, -(-columns // WIDEST))
    return blocks, rows, -(-columns // blocks)


def _blocks(weight: Tensor) -> Tensor:
    """[blocks, rows, width], the last block filled up with zeros."""
    blocks, rows, width = _shape(weight)
    flat = weight.reshape(rows, math.prod(weight.shape[1:]))
    padded = torch.nn.functional.pad(flat, (0, blocks * width - flat.shape[1]))
    return padded.view(rows, blocks, width).transpose(0, 1).contiguous()


def _whole(blocks: Tensor, like: Tensor) -> Tensor:
    """What ``_blocks`` was made of."""
    count, rows, width = blocks.shape
    flat = blocks.transpose(0, 1).reshape(rows, count * width)
    return flat[:, : math.prod(like.shape[1:])].reshape(like.shape)
