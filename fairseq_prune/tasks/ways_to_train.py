"""Ways to train that would not keep pruned weights at zero."""

from typing import Any, Optional

from fairseq.optim import OPTIMIZER_REGISTRY
from omegaconf import OmegaConf

from ..optim.pruned_optimizer import UNSUPPORTED, PrunedOptimizerMixin, registered_name
from ..pruning import PruneError
from .options import flag

#: Option -> what it may be set to, and why not to anything else.
CANNOT = {
    "ema_fp32": (
        (False,),
        "would revive pruned weights in the average; leave it out (--store-ema alone works)",
    ),
    "ddp_backend": (
        ("c10d", "pytorch_ddp", "no_c10d", "legacy_ddp"),
        "is not supported: each process must hold the whole model and take plain steps; use "
        "pytorch_ddp or legacy_ddp",
    ),
    "zero_sharding": (
        ("none",),
        "is not supported: each process must hold the whole optimizer state; leave it out",
    ),
    "use_bmuf": ((False,), "is not supported: its block momentum revives pruned weights"),
    "no_save_optimizer_state": (
        (False,),
        "would leave the mask out of the checkpoints, which hold it there; leave it out (fairseq-"
        "prune average, of one checkpoint, drops the state and keeps the mask)",
    ),
    "write_checkpoints_asynchronously": (
        (False,),
        "is not supported: fairseq then leaves out copies of checkpoints; leave it out",
    ),
    "update_ordered_indices_seed": (
        (False,),
        "is not supported: a resumed run would see other batches; leave it out",
    ),
    "ema_update_freq": (
        (1,),
        "is not supported: fairseq does not save where it is in between; leave it out",
    ),
    "pipeline_model_parallel": (
        (False,),
        "is not supported: weights would be ranked in each part by itself; leave it out",
    ),
    "model_parallel_size": (
        (1,),
        "is not supported: weights would be ranked in each part by itself; leave it out",
    ),
    "quantization_config_path": (
        (None,),
        "is not supported: its centroids would move pruned weights off zero; quantize afterwards",
    ),
}


def check_possible(cfg: Any) -> None:
    """Raise PruneError where the run trains in a way that pruning cannot work with."""
    for name, (allowed, why) in CANNOT.items():
        value = getattr(cfg, name)
        if value not in allowed:
            shown = "" if value is True else f" {value}"
            raise PruneError(f"{flag(name)}{shown} with pruning {why}")


def check_optimizer(cls: Optional[type]) -> None:
    """Raise PruneError unless optimizers of this class keep pruned weights at zero."""
    if cls is None or issubclass(cls, PrunedOptimizerMixin):
        return
    name = registered_name(cls)
    if name in UNSUPPORTED:
        raise PruneError(f"pruning with --optimizer {name} is not supported: {UNSUPPORTED[name]}")
    raise PruneError(
        f"pruning with --optimizer {name}, which would revive pruned weights; "
        f"use --optimizer pruned_{name}"
    )


def optimizer_class(cfg: Any) -> Optional[type]:
    """The class of ``--optimizer``, seen from the config of a task; None if it names none."""
    whole = cfg._get_parent() if OmegaConf.is_config(cfg) else cfg
    chosen = getattr(whole, "optimizer", None)
    return OPTIMIZER_REGISTRY.get(getattr(chosen, "_name", chosen))
