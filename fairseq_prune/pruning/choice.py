"""How the weights of a model are chosen, from a user's options: which score, with which data."""

from typing import NamedTuple, Optional

from ..errors import OPTION, OptionError
from .floors import USUAL_FLOORS, Floors
from .schemes import score_name
from .scores import find_score

#: numpy takes seeds of 32 bits, and fairseq adds the epoch to it.
LAST_SEED = 2**31 - 1


class Calibration(NamedTuple):
    """Which data: ``samples`` sentences (or blocks of text) of ``subset``, drawn by ``seed``.

    Without a number of samples, as many as the statistic usually takes.
    """

    subset: str = "train"
    samples: Optional[int] = None
    seed: int = 1

    def check(self) -> None:
        """Raise PruneError, naming the option, unless they make sense."""
        if self.samples is not None and self.samples < 1:
            raise OptionError(f"{OPTION}samples {self.samples} is out of range; give 1 or more")
        if not 0 <= self.seed <= LAST_SEED:
            raise OptionError(f"{OPTION}seed {self.seed} is out of range; give 0 to {LAST_SEED}")


class Choice(NamedTuple):
    """How weights are chosen to be pruned."""

    scheme: str
    score: Optional[str] = None  # None: what the scheme usually ranks by
    floors: Floors = USUAL_FLOORS
    calibration: Calibration = Calibration()
    steps: int = 1  # prunings on the way, the statistics new in each

    @property
    def method(self) -> str:
        """In words: scheme, score, steps, floors and samples, where they are not as usual."""
        parts = [self.scheme]
        if self.score is not None:
            parts.append(f"by {self.score}")
        if self.steps != 1:
            parts.append(f"in {self.steps} steps")
        for name, floor in (("floor", self.floors.of_class), ("row floor", self.floors.of_row)):
            if floor or (name == "row floor" and floor is not None):
                parts.append(f"{name} {floor:g}")
        if self.calibration.samples is not None:
            parts.append(f"of {self.calibration.samples} samples")
        return ", ".join(parts)

    @property
    def needs_data(self) -> bool:
        return find_score(score_name(self.scheme, self.score)).statistic is not None
