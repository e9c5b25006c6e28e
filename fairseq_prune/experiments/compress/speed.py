"""How long compressing takes, by its parts."""

from dataclasses import dataclass
from typing import List

#: Of the updates: checkpoints, and what else is done beside them.
BESIDE = 1.1


@dataclass(frozen=True)
class Speed:
    """Seconds.

    Attributes:
        update: of retraining.
        validation: after each epoch.
        start: of a round: reading model and data, looking at them to prune.
        trial: scoring a round, where it is the loss that decides.
        scoring: of the dense and the packed model, at the end.
    """

    update: float
    validation: float = 0.0
    start: float = 0.0
    trial: float = 0.0
    scoring: float = 0.0

    def epoch(self, updates: int) -> float:
        return updates * self.update * BESIDE + self.validation

    def whole(self, epochs: List[int], updates: int, tried: bool) -> float:
        """All of it.

        Args:
            epochs: of each round.
            updates: an epoch.
            tried: whether it is the loss that decides.
        """
        each = self.start + (self.trial if tried else 0.0)
        return sum(epochs) * self.epoch(updates) + len(epochs) * each + self.scoring

    def epochs_in(self, seconds: float, rounds: int, updates: int, tried: bool) -> int:
        """How many fit, of all rounds together. Rounds that have no room are left out, but where
        it is the loss that decides, any of them may be the last."""

        def fit(count: int) -> int:
            left = seconds - self.whole([0] * count, updates, tried)
            return max(0, int(left / self.epoch(updates)))

        total = fit(rounds)
        if total >= rounds or tried:
            return total
        # not one for each of a round more
        return max((min(count, fit(count)) for count in range(1, rounds)), default=total)
