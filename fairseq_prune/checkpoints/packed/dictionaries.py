"""Which dictionaries a packed model belongs to: with others it would decode nonsense."""

import hashlib
from typing import Any, Dict, Mapping

from fairseq.data import Dictionary

from ...pruning import PruneError


def fingerprints(task: Any) -> Dict[str, str]:
    """ "source" and "target" -> SHA-256 over the symbols of the task's dictionary, in order."""
    found = {}
    for side in ("source", "target"):
        try:
            dictionary = getattr(task, f"{side}_dictionary", None)
        except NotImplementedError:  # a task that has none
            continue
        if isinstance(dictionary, Dictionary):
            text = "\n".join(dictionary.symbols)
            found[side] = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return found


def check_dictionaries(path: str, expected: Mapping[str, str], task: Any) -> None:
    """Raise PruneError if ``task`` has another dictionary than the packed file ``path`` expects."""
    for side, found in fingerprints(task).items():
        if expected.get(side, found) != found:
            raise PruneError(
                f"{path} was packed with another {side} dictionary than the data has; decode with "
                f"the data it was trained on"
            )
