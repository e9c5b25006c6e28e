"""What the study claims of the blocks of weight matrices, of networks of one layer."""

from typing import Dict, List, Tuple

from claim import Claim, verdict
from summary import NAMES, Net, Summary, clearly_more, mean


def judge(s: Summary) -> List[Claim]:
    return [hidden_redundant(s), input_gate(s), input_blocks(s)]


def hidden_redundant(s: Summary) -> Claim:
    held, found = [], []
    for cell in NAMES:
        shares = one_layer(s, cell)
        for (gate,) in one_layer(s, cell, ("gate",)):
            hidden, inputs = shares[gate, "hidden"], shares[gate, "input"]
            held.append(clearly_more(hidden, inputs))
            found.append(f"{NAMES[cell]} {gate} {mean(hidden):.1f}% and {mean(inputs):.1f}%")
    return Claim(
        "5",
        "Hidden to hidden more redundancy (RNN; each gate of LSTM and GRU)",
        "in each gate a larger share of the hidden-to-hidden block is pruned than of the "
        "input-to-hidden block",
        "; ".join(found),
        verdict(held),
    )


def input_gate(s: Summary) -> Claim:
    gates = one_layer(s, "gru", ("gate",))
    return Claim(
        "6a",
        '"Input gate less redundancy" (GRU), if the gate is meant (z)',
        "a smaller share of z is pruned than of r and than of n, both blocks together",
        "; ".join(f"{gate} {mean(shares):.1f}%" for (gate,), shares in gates.items()),
        verdict(clearly_more(gates[(other,)], gates[("z",)]) for other in "rn" if gates),
    )


def input_blocks(s: Summary) -> Claim:
    held, found = [], []
    lstm, gru = one_layer(s, "lstm", ("input",)), one_layer(s, "gru")
    if lstm and gru:
        for (gate, side), shares in gru.items():
            if side == "input":
                held.append(clearly_more(lstm[(side,)], shares))
                found.append(f"{gate} {mean(shares):.1f}%")
        found.append(f"LSTM {mean(lstm[('input',)]):.1f}%")
    return Claim(
        "6b",
        "... if the gates' input-to-hidden blocks are meant",
        "a smaller share of the input-to-hidden block of each gate is pruned than of the LSTM's, "
        "of whose gates the study does not say it",
        "; ".join(found),
        verdict(held),
    )


def one_layer(
    s: Summary, cell: str, by: Tuple[str, ...] = ("gate", "input")
) -> Dict[Tuple, List[float]]:
    """Percent pruned, by seed, of the parts of the network of one layer; empty without one."""
    net = Net(cell, 1)
    at = s.blocks_at()
    return s.shares(net, *at, by) if at and net in s.nets else {}
