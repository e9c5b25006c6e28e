"""Pruning in plain torch: knows no task, architecture or framework.

>>> classes = classify(weights, rules)
>>> result = prune(weights, classes, "class-blind", 0.8)
>>> for name, weight in weights.items():
...     apply_(weight, result.masks[name])
"""

from ..errors import PruneError, options_begin_with
from ..printable import printable
from .describe import describe, summary, table, thresholds
from .floors import NO_FLOORS, USUAL_FLOORS, Floors
from .magnitude import magnitude
from .mask import apply_, keep_bits, pack, sparsity, unpack, zero_pruned_
from .patterns import any_of, check_pattern
from .prunable import find_prunable
from .prune import check_not_below, check_reachable, prune
from .pruned import ClassSummary, Pruned
from .record import (
    RECORD_KEY,
    check_record,
    empty_record,
    keep_thresholds,
    make_record,
    masks_of,
    method_in,
    score_in,
)
from .schedule import (
    SCHEDULES,
    SPACINGS,
    Schedule,
    Step,
    check_schedule,
    due,
    make_schedule,
    round_sparsities,
)
from .schemes import (
    SCHEMES,
    Scheme,
    check_request,
    check_steps,
    each_class,
    everything,
    find_scheme,
    score_name,
)
from .score import Inputs, Score, Scorer, scores_of
from .scores import SCORES, find_score
from .selection import select_lowest
from .statistics import Statistic
from .weight_classes import classify, members

__all__ = [
    "NO_FLOORS",
    "RECORD_KEY",
    "SCHEDULES",
    "SCHEMES",
    "SCORES",
    "SPACINGS",
    "USUAL_FLOORS",
    "ClassSummary",
    "Floors",
    "Inputs",
    "PruneError",
    "Pruned",
    "Schedule",
    "Scheme",
    "Score",
    "Scorer",
    "Statistic",
    "Step",
    "any_of",
    "apply_",
    "check_not_below",
    "check_pattern",
    "check_reachable",
    "check_record",
    "check_request",
    "check_schedule",
    "check_steps",
    "classify",
    "describe",
    "due",
    "each_class",
    "empty_record",
    "everything",
    "find_prunable",
    "find_scheme",
    "find_score",
    "keep_bits",
    "keep_thresholds",
    "magnitude",
    "make_record",
    "make_schedule",
    "masks_of",
    "members",
    "method_in",
    "options_begin_with",
    "pack",
    "printable",
    "prune",
    "round_sparsities",
    "score_in",
    "score_name",
    "scores_of",
    "select_lowest",
    "sparsity",
    "summary",
    "table",
    "thresholds",
    "unpack",
    "zero_pruned_",
]
