"""How far the translations are, and how long they may still take."""

import time
from typing import Callable, Dict, Optional

from ..experiments.progress import duration

#: Seconds between lines.
EVERY = 10.0


class Progress:
    """Says it now and then; time left is by tokens, for long sentences take longer."""

    def __init__(
        self,
        sentences: Dict[int, int],
        tokens: Dict[int, int],
        before: int,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        """
        Args:
            sentences, tokens: of each shard that is still to be translated.
            before: sentences that have been.
        """
        self._sentences, self._tokens, self._before = sentences, tokens, before
        self._say, self._clock = say, clock
        self._started = clock()
        self._said: Optional[float] = None

    def tell(self, finished) -> None:
        """Say how far it is, unless that was just said; ``finished``: numbers of shards."""
        now = self._clock()
        made = self._sentences.keys() & finished
        if not made or (self._said is not None and now < self._said + EVERY):
            return
        self._said = now
        self._say(self.line(made, now - self._started))

    def line(self, made, seconds: float) -> str:
        """ "1,200 of 29,000 sentences, 85.3 a second, about 5 min left"."""
        sentences = sum(self._sentences[number] for number in made)
        tokens = sum(self._tokens[number] for number in made)
        left = sum(self._tokens.values()) - tokens
        rest = f", about {duration(left / tokens * seconds)} left" if left else ""
        total = self._before + sum(self._sentences.values())
        return (
            f"{self._before + sentences:,} of {total:,} sentences, "
            f"{sentences / seconds:.1f} a second{rest}"
        )
