"""The weights of a checkpoint file, which of them are one, and what it says of their pruning."""

from argparse import Namespace
from typing import Any, Dict, Iterable, Mapping, Optional

import torch
from torch import Tensor

from ..parameters.kinds import is_parameter
from ..parameters.ties import Aliases, make_aliases, ties_by_options, ties_in_memory
from ..parameters.weight_classes import fairseq_prunable
from ..pruning import RECORD_KEY, PruneError
from .packed.plain import bits


def aliases_in(state: Mapping[str, Any], path: str) -> Aliases:
    """Which parameters of a checkpoint are one weight, and under what names.

    Those that share memory in the file, and those that the options it was trained with tie:
    fairseq writes them as separate tensors where it trained on a GPU or in half precision.
    Equal numbers alone say nothing.

    Args:
        path: the file's, for what is said of it.
    Raises:
        PruneError: what the options tie differs in the file.
    """
    named = {n: t for n, t in state["model"].items() if is_parameter(n, t)}
    groups = ties_in_memory(named.items())
    for option, names in ties_by_options(named, _options(state)):
        first, *others = names
        for other in others:
            if not _equal(named[first], named[other]):
                raise PruneError(
                    f"{path} was trained with {option}, which makes {first} and {other} one "
                    f"weight, but they differ in it: it is damaged or was changed since; take "
                    f"another checkpoint of that training"
                )
        groups.append(names)
    return make_aliases(list(named), groups)


def distinct(model: Mapping[str, Any], aliases: Aliases) -> Dict[str, Tensor]:
    """The parameters of a checkpoint's model by name, each weight once: by its first name."""
    later = {other for others in aliases.values() for other in others}
    return {n: t for n, t in model.items() if n not in later and is_parameter(n, t)}


def prunable_weights(
    state: Mapping[str, Any],
    aliases: Aliases,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
) -> Dict[str, Tensor]:
    """Prunable parameters of a checkpoint by name, tied ones once, in parameter order."""
    return fairseq_prunable(distinct(state["model"], aliases), include, exclude, aliases)


def find_record(state: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """The pruning record that ``fairseq-prune prune`` or a pruned optimizer left, or None."""
    optimizer = state.get("last_optimizer_state") or {}
    return state.get(RECORD_KEY) or optimizer.get(RECORD_KEY)


def _options(state: Mapping[str, Any]) -> Dict[str, Any]:
    """The model's options, of a configuration of today (``cfg``) or of before (``args``)."""
    cfg = _plain(state.get("cfg"))
    return {**_plain(state.get("args")), **_plain(cfg.get("model"))}


def _plain(options: Any) -> Mapping[str, Any]:
    if isinstance(options, Namespace):
        return vars(options)
    return options if isinstance(options, Mapping) else {}


def _equal(a: Tensor, b: Tensor) -> bool:
    """Bit by bit."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return a.data_ptr() == b.data_ptr() or torch.equal(bits(a), bits(b))
