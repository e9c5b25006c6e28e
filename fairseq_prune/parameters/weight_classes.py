"""The paper's weight classes and LSTM subgroups, read off fairseq's parameter names.

Names are all that is needed, so a checkpoint can be looked at without its model.
"""

import re
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from torch import Tensor

from ..pruning import classify, find_prunable
from .kinds import is_parameter
from .ties import Aliases

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
        r"encoder\.(\w+\.)*?((trans|con)former_layers|layers|convolutions|projections)"
        r"\.(?P<k>\d+)\.",
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

#: Not weight matrices although they have two dimensions: positional tables, and the norms of
#: weight-normalised convolutions (their directions, weight_v, are pruned).
NOT_WEIGHTS = (
    r"\bembed_positions\.",
    r"\.weight_g$",
)

#: How fairseq's multilingual models name those that they are made of.
_ONE_OF_MODELS = re.compile(r"models\.([^.]+)\.")

#: torch's row order of the LSTM's four gates; g is the paper's input signal h^.
GATES = ("i", "f", "g", "o")
INPUTS = {"ih": "feed-forward", "hh": "recurrent"}


def fairseq_prunable(
    named: Mapping[str, Tensor],
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    aliases: Optional[Aliases] = None,
) -> Dict[str, Tensor]:
    """Prunable parameters of a fairseq model or of its state dict, tied ones once.

    ``include`` and ``exclude`` are regular expressions matched anywhere in
    "CLASS NAME: PARAMETER NAME", so that either can be named; of a weight that has
    ``aliases``, under its own class and name or those of any of them. Buffers, and the copies
    that fairseq makes of weights, are no parameters, whatever ``include`` matches.
    """
    aliases = aliases or {}
    named = {name: tensor for name, tensor in named.items() if is_parameter(name, tensor)}
    labels = {name: [f"{c}: {name}"] for name, c in fairseq_classes(named, aliases).items()}
    for name in labels.keys() & aliases.keys():
        own = _own_classes([name, *aliases[name]])
        labels[name] += [f"{c}: {alias}" for alias, c in own.items()]
    return find_prunable(named, include, exclude, NOT_WEIGHTS, labels)


def fairseq_classes(names: Iterable[str], aliases: Optional[Aliases] = None) -> Dict[str, str]:
    """Parameter name -> weight class, for any fairseq architecture.

    A class with weights that are others too, by ``aliases``, is called by all of these:
    "target embedding and softmax". Which weights are in one class does not depend on it.
    """
    called = _joined_names(aliases or {})
    return {name: called.get(own, own) for name, own in _own_classes(names).items()}


def renamed(by_class: Mapping[str, Any], aliases: Aliases) -> Dict[str, Any]:
    """``by_class`` of a record that calls joined classes by their first name alone."""
    now = _joined_names(aliases)
    return {now.get(name, name): value for name, value in by_class.items()}


def _own_classes(names: Iterable[str]) -> Dict[str, str]:
    """The class of each name by itself.

    The models of a multilingual one have classes of their own: what a model for en-de has in
    "source layer 1" is in "en-de source layer 1".
    """
    parts = {name: _ONE_OF_MODELS.match(name) for name in names}
    inner = {name: name[match.end() :] if match else name for name, match in parts.items()}
    classes = classify(inner.values(), CLASS_RULES)
    return {
        name: f"{match.group(1)} {classes[inner[name]]}" if match else classes[inner[name]]
        for name, match in parts.items()
    }


def _joined_names(aliases: Aliases) -> Dict[str, str]:
    """Class of first names -> what it is called: all classes that its weights are of."""
    parts: Dict[str, List[str]] = {}
    for name, others in aliases.items():
        own, *more = _own_classes([name, *others]).values()
        classes = parts.setdefault(own, [own])
        classes += [c for c in dict.fromkeys(more) if c not in classes]
    return {own: _join(classes) for own, classes in parts.items()}


def _join(parts: List[str]) -> str:
    if parts[:2] == ["source embedding", "target embedding"]:
        return ", ".join(["source and target embedding", *parts[2:]])
    if len(parts) > 3:
        return f"{parts[0]} and {len(parts) - 1} more"
    return " and ".join(parts)


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
