"""How far a grid is, and how long it may still take."""

import threading
from typing import Dict, List, Optional, Tuple


class Progress:
    """Counts points and learns how long each kind takes."""

    def __init__(self, left: List[str], done: List[Tuple[str, Optional[float]]], jobs: int):
        """
        Args:
            left: kind of each point to be made.
            done: kind and seconds of each point made before.
            jobs: how many are made at a time.
        """
        self.total = len(left) + len(done)
        self.done = len(done)
        self._jobs = jobs
        self._left = list(left)
        self._seconds: Dict[str, List[float]] = {}
        self._lock = threading.Lock()
        for kind, seconds in done:
            self._learn(kind, seconds)

    def _learn(self, kind: str, seconds: Optional[float]) -> None:
        if seconds:
            self._seconds.setdefault(kind, []).append(seconds)

    def finish(self, kind: str, seconds: float) -> str:
        """Count a point; a text that says how far the grid is: "[3/27, about 5 min left]"."""
        with self._lock:
            self.done += 1
            self._left.remove(kind)
            self._learn(kind, seconds)
            return f"[{self.done}/{self.total}{self._estimate()}]"

    def _estimate(self) -> str:
        if not self._left:
            return ""
        seconds, known = estimate(self._left, self._seconds, self._jobs)
        if not seconds:
            return ""
        return f", {'about' if known else 'more than'} {duration(seconds)} left"


def estimate(left: List[str], seconds: Dict[str, List[float]], jobs: int) -> Tuple[float, bool]:
    """Seconds that points of kinds ``left`` will take, and whether all kinds are known."""
    known = [sum(seconds[kind]) / len(seconds[kind]) for kind in left if kind in seconds]
    # the longest one cannot be shared
    return max([sum(known) / jobs, *known], default=0.0), len(known) == len(left)


def duration(seconds: float) -> str:
    """ "40 s", "12 min", "3 h 20 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
