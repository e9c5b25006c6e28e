"""What the matrices of one weight class are, for people."""

import os
import re
from typing import Dict, Mapping

from ..pruning import classify, members

#: As ``CLASS_RULES``: the name of a parameter -> what it is in its class.
PART_RULES = (
    (r".*\bweight_[ih]h(_l\d+)?$", ""),  # an LSTM's two matrices are shown as one
    (r".*\bweight_[ih]h_l\d+_reverse$", "backward"),
    (r".*\bself_attn\.(?P<which>[qkv])_proj\.", "self-attention {which}"),
    (r".*\bself_attn\.out_proj\.", "self-attention output"),
    (r".*\blayers\.(?P<k>\d+)\.encoder_attn\.(?P<which>[qkv])_proj\.", "layer {k} {which}"),
    (r".*\blayers\.(?P<k>\d+)\.encoder_attn\.out_proj\.", "layer {k} output"),
)


def matrix_names(classes: Mapping[str, str]) -> Dict[str, str]:
    """Parameter -> what tells it from others of its class; "" where there are none.

    What no rule matches is named by its module, without what all of its class have in common.

    Args:
        classes: parameter -> weight class.
    """
    names: Dict[str, str] = {}
    for parameters in members(classes).values():
        shared = os.path.commonprefix(parameters).rpartition(".")
        rest = (re.escape(shared[0] + shared[1]) + r"(?P<rest>.+?)(\.weight)?$", "{rest}")
        parts = classify(parameters, [*PART_RULES, rest])
        names.update((name, parts[name] if len(parameters) > 1 else "") for name in parameters)
    return names
