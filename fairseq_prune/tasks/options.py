"""The ``--prune-*`` options, added to the config of any task."""

from dataclasses import field, make_dataclass
from typing import Optional

from omegaconf import II

from ..pruning import SCHEMES

OPTIONS = (
    (
        "prune_scheme",
        Optional[str],
        None,
        "prune the trained model that this run starts from, then retrain what is left; how "
        "pruning is distributed over the weight classes: " + ", ".join(SCHEMES),
    ),
    (
        "prune_sparsity",
        Optional[float],
        None,
        "fraction of the prunable weights to prune, in [0, 1)",
    ),
    (
        "prune_include",
        Optional[str],
        None,
        "regular expression; prune also what it matches in 'CLASS: PARAMETER NAME' although "
        "it is no weight matrix (biases, layer norms, positional tables)",
    ),
    (
        "prune_exclude",
        Optional[str],
        None,
        "regular expression; do not prune what it matches in 'CLASS: PARAMETER NAME'",
    ),
)

#: Options of fairseq's own that decide what the run starts from. They have no help, so
#: fairseq adds no second flag for them and fills them in from the checkpoint options.
SEEN = (
    ("save_dir", str, II("checkpoint.save_dir")),
    ("restore_file", str, II("checkpoint.restore_file")),
    ("finetune_from_model", Optional[str], II("checkpoint.finetune_from_model")),
    ("ema_fp32", bool, II("ema.ema_fp32")),
)


def with_prune_options(base: type) -> type:
    """A config dataclass with the fields of ``base`` and the pruning options."""
    fields = [
        (name, kind, field(default=default, metadata={"help": text}))
        for name, kind, default, text in OPTIONS
    ]
    taken = getattr(base, "__dataclass_fields__", {})
    fields += [
        (name, kind, field(default=default)) for name, kind, default in SEEN if name not in taken
    ]
    return make_dataclass(f"Pruned{base.__name__}", fields, bases=(base,))


def patterns(option: Optional[str]):
    """The regular expressions of an option: none or one."""
    return () if option is None else (option,)
