"""The folder that rounds are made in: whose it is, and which rounds in it are done."""

import json
import os
from typing import Any, Dict

from ..checkpoints.writing import write_text
from ..pruning import PruneError


class RoundsFolder:
    """``rounds.json`` says what the rounds are and how many are done."""

    def __init__(self, path: str, plan: Dict[str, Any]):
        """
        Args:
            path: the folder; it is there.
            plan: option -> value of what makes the rounds what they are.
        """
        self.path = path
        self.plan = plan
        self._state = os.path.join(path, "rounds.json")

    def done(self) -> int:
        """How many rounds are done.

        Raises:
            PruneError: the rounds in the folder are others.
        """
        if not os.path.exists(self._state):
            self.finish(0)
            return 0
        try:
            with open(self._state, encoding="utf-8") as f:
                content = json.load(f)
            was, done = dict(content["plan"]), int(content["done"])
        except (ValueError, KeyError, TypeError) as error:
            raise PruneError(f"{self._state} is damaged; take another --out") from error
        for name in {**self.plan, **was}:
            asked, there = (_spelled(name, plan.get(name)) for plan in (self.plan, was))
            if self.plan.get(name) != was.get(name):
                raise PruneError(
                    f"{asked}: {self.path} holds rounds with {there}; ask for the same, or take "
                    f"another --out"
                )
        return done

    def finish(self, r: int) -> None:
        """Note that ``r`` rounds are done."""
        write_text(self._state, json.dumps({"plan": self.plan, "done": r}, indent=2))


def _spelled(name: str, value: Any) -> str:
    flag = "--from" if name == "source" else "--" + name.replace("_", "-")
    return f"no {flag}" if value is None else f"{flag} {value}"
