"""Options that a grid or a comparison of methods sets itself."""

from typing import List

from ..pruning import PruneError

#: Options of fairseq-train that the grid sets itself.
OWN = (
    "--seed",
    "--save-dir",
    "--log-format",
    "--log-file",
    "--finetune-from-model",
    "--restore-file",
    "--prune-scheme",
    "--prune-sparsity",
    "--prune-mask-from",
    "--prune-include",
    "--prune-exclude",
    "--prune-score",
    "--prune-floor",
    "--prune-row-floor",
    "--prune-subset",
    "--prune-samples",
    "--prune-seed",
    "--prune-steps",
)
#: Options of fairseq-prune iterate that the grid sets itself.
OWN_OF_ITERATE = (
    "--from",
    "--out",
    "--scheme",
    "--sparsity",
    "--include",
    "--exclude",
    "--score",
    "--floor",
    "--row-floor",
    "--data",
    "--subset",
    "--samples",
    "--seed",
    "--steps",
    "--",
)


def check_own(words: List[str], own, where: str = "options, trainings") -> None:
    """Raise PruneError if ``words`` has an option that is set for the user."""
    for word in words:
        if word.split("=")[0] in own:
            raise PruneError(f"{where}: {word.split('=')[0]} is set for you; leave it out")
