"""Going on with a round that was begun on another machine, or with other processors."""

from typing import List, Optional, Tuple

from ...pruning import PruneError
from ..training_options import OF_A_GPU

#: Options in which numbers are computed with: an optimizer's state is for one.
PRECISION = {"--" + name.replace("_", "-") for name in OF_A_GPU}
#: Options by the updates of an epoch, of which other processors may have one more or less.
COUNTED = {"--warmup-updates", "--total-num-update"}
#: Options that make no other training of it: where the plugin is, and who computes a batch.
PLACE = {"--user-dir", "--cpu", "--update-freq"}


def going_on(begun: List[str], now: List[str], data: str) -> Optional[List[str]]:
    """The command that goes on with the training that ``begun`` has begun.

    Args:
        now: the command as it would begin here. What is before the data starts a training, and
            may be another program.
        data: folder, as both name it.
    Returns:
        ``now``, with the schedule of ``begun``; None where it is another training.
    Raises:
        PruneError: it would compute in other numbers.
    """
    if data not in begun:
        return None
    at = now.index(data)
    before, here = _options(begun[begun.index(data) :]), _options(now[at:])
    free, counts = PRECISION | COUNTED | PLACE, _only(before, COUNTED)
    if _without(before, free) != _without(here, free) or len(counts) != len(_only(here, COUNTED)):
        return None
    if _only(before, PRECISION) != _only(here, PRECISION):
        one, other = (
            " ".join(word for words in _only(side, PRECISION) for word in words) or "fp32"
            for side in (before, here)
        )
        raise PruneError(
            f"it was begun with {one}, and here it would go on with {other}, which an optimizer's "
            f"state is not for"
        )
    counted = iter(counts)
    options = [next(counted) if _name(words) in COUNTED else words for words in here]
    return [*now[:at], *(word for words in options for word in words)]


def _options(words: List[str]) -> List[Tuple[str, ...]]:
    """Each option with its values; the first has what is before any."""
    options: List[List[str]] = [[]]
    for word in words:
        if word.startswith("--"):
            options.append([])
        options[-1].append(word)
    return [tuple(option) for option in options]


def _name(words: Tuple[str, ...]) -> str:
    return words[0].split("=")[0]


def _only(options: List[Tuple[str, ...]], names) -> List[Tuple[str, ...]]:
    return [words for words in options if _name(words) in names]


def _without(options: List[Tuple[str, ...]], names) -> List[Tuple[str, ...]]:
    return [words for words in options if _name(words) not in names]
