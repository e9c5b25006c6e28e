"""What the study claims of accuracy after pruning and retraining."""

from typing import List

from claim import Claim, verdict
from summary import NAMES, STUDY_SPARSITY, Net, Summary, clearly_more, mean, percent, spread

#: What counts as no loss, in points of accuracy: the study's "smaller than 1%".
POINT = 1.0


def judge(s: Summary) -> List[Claim]:
    return [gap_closed(s), small_loss(s), more_resilient(s), more_layers(s)]


def gap_closed(s: Summary) -> Claim:
    closed, back = [], []
    for net in s.nets:
        for x in studied(s, "retrained"):
            gap, left = (mean(s.loss(net, way, x)) for way in ("pruned", "retrained"))
            if gap >= POINT:
                closed.append(left < POINT)
                back.append((100 * (1 - left / gap), f"{net}, {percent(x)}"))
    found = f"closed in {sum(closed)} of {len(closed)} cases"
    if back:
        found += f"; of the loss {min(back)[0]:.0f}% ({min(back)[1]}) or more comes back"
    return Claim(
        "1",
        "Retraining closes the gap",
        "where pruning alone, up to 95%, loses 1 point or more, less than 1 point is lost after "
        "retraining",
        found,
        verdict(closed),
    )


def small_loss(s: Summary) -> Claim:
    losses = {}
    if STUDY_SPARSITY in s.sparsities("retrained"):
        losses = {net: s.loss(net, "retrained", STUDY_SPARSITY) for net in s.nets}
    return Claim(
        "2",
        "95% pruned: accuracy loss smaller than 1%",
        "pruned to 95% and retrained, each network loses less than 1 point",
        "; ".join(f"{net}: {spread(loss)}" for net, loss in losses.items()),
        verdict(mean(loss) < POINT for loss in losses.values()),
    )


def more_resilient(s: Summary) -> Claim:
    held, found = [], []
    for way in ("pruned", "retrained"):
        for layers in s.layers:
            lost = {cell: average_loss(s, Net(cell, layers), way) for cell in NAMES}
            lost = {cell: losses for cell, losses in lost.items() if losses}
            gated = [losses for cell, losses in lost.items() if cell != "rnn"]
            if "rnn" in lost and gated:
                held += [clearly_more(lost["rnn"], losses) for losses in gated]
                numbers = ", ".join(f"{NAMES[cell]} {mean(lost[cell]):.1f}" for cell in lost)
                found.append(f"{way}, layers {layers}: {numbers}")
    return Claim(
        "3",
        "LSTM and GRU more resilient to pruning: additional redundancy in gates",
        "averaged over the sparsities up to 95%, the RNN loses more points than the LSTM and than "
        "the GRU, pruned alone and retrained, for each number of layers",
        "; ".join(found),
        verdict(held),
    )


def average_loss(s: Summary, net: Net, way: str) -> List[float]:
    """The loss of each seed, averaged over the sparsities that the study has."""
    losses = [s.loss(net, way, x) for x in studied(s, way) if net in s.nets]
    return [mean(of_seed) for of_seed in zip(*losses)]


def more_layers(s: Summary) -> Claim:
    held, found = [], []
    tested = len(s.layers) > 1 and any(s.sparsities("retrained"))
    for cell in NAMES if tested else ():
        limits = [can_be_pruned(s, Net(cell, n)) for n in s.layers if Net(cell, n) in s.nets]
        if limits:
            found.append(f"{NAMES[cell]} {', '.join(map(percent, limits))}")
            # where the first stands at the highest sparsity there is no more to be seen
            if cell != "rnn" and limits[0] < max(s.sparsities("retrained")):
                held.append(limits == sorted(limits) and limits[-1] > limits[0])
    return Claim(
        "4",
        "More layers: more can be pruned for LSTM and GRU (RNN?)",
        "the sparsity up to which less than 1 point is lost after retraining grows with layers "
        "(the RNN's is not judged, nor are cells of which one layer stands the highest)",
        f"with layers {', '.join(map(str, s.layers))}: {'; '.join(found)}" if found else "",
        verdict(held),
    )


def can_be_pruned(s: Summary, net: Net) -> float:
    """The highest sparsity such that at it, and at all below, less than a point is lost; or 0."""
    limit = 0.0
    for x in s.sparsities("retrained"):
        if mean(s.loss(net, "retrained", x)) >= POINT:
            break
        limit = x
    return limit


def studied(s: Summary, way: str) -> List[float]:
    return [x for x in s.sparsities(way) if 0 < x <= STUDY_SPARSITY]
