"""What the runs say together: means and deviations over seeds."""

import statistics
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

#: The sparsity of the study's figures and of its claims.
STUDY_SPARSITY = 0.95


class Net(NamedTuple):
    cell: str
    layers: int

    def __str__(self) -> str:
        return f"{NAMES[self.cell]}, {self.layers} layer{'s' if self.layers > 1 else ''}"


NAMES = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}


class Summary:
    """Accuracies in percent, losses in points of it, each a list with an entry for each seed."""

    def __init__(self, runs: List[Dict[str, Any]]):
        self._dense: Dict[Net, List[float]] = {}
        self._points: Dict[Tuple[Net, str, float], List[Dict[str, Any]]] = {}
        for run in runs:
            net = Net(run["cell"], run["layers"])
            self._dense.setdefault(net, []).append(100 * run["dense"]["test"])
            for point in run["points"]:
                self._points.setdefault((net, point["way"], point["sparsity"]), []).append(point)
        self.nets = list(self._dense)
        self.layers = sorted({net.layers for net in self.nets})
        self.seeds = len(next(iter(self._dense.values())))

    def sparsities(self, way: str) -> List[float]:
        """Of the points of ``way``: "pruned" or "retrained"."""
        return sorted({sparsity for _, found, sparsity in self._points if found == way})

    def dense(self, net: Net) -> List[float]:
        """Test accuracy."""
        return self._dense[net]

    def accuracy(self, net: Net, way: str, sparsity: float) -> List[float]:
        """Test accuracy."""
        return [100 * point["test"] for point in self._points[net, way, sparsity]]

    def loss(self, net: Net, way: str, sparsity: float) -> List[float]:
        """Test accuracy that was lost: dense minus this, of the same seed."""
        after = self.accuracy(net, way, sparsity)
        return [before - x for before, x in zip(self._dense[net], after)]

    def weights(self, net: Net) -> int:
        """Prunable weights."""
        return next(p[0]["weights"] for (of, *_), p in self._points.items() if of == net)

    def blocks_at(self) -> Optional[Tuple[str, float]]:
        """Way and sparsity of the masks to look at: retrained, and nearest to the study's 95%."""
        for way in ("retrained", "pruned"):
            found = [x for x in self.sparsities(way) if x > 0]
            if found:
                return way, min(found, key=lambda x: abs(x - STUDY_SPARSITY))
        return None

    def shares(
        self, net: Net, way: str, sparsity: float, by: Tuple[str, ...] = ("layer", "gate", "input")
    ) -> Dict[Tuple, List[float]]:
        """Percent of the weights that is pruned, in blocks or in what is one ``by`` fewer keys,
        e.g. all blocks of a gate."""
        found: Dict[Tuple, List[float]] = {}
        for point in self._points[net, way, sparsity]:
            counts: Dict[Tuple, List[int]] = {}
            for block in point["blocks"]:
                of = counts.setdefault(tuple(block[key] for key in by), [0, 0])
                of[0] += block["pruned"]
                of[1] += block["weights"]
            for key, (pruned, weights) in counts.items():
                found.setdefault(key, []).append(100 * pruned / weights)
        return found


def percent(sparsity: float) -> str:
    return f"{100 * sparsity:g}%"


def mean(values: List[float]) -> float:
    return statistics.fmean(values)


def deviation(values: List[float]) -> float:
    """Standard deviation of a sample; 0 of a single value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def spread(values: List[float]) -> str:
    """Mean and, of several, standard deviation."""
    return f"{mean(values):.1f}" + (f" ± {deviation(values):.1f}" if len(values) > 1 else "")


def clearly_more(a: List[float], b: List[float]) -> bool:
    """Whether ``a`` is above ``b``, paired by seed, by more than two standard errors (with one
    seed: whether it is above)."""
    differences = [x - y for x, y in zip(a, b)]
    return mean(differences) > 2 * deviation(differences) / len(differences) ** 0.5
