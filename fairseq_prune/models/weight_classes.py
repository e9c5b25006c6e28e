"""The paper's weight classes and LSTM subgroups, read off fairseq's parameter names.

Names are all that is needed, so a checkpoint can be looked at without its model.
"""

import re
from typing import Dict, Iterable, Mapping, Optional, Tuple

from torch import Tensor

from ..pruning import classify, find_prunable

#: See et al. 2016, section 3.2 and Figure 4; the same idea for fairseq's other
#: architectures. The first match decides.
CLASS_RULES = (
    (r"encoder\.embed_tokens\.", "source embedding"),
    (r"decoder\.embed_tokens\.", "target embedding"),
    (r"encoder\.lstm\.\w+_l(?P<k>\d+)", "source layer {k}"),
    (r"decoder\.lstm\.\w+_l(?P<k>\d+)", "target layer {k}"),
    # attention over the source, in whichever layer; self-attention belongs to its layer
    (r"decoder\.(layers\.\d+\.encoder_attn|attention)\b", "attention"),
    (
        r"encoder\.(\w+\.)*?(layers|convolutions|projections)\.(?P<k>\d+)\.",
        "source layer {k}",
    ),
    (
        r"decoder\.(\w+\.)*?(layers|convolutions|projections)\.(?P<k>\d+)\.",
        "target layer {k}",
    ),
    (
        r"decoder\.(fc_out|output_projection|adaptive_softmax|embed_out|additional_fc|fc3)\b",
        "softmax",
    ),
)

#: Not weight matrices although they have two dimensions: positional tables, the norms of
#: weight-normalised convolutions (their directions, weight_v, are pruned), and the copies
#: that stock fairseq's transformer makes of its own weights whenever it loads them.
NOT_WEIGHTS = (
    r"\bembed_positions\.",
    r"\.weight_g$",
    r"\blayers\.\d+\.(in_proj|out_proj|fc1|fc2)_(weight|bias)$",
)

#: torch's row order of the LSTM's four gates; g is the paper's input signal h^.
GATES = ("i", "f", "g", "o")
INPUTS = {"ih": "feed-forward", "hh": "recurrent"}


def fairseq_prunable(
    named: Mapping[str, Tensor], include: Iterable[str] = (), exclude: Iterable[str] = ()
) -> Dict[str, Tensor]:
    """Prunable parameters of a fairseq model or of its state dict, tied ones once.

    ``include`` and ``exclude`` are regular expressions matched anywhere in
    "CLASS NAME: PARAMETER NAME", so that either can be named.
    """
    labels = {name: f"{c}: {name}" for name, c in fairseq_classes(named).items()}
    names = {label: name for name, label in labels.items()}
    labelled = {labels[name]: tensor for name, tensor in named.items()}
    found = find_prunable(labelled, include, exclude, NOT_WEIGHTS)
    return {names[label]: tensor for label, tensor in found.items()}


def is_copy(name: str) -> bool:
    """Whether a parameter is a copy that fairseq's transformer makes of others on loading."""
    return re.search(NOT_WEIGHTS[-1], name) is not None


def fairseq_classes(names: Iterable[str]) -> Dict[str, str]:
    """Parameter name -> weight class, for any fairseq architecture."""
    return classify(names, CLASS_RULES)


def lstm_subgroups(name: str, shape: Tuple[int, ...]) -> Optional[Dict[Tuple[str, str], slice]]:
    """(gate, input) -> rows of an LSTM weight matrix, or None for any other parameter.

    The paper's eight subgroups of T_{4n,2n} (section 3.2): gate x {feed-forward, recurrent}.
    """
    match = re.search(r"\.weight_(ih|hh)(_l\d+(_reverse)?)?$", name)
    if not match or len(shape) != 2 or shape[0] % len(GATES):
        return None
    rows = shape[0] // len(GATES)
    return {
        (gate, INPUTS[match.group(1)]): slice(k * rows, (k + 1) * rows)
        for k, gate in enumerate(GATES)
    }
