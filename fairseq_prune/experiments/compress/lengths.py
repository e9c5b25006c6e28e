"""How long the rounds are, and to what sparsity each goes."""

from typing import Any, Callable, Dict, List, Optional, Tuple

from ...pruning import PruneError
from ..progress import duration
from .plan import Plan
from .speed import Speed

#: Epochs where a checkpoint does not say how many it was trained for.
USUAL = 10


def lengths(
    plan: Plan, target: Callable[[], Tuple[float, int]], measure: Callable[[float], Speed]
) -> Dict[str, Any]:
    """
    Args:
        target: finds the sparsity that the packed file fits its size with, and its size then.
        measure: finds how long everything takes when pruned to a sparsity.
    Returns:
        "sparsities" and "epochs" of the rounds; "seconds", all of it should take (or None);
        "why": how long it is, and why so, in words.
    Raises:
        PruneError: the epochs or hours are too few, or no sparsity is left to try.
    """
    goal, recipe, size = plan.asked.goal, plan.recipe, None
    if goal.max_loss is not None:
        sparsities = recipe.tries(plan.before)
        if not sparsities:
            raise PruneError(
                f"--max-loss {goal.max_loss:g} has nothing left to try: {plan.asked.checkpoint} is "
                f"pruned to {100 * plan.before:.4g}% already; give a --sparsity above that"
            )
    elif goal.sparsity is not None:
        sparsities = recipe.sparsities(goal.sparsity, plan.before)
    else:
        sparsity, size = target()
        sparsities = recipe.sparsities(sparsity, plan.before)
    speed, how = None, "by the speed of the checkpoint's own training"
    if plan.asked.hours is not None:
        speed, how = measure(sparsities[-1]), "measured here"
    elif plan.seconds is not None:
        speed = Speed(plan.seconds)
        how += f", {plan.but}" if plan.but else ""
    tried = goal.max_loss is not None
    total, why = _epochs(plan, speed, len(sparsities))
    if tried:
        count = len(sparsities)
        if total < count and plan.asked.hours is not None:
            raise PruneError(
                f"--hours {plan.asked.hours:g} is enough for {_said(total)}, and --max-loss has "
                f"{count} rounds of one or more; give more --hours"
            )
        if total < count and plan.asked.epochs is not None:
            raise PruneError(
                f"--epochs {total}: --max-loss has {count} rounds of one or more; give --epochs "
                f"{count} or more"
            )
        if total < count:  # of the checkpoint's own training, which no one asked for
            total, why = count, f"{_said(count)}, as many as there are sparsities to try"
        each, more = divmod(total, count)
        epochs = [each + (r >= count - more) for r in range(count)]  # the later are the harder
        why += f", {each}{f' or {each + 1}' if more else ''} a round"
    else:
        sparsities = sparsities[-total:]  # rounds of an epoch at least
        epochs = recipe.epochs(total, len(sparsities))
    seconds = None if speed is None else speed.whole(epochs, plan.updates, tried)
    if seconds is not None:
        why += f"; {'at most ' if tried else ''}about {duration(seconds)} ({how})"
    if size is not None:
        why += f". It should pack into about {size:,} bytes, of {goal.max_bytes:,} that it may have"
    return {"sparsities": sparsities, "epochs": epochs, "seconds": seconds, "why": why}


def _epochs(plan: Plan, speed: Optional[Speed], rounds: int) -> Tuple[int, str]:
    asked = plan.asked
    if asked.epochs is not None:
        return asked.epochs, f"{_said(asked.epochs)} as asked for"
    if asked.hours is not None:
        assert speed is not None, "it is measured where there are hours"
        tried = asked.goal.max_loss is not None
        total = speed.epochs_in(3600 * asked.hours, rounds, plan.updates, tried)
        if not total:
            least = duration(speed.whole([1], plan.updates, tried))
            raise PruneError(
                f"--hours {asked.hours:g} is less than a round of one epoch and its scores take "
                f"here, about {least}; give more"
            )
        return total, f"{_said(total)}, which {asked.hours:g} hours are enough for"
    times = plan.recipe.epochs_of * (2 if asked.goal.max_loss is not None else 1)
    own = plan.own
    total = max(1, round(times * (own.epochs or USUAL)))
    if own.epochs is None:
        return total, f"{_said(total)} (the checkpoint does not say of how many)"
    several = "" if times == 1 else f"{times:g} times "
    why = f"{several}as many as the checkpoint was trained for ({own.epochs}, {own.by})"
    return total, f"{_said(total)}, {why}"


def _said(epochs: int) -> str:
    return f"{epochs} epoch{'s' * (epochs != 1)}"


def described(planned: Dict[str, Any]) -> List[str]:
    """Lines that say what the rounds are."""
    count = len(planned["epochs"])
    return [
        f"round {r} of {count}: {100 * sparsity:.4g}%, {_said(epochs)}"
        for r, (sparsity, epochs) in enumerate(
            zip(planned["sparsities"], planned["epochs"]), start=1
        )
    ] + [planned["why"]]
