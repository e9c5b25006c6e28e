"""Which dictionaries a model belongs to: with others its words are other words."""

from typing import Any, Dict, Iterable, Mapping, Optional

from ..packed.container import is_packed
from ..packed.dictionary import fingerprint
from ..packed.texts import SOURCE, TARGET
from ..pruning import PruneError
from .packed.packed_model import DICTIONARIES_KEY
from .weights import find_record


def dictionaries_of(task: Any) -> Dict[str, Any]:
    """Those of a task: "source", "target"."""
    from fairseq.data import Dictionary

    dictionaries = {}
    for side in (SOURCE, TARGET):
        try:
            dictionary = getattr(task, f"{side}_dictionary", None)
        except NotImplementedError:  # a task that has none
            continue
        if isinstance(dictionary, Dictionary):
            dictionaries[side] = dictionary
    return dictionaries


def fingerprints(task: Any) -> Dict[str, str]:
    """ "source" and "target" -> SHA-256 over the symbols of the task's dictionary, in order."""
    return {
        side: fingerprint(dictionary.symbols) for side, dictionary in dictionaries_of(task).items()
    }


def differing_side(task: Any, others: Iterable[Any]) -> Optional[str]:
    """The first side whose dictionary is in one of ``others``, tasks, not that of ``task``."""
    for side, wanted in fingerprints(task).items():
        if any(fingerprints(other).get(side) != wanted for other in others):
            return side
    return None


def find_dictionaries(state: Mapping[str, Any]) -> Dict[str, str]:
    """The fingerprints that a checkpoint holds; none if its run noted none."""
    noted = state.get(DICTIONARIES_KEY) or (find_record(state) or {}).get(DICTIONARIES_KEY)
    return dict(noted) if isinstance(noted, Mapping) else {}


def check_dictionaries(path: str, expected: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Raise PruneError if data have another dictionary than the model at ``path`` expects.

    Args:
        expected, found: fingerprints.
    """
    for side, fingerprint_found in found.items():
        if expected.get(side, fingerprint_found) != fingerprint_found:
            made = "packed" if is_packed(path) else "trained"
            raise PruneError(
                f"{path} was {made} with another {side} dictionary than the data has; give the "
                f"data it was trained on, or data made with its dictionaries (--srcdict, --tgtdict)"
            )
