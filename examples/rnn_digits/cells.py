"""The networks of the study, their weight classes, and the blocks of their weight matrices."""

import re
from typing import Dict, NamedTuple, Tuple

from torch import Tensor, nn

HIDDEN = 128
CLASSES = 10

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
#: Of each cell the gates in torch's order of rows, and what the slides call them (they write g for
#: the GRU's n).
GATES = {
    "rnn": {"h": ""},
    "lstm": {"i": "input gate", "f": "forget gate", "g": "cell gate", "o": "output gate"},
    "gru": {"r": "reset gate", "z": "input gate", "n": "target state"},
}
INPUTS = {"ih": "input", "hh": "hidden"}

#: Weight classes for ``fairseq_prune.pruning.classify``: each layer is one, the classifier another.
CLASS_RULES = (
    (r"rnn\.weight_\w+_l(?P<k>\d+)", "layer {k}"),
    (r"output\.", "output"),
)


class Block(NamedTuple):
    """A subgroup: the weights of one gate of one layer for one of its two inputs."""

    layer: int  # from 1
    gate: str
    input: str  # "input" (input-to-hidden, from the layer below) or "hidden" (hidden-to-hidden)


class Reader(nn.Module):
    """Reads an image a row at a step; a linear layer on the last hidden state names its class."""

    def __init__(self, cell: str, layers: int, columns: int):
        super().__init__()
        self.rnn = CELLS[cell](columns, HIDDEN, layers, batch_first=True)
        self.output = nn.Linear(HIDDEN, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Images (batch, rows, columns) to scores of the classes (batch, 10)."""
        return self.output(self.rnn(images)[0][:, -1])


def blocks(cell: str, masks: Dict[str, Tensor]) -> Dict[Block, Tensor]:
    """The part of each mask that belongs to each block; the output layer has none.

    Args:
        cell: key of ``CELLS``.
        masks: of a ``Reader``, by parameter name; True = keep.
    Returns:
        block -> bool (128, columns of its matrix), in the order of ``masks``, then of the rows.
    """
    found = {}
    for name, mask in masks.items():
        layer, kind = _place(name)
        if kind in INPUTS:
            for gate, rows in zip(GATES[cell], mask.chunk(len(GATES[cell]))):
                found[Block(layer, gate, INPUTS[kind])] = rows
    return found


def _place(name: str) -> Tuple[int, str]:
    match = re.match(r"rnn\.weight_(ih|hh)_l(\d+)$", name)
    return (int(match.group(2)) + 1, match.group(1)) if match else (0, "")
