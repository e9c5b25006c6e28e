"""Pruning schemes: where weights compete, whatever they are compared by (``scores``).

See et al. 2016, section 3.3. class-blind ranks everything together, class-uniform each class by
itself. class-distribution ranks everything together by |w| / sigma_c, which makes the paper's
lambda the threshold and the total exact: a scheme with a score of its own. A pattern n:m cuts
a ranking in another way: in each group of m neighbours.
"""

from dataclasses import dataclass
from functools import partial
from typing import Callable, Dict, Mapping, Optional, Tuple

from torch import Tensor

from ..errors import OPTION, OptionError
from .n_of_m import check_n_of_m, read_pattern, select_n_of_m
from .score import Scorer
from .scores import find_score
from .selection import select_lowest

#: What is compared where nothing else is asked for.
DEFAULT_SCORE = "magnitude"


#: From the weights of a ranking, their scorers, how many to prune and the masks to prune
#: within (or None) to masks and the threshold: ``select_lowest`` or alike.
Cut = Callable[
    [Mapping[str, Tensor], Mapping[str, Scorer], int, Optional[Mapping[str, Tensor]]],
    Tuple[Dict[str, Tensor], float],
]

#: From the weights of a ranking and the masks to prune within (or None): raises PruneError.
Check = Callable[[Mapping[str, Tensor], Optional[Mapping[str, Tensor]]], None]


def everything(weight_class: str) -> str:
    """One ranking over all classes."""
    return ""


def each_class(weight_class: str) -> str:
    """A ranking for each class."""
    return weight_class


@dataclass(frozen=True)
class Scheme:
    """How pruning is distributed over the weight classes.

    Attributes:
        scope: from a class name to the ranking it belongs to; each ranking is pruned
            to the target sparsity.
        cut: how a ranking is pruned to it; by default, of its lowest scores.
        sparsity: the only one that ``cut`` can prune to; None: any.
        own_score: the only score that it ranks by, of ``SCORES``; None: any.
        check: raises PruneError where ``cut`` would for the weights of a ranking and the masks to
            prune within (or None), whatever their scores.
    """

    scope: Callable[[str], str]
    cut: Cut = select_lowest
    sparsity: Optional[float] = None
    own_score: Optional[str] = None
    check: Optional[Check] = None


#: By the name that ``--prune-scheme`` takes. Add to it to extend.
SCHEMES: Dict[str, Scheme] = {
    "class-blind": Scheme(scope=everything),
    "class-uniform": Scheme(scope=each_class),
    "class-distribution": Scheme(scope=everything, own_score="standardized-magnitude"),
}


def find_scheme(name: str) -> Scheme:
    """The scheme of that name: one of ``SCHEMES``, or the pattern that "n:m" spells.

    Raises:
        PruneError: there is none; the option is named.
    """
    if name in SCHEMES:
        return SCHEMES[name]
    if ":" not in name:
        raise OptionError(
            f"{OPTION}scheme {name} is unknown; choose from {', '.join(SCHEMES)}, "
            f'n:m (such as "2:4"; in YAML with the quotes)'
        )
    n, m = read_pattern(name)
    return Scheme(
        scope=everything,
        cut=partial(select_n_of_m, n=n, m=m),
        sparsity=(m - n) / m,
        check=partial(check_n_of_m, n=n, m=m),
    )


def score_name(scheme: str, score: Optional[str] = None) -> str:
    """The score that ``scheme`` ranks by where ``score`` is asked for; None: what is usual.

    Raises:
        PruneError: there is no such scheme or score, or the scheme has one of its own.
    """
    own = find_scheme(scheme).own_score
    if score is None:
        return own or DEFAULT_SCORE
    find_score(score)
    if own is not None and score != own:
        raise OptionError(
            f"{OPTION}scheme {scheme} ranks by {own}, not by {OPTION}score {score}; leave "
            f"{OPTION}score out, or take {OPTION}scheme class-blind"
        )
    return score


def check_request(scheme: str, sparsity: float, score: Optional[str] = None) -> None:
    """Raise PruneError, naming the option, unless these can be asked for together.

    Args:
        score: None: what the scheme usually ranks by.
    """
    score_name(scheme, score)
    only = find_scheme(scheme).sparsity
    if only is not None and not abs(sparsity - only) <= 1e-9:
        raise OptionError(
            f"{OPTION}sparsity {sparsity} is not that of {OPTION}scheme {scheme}; give "
            f"{OPTION}sparsity {only}"
        )
    if not 0.0 <= sparsity < 1.0:
        raise OptionError(
            f"{OPTION}sparsity {sparsity:g} is outside [0, 1); it is the fraction of weights "
            f"to prune, e.g. 0.8"
        )


def check_steps(scheme: str, steps: int) -> None:
    """Raise PruneError, naming the option, unless ``scheme`` can prune in so many steps."""
    if steps < 1:
        raise OptionError(f"{OPTION}steps {steps} is out of range; give 1 or more")
    if steps > 1 and find_scheme(scheme).sparsity is not None:
        raise OptionError(
            f"{OPTION}steps {steps} prunes to other sparsities on the way, and {OPTION}scheme "
            f"{scheme} has one; leave {OPTION}steps out"
        )
