"""A checkpoint's prunable matrices: what a pruning keeps of them, and the words of their rows."""

import os
import re
from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Tuple

from fairseq.data import Dictionary
from fairseq.data.data_utils import infer_language_pair
from torch import Tensor

from ..checkpoints.prune_file import Choose
from ..checkpoints.weights import find_record, prunable_weights
from ..parameters.matrix_names import matrix_names
from ..parameters.ties import Aliases
from ..parameters.weight_classes import fairseq_classes, lstm_subgroups
from ..pruning import masks_of, prune

#: Parameters whose rows stand for words: pattern -> which dictionary.
WORD_ROWS = (
    (r"encoder\.embed_tokens\.weight$", "source"),
    (r"decoder\.embed_tokens\.weight$", "target"),
    (r"decoder\.(fc_out|output_projection|embed_out|fc3)(\.weight)?$", "target"),
)


@dataclass(frozen=True)
class Matrix:
    """A prunable parameter, in two dimensions.

    Attributes:
        name: the parameter's.
        weight_class: the paper's unit.
        part: which of its class it is, "self-attention q"; "" where there is no other.
        weight: rows x columns (what has more dimensions is folded into columns).
        keep: bool, as large; False = pruned.
        words: "source" or "target" where rows stand for the words of that dictionary, in
            its order, which is that of frequency.
        subgroups: (gate, input) -> rows, of an LSTM's matrix; otherwise empty.
    """

    name: str
    weight_class: str
    part: str
    weight: Tensor
    keep: Tensor
    words: Optional[str]
    subgroups: Mapping[Tuple[str, str], slice]


def matrices(
    state: Mapping[str, Any],
    aliases: Aliases,
    sparsity: float = 0.8,
    choose: Optional[Choose] = None,
) -> List[Matrix]:
    """The matrices of a checkpoint, in the order of its parameters.

    What they keep is what the checkpoint's own mask keeps or, where it is dense, what
    pruning it would. The weights may be mapped from the file: do not write.

    Args:
        aliases: of the checkpoint (``aliases_in``).
        choose: what a dense one is pruned by; None: class-blind, to ``sparsity``.
    """
    weights = prunable_weights(state, aliases)
    record = find_record(state)
    if record is not None and record["masks"]:
        masks = masks_of(record, state["model"])
        weights = {name: state["model"][name] for name in masks}
    else:
        classes = fairseq_classes(weights, aliases)
        if choose is None:
            masks = prune(weights, classes, "class-blind", sparsity).masks
        else:
            masks = choose(weights, classes, None).masks
    classes = fairseq_classes(weights, aliases)
    parts = matrix_names(classes)
    return [_matrix(n, classes[n], parts[n], w, masks[n]) for n, w in weights.items()]


def _matrix(name: str, weight_class: str, part: str, weight: Tensor, keep: Tensor) -> Matrix:
    rows = weight.shape[0] if weight.dim() > 1 else 1
    return Matrix(
        name=name,
        weight_class=weight_class,
        part=part,
        weight=weight.reshape(rows, -1),
        keep=keep.reshape(rows, -1),
        words=next((which for rule, which in WORD_ROWS if re.search(rule, name)), None),
        subgroups=lstm_subgroups(name, tuple(weight.shape)) or {},
    )


def read_words(
    data: Optional[str], state: Mapping[str, Any], which: str, rows: List[int]
) -> Optional[List[str]]:
    """The words of ``rows`` in the "source" or "target" dictionary, or None if there is none.

    The folder is ``data`` or, without it, where the checkpoint was trained, if it is still
    there; the languages are the checkpoint's or, as in training, those of the folder's files.
    Language models have one dictionary.
    """
    task = (state.get("cfg") or {}).get("task") or state.get("args")
    settings = task if isinstance(task, Mapping) else vars(task) if task is not None else {}
    folder = str(data or settings.get("data") or "").split(os.pathsep)[0]
    if not os.path.isdir(folder):
        return None
    inferred = dict(zip(("source", "target"), infer_language_pair(folder)))
    language = settings.get(f"{which}_lang") or inferred[which]
    if os.sep in (language or ""):
        return None  # no language: another folder
    path = os.path.join(folder, f"dict.{language}.txt" if language else "dict.txt")
    if not os.path.isfile(path):
        return None
    dictionary = Dictionary.load(path)
    return [dictionary[row] for row in rows] if all(r < len(dictionary) for r in rows) else None
