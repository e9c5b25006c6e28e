"""Weight-normalised matrices (fairseq's fconv): w = g v / |v|, of which v is pruned."""

from typing import Mapping

from torch import Tensor

from ..errors import OPTION, OptionError


def check_weight_norm(masks: Mapping[str, Tensor], named: Mapping[str, Tensor]) -> None:
    """Raise PruneError where all weights of one norm are pruned, which makes w 0 / 0."""
    for name, mask in masks.items():
        norm = named.get(name[:-1] + "g") if name.endswith(".weight_v") else None
        if norm is None or norm.dim() != mask.dim():
            continue
        kept = mask
        for d in range(mask.dim()):
            if norm.shape[d] == 1:
                kept = kept.any(dim=d, keepdim=True)
        if not kept.all():
            raise OptionError(
                f"{int((~kept).sum())} of the {kept.numel()} norms of {name} would have all "
                f"their weights pruned, and divide zero by zero; leave such matrices out with "
                f"{OPTION}exclude 'weight_v$', or prune less"
            )
