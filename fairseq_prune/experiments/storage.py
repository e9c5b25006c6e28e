"""Bytes of a model's weights, stored densely and sparsely."""

from typing import Dict, Iterable, Mapping

from torch import Tensor

from ..packed.bound import bound as bound_of
from ..packed.mask_code import encode_mask

#: Bytes of an fp32 value and of an int32 index.
VALUE = INDEX = 4


def storage(parameters: Iterable[Tensor], masks: Mapping[str, Tensor]) -> Dict[str, float]:
    """Bytes in fp32: "dense"; "csr", matrices with masks in compressed sparse rows; "packed",
    as ``fairseq-prune pack`` codes them; "bound".

    Compressed sparse rows take an int32 column beside each kept value, and an int32 a row. The
    bound is what no lossless code of independent positions goes below: the entropy of each
    mask at its own density, and the kept values. What has no mask is dense in all four.

    Args:
        parameters: all of the model's, tied ones once.
        masks: parameter name -> mask, of those that are pruned.
    """
    dense = VALUE * sum(parameter.numel() for parameter in parameters)
    csr = packed = bound = float(dense)
    for mask in masks.values():
        weights, kept = mask.numel(), int(mask.count_nonzero())
        rows = mask.shape[0] if mask.dim() else 1
        csr += kept * (VALUE + INDEX) + (rows + 1) * INDEX - VALUE * weights
        packed += kept * VALUE + encode_mask(mask.reshape(-1).cpu().numpy()).size - VALUE * weights
        bound += bound_of(weights, kept, VALUE) - VALUE * weights
    return {"dense": dense, "csr": csr, "packed": packed, "bound": bound}
