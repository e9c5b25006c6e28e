"""The ``--prune-*`` options, added to the config of any task."""

from dataclasses import field, make_dataclass
from typing import Any, Optional

from fairseq.dataclass import FairseqDataclass

from ..pruning import SCHEMES, SCORES
from ..pruning.choice import Calibration
from .fairseq_options import FAIRSEQ_OPTIONS

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
    "the fastest of these for each layer",
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
        (name, kind, field(default=default))
        for name, kind, default in FAIRSEQ_OPTIONS
        if name not in taken
    ]
    return make_dataclass(f"Pruned{base.__name__}", seen, bases=(PruneOptions, base))


def flag(name: str) -> str:
    """The command line's word for an option."""
    return "--" + name.replace("_", "-")
