"""What fairseq reads to build models from, and what is to be said of it when that fails."""

from typing import Any, Dict, List, Sequence

from ..checkpoints.configuration import names_of
from ..checkpoints.dictionaries import check_dictionaries, find_dictionaries, fingerprints
from ..checkpoints.values import NotAValue
from ..pruning import PruneError


class BeingRead:
    """Of the checkpoints ``paths`` for ``task`` (None: it is known once they are read)."""

    def __init__(self, paths: Sequence[str] = (), task: Any = None):
        self._paths, self._task = paths, task
        self._dictionaries: Dict[str, Dict[str, str]] = {}
        self._configurations: Dict[str, Any] = {}
        self._left_out: Dict[str, List[str]] = {}

    def note(self, path: Any, state: Dict[str, Any], left_out: List[str]) -> None:
        """
        Args:
            left_out: what ``confine`` took out of it.
        Raises:
            PruneError: ``state`` belongs to other dictionaries than those of the task.
        """
        if path not in self._paths:  # another, that the building of a model reads
            return
        self._configurations[path] = state.get("cfg") or state.get("args")
        self._dictionaries[path] = find_dictionaries(state)
        self._left_out[path] = left_out
        if self._task is not None:
            self.check(self._task)

    def check(self, task: Any) -> None:
        for path, expected in self._dictionaries.items():
            check_dictionaries(path, expected, fingerprints(task))

    def explain(self, error: Exception) -> Exception:
        """``error`` with the file and the option that it is of, if it is of one."""
        if isinstance(error, NotAValue):
            for path, configuration in self._configurations.items():
                names = names_of(error.text, configuration)
                if names:
                    return PruneError(f"{path}: its option {', '.join(names)}: {error}")
        elif not isinstance(error, PruneError) and not are_other_shapes(error):
            for path, names in self._left_out.items():
                if names:
                    return PruneError(
                        f"{path} cannot be loaded without what its options {', '.join(names)} name "
                        f"outside of it, which is not read unless --model-overrides gives it "
                        f"({type(error).__name__}: {error})"
                    )
        return error


def are_other_shapes(error: Exception) -> bool:
    """Whether it is torch's of weights that a model has no place for: its dictionaries or options
    are others."""
    return isinstance(error, RuntimeError) and str(error).startswith("Error(s) in loading")
