"""The ``--prune-*`` options, added to the config of any task."""

import argparse
from contextlib import suppress
from dataclasses import field, make_dataclass
from typing import Any, Optional

from fairseq.dataclass import FairseqDataclass
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.tasks import TASK_REGISTRY
from omegaconf import II

from ..pruning import SCHEMES, SCORES, Floors, any_of
from .calibration_data import Calibration

#: What ``--prune-scheme`` takes to train a dense model, whatever the run starts from.
DENSE = "none"

OPTIONS = (
    (
        "prune_scheme",
        Optional[str],
        None,
        "prune the trained model that this run starts from, then retrain what is left; how "
        "pruning is distributed over the weight classes: " + ", ".join(SCHEMES) + "; or n:m, "
        "e.g. 2:4: the n largest of each m neighbours in a row are kept. Left out, a pruned model "
        f"keeps its mask and a dense one stays dense; {DENSE} trains both dense",
    ),
    (
        "prune_sparsity",
        Optional[float],
        None,
        "fraction of the prunable weights to prune, in [0, 1)",
    ),
    (
        "prune_score",
        Optional[str],
        None,
        "what weights are ranked by: " + ", ".join(SCORES) + " (default: magnitude, and "
        "standardized-magnitude for class-distribution). Options of a score follow a colon: "
        "fisher:exponent=0.5,damping=0",
    ),
    (
        "prune_floor",
        float,
        0.0,
        "least fraction of each weight class to keep, in [0, 1)",
    ),
    (
        "prune_row_floor",
        Optional[float],
        None,
        "least fraction of each row of each matrix to keep, in [0, 1); a row of an embedding or "
        "the softmax is a word, elsewhere an output unit. Default: a fifth of the fraction that is "
        "left, for scores that know the loss (fisher, adam, taylor, obs, kron); none for others",
    ),
    (
        "prune_samples",
        Optional[int],
        Calibration().samples,
        "sentences (of a language model: blocks) that a score which needs data looks at, each time "
        "that it prunes. Default: 1024, and 4096 for kron",
    ),
    ("prune_subset", str, Calibration().subset, "part of the data that they are of"),
    ("prune_seed", int, Calibration().seed, "which of them are drawn"),
    (
        "prune_steps",
        int,
        1,
        "prunings on the way, each time that the schedule prunes, the data looked at anew in each "
        "and nothing trained in between",
    ),
    (
        "prune_schedule",
        str,
        "one-shot",
        "when to prune: one-shot, before the first update; iterative, in --prune-rounds with "
        "--prune-every updates of retraining after each; gradual, every --prune-every updates "
        "along a cubic ramp up to --prune-end. Updates count from the start of this run",
    ),
    ("prune_rounds", Optional[int], None, "prunings of an iterative schedule"),
    (
        "prune_spacing",
        Optional[str],
        None,
        "sparsity after each round of an iterative schedule: geometric (the default), the same "
        "fraction of what is left each time; even, as many weights each time",
    ),
    ("prune_begin", int, 0, "updates before the first pruning"),
    ("prune_every", Optional[int], None, "updates from one pruning to the next"),
    (
        "prune_end",
        Optional[int],
        None,
        "updates after which a gradual schedule reaches --prune-sparsity",
    ),
    (
        "prune_mask_from",
        Optional[str],
        None,
        "take the mask of this pruned checkpoint instead of choosing one; without "
        "--finetune-from-model, newly initialised weights are trained under it (sparse from "
        "the start)",
    ),
    (
        "prune_include",
        Any,
        None,
        "regular expression; prune also what it matches in 'CLASS: PARAMETER NAME' although "
        "it is no weight matrix (biases, layer norms, positional tables); may be given several "
        "times (in YAML: a list)",
    ),
    (
        "prune_exclude",
        Any,
        None,
        "regular expression; do not prune what it matches in 'CLASS: PARAMETER NAME'; may be given "
        "several times (in YAML: a list)",
    ),
)
#: Those that may be given several times.
PATTERNS = ("prune_include", "prune_exclude")

RUNTIME = (
    "prune_runtime",
    str,
    "dense",
    "what fairseq-generate and fairseq-interactive multiply weights with, on a CPU: dense; sparse, "
    "only the weights that are kept; int8, rounded to 8 bits (translations can change); auto, "
    "the fastest of these for each layer, by trying",
)

#: Options of fairseq's own that decide what the run starts from, what it would keep and what
#: pruning cannot work with. They have no help, so fairseq adds no second flag for them and
#: fills them in from the options they name.
SEEN = (
    ("save_dir", str, II("checkpoint.save_dir")),
    ("restore_file", str, II("checkpoint.restore_file")),
    ("finetune_from_model", Optional[str], II("checkpoint.finetune_from_model")),
    (
        "maximize_best_checkpoint_metric",
        bool,
        II("checkpoint.maximize_best_checkpoint_metric"),
    ),
    ("no_save_optimizer_state", bool, II("checkpoint.no_save_optimizer_state")),
    ("continue_once", Optional[str], II("checkpoint.continue_once")),
    ("reset_dataloader", bool, II("checkpoint.reset_dataloader")),
    ("checkpoint_suffix", str, II("checkpoint.checkpoint_suffix")),
    ("write_checkpoints_asynchronously", bool, II("checkpoint.write_checkpoints_asynchronously")),
    ("max_update", int, II("optimization.max_update")),
    ("max_epoch", int, II("optimization.max_epoch")),
    ("update_ordered_indices_seed", bool, II("dataset.update_ordered_indices_seed")),
    ("ema_update_freq", int, II("ema.ema_update_freq")),
    ("pipeline_model_parallel", bool, II("distributed_training.pipeline_model_parallel")),
    ("use_bmuf", bool, II("optimization.use_bmuf")),
    ("ema_fp32", bool, II("ema.ema_fp32")),
    ("ddp_backend", str, II("distributed_training.ddp_backend")),
    ("zero_sharding", str, II("distributed_training.zero_sharding")),
    ("model_parallel_size", int, II("common.model_parallel_size")),
    ("quantization_config_path", Optional[str], II("common.quantization_config_path")),
)


PruneOptions = make_dataclass(
    "PruneOptions",
    [
        (name, kind, field(default=default, metadata={"help": text}))
        for name, kind, default, text in (*OPTIONS, RUNTIME)
    ],
    bases=(FairseqDataclass,),
)


def with_prune_options(base: type) -> type:
    """A config dataclass with the fields of ``base`` and the pruning options."""
    taken = getattr(base, "__dataclass_fields__", {})
    seen = [
        (name, kind, field(default=default)) for name, kind, default in SEEN if name not in taken
    ]
    return make_dataclass(f"Pruned{base.__name__}", seen, bases=(PruneOptions, base))


class _Joined(argparse.Action):
    """Takes an option each time that it is given; argparse's own would keep the last alone."""

    def __call__(self, parser, namespace, values, option_string=None):
        before = getattr(namespace, self.dest, None)
        given = [values] if before is None else [before, values]
        setattr(namespace, self.dest, any_of(given, self.option_strings[0]))


class PatternFlagsMixin:
    """The flags that may be given several times, which fairseq's dataclasses know nothing of."""

    @classmethod
    def add_args(cls, parser):
        for name, _, default, text in OPTIONS:
            if name in PATTERNS:
                # whoever adds a flag first keeps it, for fairseq too
                with suppress(argparse.ArgumentError):
                    parser.add_argument(flag(name), default=default, help=text, action=_Joined)
        super().add_args(parser)


class ArgparseOptionsMixin:
    """The pruning options for tasks that declare theirs with argparse.

    Their config is a Namespace of all options of the run, and so of those in ``SEEN``.
    """

    @classmethod
    def add_args(cls, parser):
        super().add_args(parser)
        gen_parser_from_dataclass(parser, PruneOptions())

    @classmethod
    def setup_task(cls, args, **kwargs):
        # of a checkpoint that was trained without
        for name, _, default, _ in (*OPTIONS, RUNTIME):
            vars(args).setdefault(name, default)
        return super().setup_task(args, **kwargs)


def twin_of(task: str) -> str:
    """The pruned twin of a task, to name it in a sentence."""
    twin = f"pruned_{task}"
    return twin if twin in TASK_REGISTRY else "pruned_<task>"


def pattern(cfg, name: str) -> Optional[str]:
    """The regular expression of an option of ``PATTERNS``: of a list in YAML, one for all.

    Raises:
        PruneError: those of a list cannot be one.
    """
    given = getattr(cfg, name)
    if given is None or isinstance(given, str):
        return given
    return any_of([str(one) for one in given], flag(name)) if given else None


def is_asked(cfg) -> bool:
    """Whether the options ask to prune, or to train under a mask."""
    return cfg.prune_scheme not in (None, DENSE) or cfg.prune_mask_from is not None


def flag(name: str) -> str:
    """The command line's word for an option."""
    return "--" + name.replace("_", "-")


def calibration_of(cfg) -> Calibration:
    """The data that a score looks at."""
    return Calibration(cfg.prune_subset, cfg.prune_samples, cfg.prune_seed)


def floors_of(cfg) -> Floors:
    return Floors(cfg.prune_floor, cfg.prune_row_floor)


def schedule_options(cfg) -> dict:
    """What ``pruning.make_schedule`` takes, from a task's config."""
    return {
        "rounds": cfg.prune_rounds,
        "spacing": cfg.prune_spacing,
        "begin": cfg.prune_begin,
        "every": cfg.prune_every,
        "end": cfg.prune_end,
    }
