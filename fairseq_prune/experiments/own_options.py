"""Options that rounds, grids and comparisons of methods set themselves."""

from typing import List

from ..pruning import PruneError

#: What a pruning is asked for: its options, without what their names begin with.
REQUEST = (
    "scheme",
    "sparsity",
    "include",
    "exclude",
    "score",
    "floor",
    "row-floor",
    "subset",
    "samples",
    "seed",
    "steps",
)
#: Options of fairseq-train that say what a training starts from, and where it writes.
PLACES = ("--save-dir", "--finetune-from-model", "--restore-file", "--prune-mask-from")
#: Options of fairseq-train that the grid sets itself.
OWN = (
    "--seed",
    "--log-format",
    "--log-file",
    *PLACES,
    *(f"--prune-{name}" for name in REQUEST),
)
#: Options of fairseq-prune iterate that the grid sets itself.
OWN_OF_ITERATE = ("--from", "--out", "--data", "--", *(f"--{name}" for name in REQUEST))
#: Options of a training command that a round sets itself.
OWN_OF_ROUNDS = (*PLACES, "--prune-schedule", *(f"--prune-{name}" for name in REQUEST))


def check_own(words: List[str], own, where: str = "options, trainings") -> None:
    """Raise PruneError if ``words`` has an option that is set for the user."""
    for word in words:
        if word.split("=")[0] in own:
            raise PruneError(f"{where}: {word.split('=')[0]} is set for you; leave it out")
